"""A model with the architecture of SenseVoiceSmall and random weights: as slow as the real one, and freely given away.

    python -m benchmarks make_models [--folder build/sensevoice-random] [--tokens tokens.txt]

50 + 20 SANM layers of width 512 (four heads, FSMN memory of 11 frames, feed-forward 2048), a CTC head of 25055 tokens;
exported and quantised to int8 (matrix products, dynamically), with the metadata that sherpa-onnx reads.
It returns noise; its cost is that of the architecture: An et al., FunAudioLLM (arXiv 2407.04051); Gao et al., SAN-M
(arXiv 2006.01713).

Needs torch (the only place that does), onnx and onnxruntime, best in an environment of their own.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

_INPUT, _WIDTH, _HEADS, _INNER, _KERNEL = 560, 512, 4, 2048, 11
_LAYERS, _LATER_LAYERS, _TOKENS = 50, 20, 25055
_LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}


class Sanm(nn.Module):  # type: ignore[misc] # torch is not installed where types are checked
    """One layer: self-attention with an FSMN memory over its values, then the feed-forward part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(_WIDTH)
        self.queries = nn.Linear(width, 3 * _WIDTH)
        self.memory = nn.Conv1d(_WIDTH, _WIDTH, _KERNEL, padding=_KERNEL // 2, groups=_WIDTH, bias=False)
        self.out = nn.Linear(_WIDTH, _WIDTH)
        self.inner, self.outer = nn.Linear(_WIDTH, _INNER), nn.Linear(_INNER, _WIDTH)
        self.residual = width == _WIDTH

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames (N, T, width), mask (N, T) -> (N, T, 512)."""
        query, key, value = self.queries(self.first(frames)).split(_WIDTH, dim=-1)
        value = value * mask[:, :, None]
        memory = self.memory(value.transpose(1, 2)).transpose(1, 2) + value
        heads = [each.unflatten(-1, (_HEADS, -1)).transpose(1, 2) for each in (query, key, value)]
        scores = heads[0] @ heads[1].transpose(2, 3) * (_WIDTH // _HEADS) ** -0.5
        scores = scores + (mask[:, None, None, :] - 1) * 1e4
        heard = self.out((scores.softmax(-1) @ heads[2]).transpose(1, 2).flatten(2)) + memory * mask[:, :, None]
        if self.residual:
            heard = heard + frames
        return heard + self.outer(torch.relu(self.inner(self.second(heard))))


class SenseVoice(nn.Module):  # type: ignore[misc] # as above
    """The whole: four tags before the frames, two stacks of layers, CTC."""

    def __init__(self) -> None:
        super().__init__()
        self.tags = nn.Embedding(16, _INPUT)
        self.layers = nn.ModuleList([Sanm(_INPUT), *(Sanm(_WIDTH) for _ in range(_LAYERS - 1))])
        self.later = nn.ModuleList(Sanm(_WIDTH) for _ in range(_LATER_LAYERS))
        self.after, self.last = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.ctc = nn.Linear(_WIDTH, _TOKENS)

    def forward(self, x: Tensor, x_length: Tensor, language: Tensor, text_norm: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, T, 560) -> logits (N, T + 4, 25055) and their lengths."""
        fixed = torch.tensor([[1, 2]]).expand(x.shape[0], 2)
        tags = self.tags(torch.cat([language[:, None].long(), fixed, text_norm[:, None].long()], dim=1))
        frames = torch.cat([tags, x * _WIDTH**0.5], dim=1)
        lengths = x_length + 4
        mask = (torch.arange(frames.shape[1])[None] < lengths[:, None]).float()
        for layer in self.layers:
            frames = layer(frames, mask)
        frames = self.after(frames)
        for layer in self.later:
            frames = layer(frames, mask)
        return self.ctc(self.last(frames)), lengths


def export(path: Path) -> None:
    """Write the model in float32."""
    torch.manual_seed(0)
    integers = [torch.tensor([40, 40], dtype=torch.int32), *(torch.tensor([n, n], dtype=torch.int32) for n in (4, 14))]
    names = ["x", "x_length", "language", "text_norm"]
    axes = {"x": {0: "N", 1: "T"}, **{name: {0: "N"} for name in names[1:]}}
    torch.onnx.export(
        SenseVoice().eval(),
        (torch.randn(2, 40, _INPUT), *integers),
        str(path),
        input_names=names,
        output_names=["logits", "logits_length"],
        dynamic_axes={**axes, "logits": {0: "N", 1: "L"}, "logits_length": {0: "N"}},
        opset_version=14,
        dynamo=False,
    )


def describe(path: Path) -> None:
    """Add the metadata that sherpa-onnx reads."""
    model = onnx.load(str(path))
    facts = {
        "model_type": "sense_voice_ctc",
        "vocab_size": _TOKENS,
        "lfr_window_size": 7,
        "lfr_window_shift": 6,
        "normalize_samples": 0,
        "with_itn": 14,
        "without_itn": 15,
        "neg_mean": ",".join(["0"] * _INPUT),
        "inv_stddev": ",".join(["1"] * _INPUT),
        **{f"lang_{name}": number for name, number in _LANGUAGES.items()},
    }
    for name, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, str(value)
    onnx.save(model, str(path))


def main() -> None:
    """Make the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/sensevoice-random"))
    parser.add_argument("--tokens", type=Path, help="SenseVoice's tokens.txt; without it, made-up ones")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    made = "".join(f"t{number} {number}\n" for number in range(_TOKENS))
    tokens = arguments.tokens.read_text(encoding="utf-8") if arguments.tokens else made
    (arguments.folder / "tokens.txt").write_text(tokens, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.onnx"
        export(whole)
        small = arguments.folder / "model.int8.onnx"
        quantize_dynamic(str(whole), str(small), op_types_to_quantize=["MatMul"], weight_type=QuantType.QUInt8)
        describe(small)
    print(f"{small}: {small.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

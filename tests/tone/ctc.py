"""Models that say of each frame which tone it is: SenseVoice and the CTC family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.tone.bands import THRESHOLD, TONES, Bands
from tests.tone.graph import FLOAT, INT32, INT64, Graph, pieces, write_tokens

#: SenseVoice's four leading tags; language and ITN are chosen by number, as the real model's are
_LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12}
_WITH_ITN, _WITHOUT_ITN = 14, 15


#: all its emotions and events
EMOTION_TAGS = ("HAPPY", "SAD", "ANGRY", "NEUTRAL", "FEARFUL", "DISGUSTED", "SURPRISED", "EMO_UNKNOWN")
EVENT_TAGS = (
    "Speech", "BGM", "Applause", "Laughter", "Cry", "Sneeze", "Breath", "Cough", "Sing", "Speech_Noise", "GBG",
    "Event_UNK",
)  # fmt: skip


def sense_voice(folder: Path, words: Sequence[str], emotion: str = "HAPPY", event: str = "Speech") -> None:
    """Frames of 60 ms (low frame rate: 7 stacked, every 6th), behind tags that follow the request.

    Without ITN the first word is written twice as long ("do" as "dodo"), so that a test sees the switch arrive.
    """
    tags = [f"<|{code}|>" for code in _LANGUAGES if code != "auto"]
    symbols = ["<unk>", "<s>", "</s>", *pieces(words), *tags]
    symbols += [f"<|{tag}|>" for tag in (*EMOTION_TAGS, *EVENT_TAGS, "withitn", "woitn")]
    symbols.append(f"▁{words[0]}{words[0]}")
    write_tokens(folder, symbols)
    size, first, plain = len(symbols), 3, len(symbols) - 1

    g = Graph()
    bands = Bands(high=8000.0)
    weights = np.zeros((560, size), np.float32)
    weights[240:320, first : first + len(words)] = bands.weights(len(words))
    bias = np.full(size, -100.0, np.float32)
    bias[0], bias[first : first + len(words)] = THRESHOLD, 0
    frames = g.op("Add", g.op("MatMul", "x", g.const(weights)), g.const(bias))
    # Without ITN, exchange the first word's column for the plain one's.
    swap = np.eye(size, dtype=np.float32)
    swap[[first, plain]] = swap[[plain, first]]
    without = g.op("Equal", "text_norm", g.const(_WITHOUT_ITN, "int32"))
    without3 = g.op("Unsqueeze", without, g.ints(1, 2))
    frames = g.op("Where", without3, g.op("MatMul", frames, g.const(swap)), frames)

    rows = np.full((16, 1, size), -50.0, np.float32)
    for code, number in _LANGUAGES.items():
        rows[number, 0, symbols.index(f"<|{'zh' if code == 'auto' else code}|>")] = 10
    rows[_WITH_ITN, 0, symbols.index("<|withitn|>")] = 10
    rows[_WITHOUT_ITN, 0, symbols.index("<|woitn|>")] = 10
    table = g.const(rows)
    fixed = np.full((1, 2, size), -50.0, np.float32)
    fixed[0, 0, symbols.index(f"<|{emotion}|>")] = fixed[0, 1, symbols.index(f"<|{event}|>")] = 10
    language = g.op("Gather", table, "language", axis=0)
    itn = g.op("Gather", table, "text_norm", axis=0)
    middle = g.op("Expand", g.const(fixed), g.op("Concat", g.size("x", 0), g.ints(2, size), axis=0))
    logits = g.op("Concat", language, middle, itn, frames, axis=1)
    g.keep(logits, "x_length", out="logits")
    g.save(
        folder / "model.onnx",
        [
            ("x", FLOAT, ["N", "T", 560]),
            ("x_length", INT32, ["N"]),
            ("language", INT32, ["N"]),
            ("text_norm", INT32, ["N"]),
        ],
        [("logits", FLOAT, ["N", "L", size])],
        {
            "model_type": "sense_voice_ctc",
            "vocab_size": size,
            "blank_id": 0,
            "lfr_window_size": 7,
            "lfr_window_shift": 6,
            "normalize_samples": 0,
            "with_itn": _WITH_ITN,
            "without_itn": _WITHOUT_ITN,
            "neg_mean": [-8] * 560,
            "inv_stddev": [1] * 560,
            "comment": "tones",
            **{f"lang_{code}": number for code, number in _LANGUAGES.items()},
        },
    )


def frame_scores(g: Graph, x: str, weights: np.ndarray, every: int) -> str:
    """(N, T, bands) -> (N, T/every, 1 + words): blank and words, one frame of `every`."""
    thinned = g.slice(x, 1, 0, step=every)
    padded = np.concatenate([np.zeros((len(weights), 1), np.float32), weights], axis=1)
    bias = np.zeros(padded.shape[1], np.float32)
    bias[0] = THRESHOLD
    return g.op("Add", g.op("MatMul", thinned, g.const(padded)), g.const(bias))


def _ctc(
    bands: Bands,
    metadata: dict[str, Any],
    *,
    values: str = "x x_lens log_probs log_probs_len",
    blank: str = "<blk>",
    every: int = 4,
    tones: int = len(TONES),
    mask: bool = False,
) -> Callable[[Path, Sequence[str]], None]:
    """A model with one score a frame and token. `values` are names of the frames, their number, the scores, and their
    number, as far as the published export has them; `mask`: the number of frames comes as a mask.
    """
    x, length, logits, logits_length = (*values.split(), "", "", "")[:4]

    def build(folder: Path, words: Sequence[str]) -> None:
        spoken = words[:tones]
        write_tokens(folder, [blank, *pieces(spoken)])
        size = 1 + len(spoken)
        g = Graph()
        g.op("Identity", frame_scores(g, x, bands.weights(len(spoken)), every), out=logits or length)
        inputs = [(x, FLOAT, ["N", "T", bands.count])]
        outputs = [(logits or length, FLOAT, ["N", "L", size])]
        if logits_length:
            inputs.append((length, INT64, ["N", "T"] if mask else ["N"]))
            outputs.append((logits_length, INT64, ["N"]))
            counts = g.op("ReduceSum", length, g.ints(1), keepdims=0) if mask else length
            # Rounded up: the slice keeps the first of each `every` frames.
            g.op("Div", g.op("Add", counts, g.ints(every - 1)), g.ints(every), out=logits_length)
        g.save(folder / "model.onnx", inputs, outputs, {"vocab_size": size, "subsampling_factor": every, **metadata})

    return build


def nemo_ctc(folder: Path, words: Sequence[str]) -> None:
    """Frames as columns, blank as the last token, and no lengths of the scores."""
    write_tokens(folder, [*pieces(words), "<blk>"])
    size = len(words) + 1
    g = Graph()
    frames = g.op("Transpose", "audio_signal", perm=[0, 2, 1])
    scores = frame_scores(g, frames, Bands(low=0.0, high=8000.0, scale="slaney").weights(len(words)), 4)
    blank_last = np.roll(np.eye(size, dtype=np.float32), -1, axis=1)
    g.keep(g.op("MatMul", scores, g.const(blank_last)), "length", out="logprobs")
    g.save(
        folder / "model.onnx",
        [("audio_signal", FLOAT, ["N", 80, "T"]), ("length", INT64, ["N"])],
        [("logprobs", FLOAT, ["N", "L", size])],
        {"vocab_size": len(words), "subsampling_factor": 4, "model_type": "EncDecCTCModelBPE", "normalize_type": ""},
    )


def raw_energies(g: Graph, x: str, tones: int, shift: int) -> str:
    """(N, samples) -> (N, frames, tones): energy at each tone as a share of all, by correlation over 25 ms."""
    time = np.arange(400) / 16000
    window = np.hanning(400)
    kernels = np.array([f(2 * np.pi * tone * time) * window for tone in TONES[:tones] for f in (np.cos, np.sin)])
    waves = g.op("Unsqueeze", x, g.ints(1))
    parts = g.op("Conv", waves, g.const(kernels[:, None, :]), strides=[shift])
    power = g.op("Mul", parts, parts)
    pairs = np.kron(np.eye(tones), np.ones((1, 2)))
    energy = g.op("MatMul", g.const(pairs), power)
    total = g.op("Conv", g.op("Mul", waves, waves), g.const(window[None, None, :] ** 2), strides=[shift])
    # A sine of amplitude a: energy (a S1 / 2)^2 of a total of a^2 S2 / 2.
    share = g.op("Div", energy, g.op("Add", total, g.const(1e-9)))
    scaled = g.op("Mul", share, g.const(2 * np.sum(window**2) / np.sum(window) ** 2))
    return g.op("Transpose", scaled, perm=[0, 2, 1])


def omnilingual_asr_ctc(folder: Path, words: Sequence[str]) -> None:
    """Detects samples, 20 ms a frame; blank is token 0 by definition."""
    write_tokens(folder, ["<s>", *pieces(words)])
    g = Graph()
    energies = raw_energies(g, "x", len(words), 320)
    first = g.slice(energies, 2, 0, 1)
    blank = g.op("Add", g.op("Mul", first, g.const(0.0)), g.const(0.5))
    g.op("Concat", blank, energies, axis=2, out="logits")
    size = 1 + len(words)
    metadata = {"model_type": "omnilingual-asr", "vocab_size": size, "sample_rate": 16000}
    g.save(folder / "model.onnx", [("x", FLOAT, ["N", "T"])], [("logits", FLOAT, ["N", "L", size])], metadata)


def telespeech_ctc(folder: Path, words: Sequence[str]) -> None:
    """Detects 40 cepstra (kaldi's MFCC), each of mean 0 and deviation 1 over time.

    How a frame differs from the quiet beginning is compared with how each tone's cepstra differ from silence's.
    """
    write_tokens(folder, ["<blk>", *pieces(words)])
    patterns = np.zeros((40, len(words)), np.float32)
    # Those above tell fine structure, which differs from frame to frame.
    patterns[:20] = _cepstra(Bands(40, low=40.0, high=7800.0), len(words), 20).T
    g = Graph()
    beginning = g.op("ReduceMean", g.slice("feats", 1, 2, 12), axes=[1], keepdims=1)
    likeness = g.op("MatMul", g.slice(g.op("Sub", "feats", beginning), 1, 0, step=4), g.const(patterns))
    first = g.op("Mul", g.slice(likeness, 2, 0, 1), g.const(0.0))
    logits = g.op("Concat", g.op("Add", first, g.const(3.0)), likeness, axis=2)
    g.op("Transpose", logits, perm=[1, 0, 2], out="logits")
    g.save(
        folder / "model.onnx",
        [("feats", FLOAT, [1, "T", 40])],
        [("logits", FLOAT, ["L", 1, 1 + len(words)])],
        {"model_type": "telespeech_ctc"},
    )


def _cepstra(bands: Bands, tones: int, number: int) -> np.ndarray:
    """(tones, number), of length 1: how tones differ from silence, as kaldi's MFCC has it.

    Its lifter and norms are left out, since features and patterns are both scaled to deviation 1.
    """
    time = np.arange(400) / 16000
    window = np.hanning(400) ** 0.85
    noise = np.random.default_rng(0).normal(0, 1 / 300, (200, 400))
    sounds = [np.sin(2 * np.pi * tone * time) for tone in TONES[:tones]]
    edges = bands.edges() / 16000 * 512
    bins = np.arange(257)[:, None]
    filters = np.clip(
        np.minimum((bins - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - bins) / (edges[2:] - edges[1:-1])),
        0,
        1,
    )

    def heard(frames: np.ndarray) -> np.ndarray:
        emphasised = frames - 0.97 * np.roll(frames, 1, axis=1)
        return (np.abs(np.fft.rfft(emphasised * window, 512)) ** 2) @ filters

    silence = heard(noise).mean(axis=0)
    rise = np.log(heard(np.array(sounds)) / silence + 1)
    count = np.arange(bands.count)
    cepstra = rise @ np.cos(np.pi / bands.count * np.outer(count[:number], count + 0.5)).T
    scaled = cepstra / np.sqrt((cepstra**2).mean(axis=0) - (cepstra.mean(axis=0) / 2) ** 2)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


BUILDERS: dict[str, Callable[[Path, Sequence[str]], None]] = {
    "sense_voice": sense_voice,
    "zipformer_ctc": _ctc(Bands(), {"model_type": "zipformer2_ctc"}),
    "nemo_ctc": nemo_ctc,
    "wenet_ctc": _ctc(
        Bands(), {"model_type": "wenet_ctc"}, values="x x_lens log_probs log_probs_lens", blank="<blank>"
    ),
    "dolphin_ctc": _ctc(
        Bands(low=0.0, high=8000.0, scale="slaney"),
        {"model_type": "dolphin", "mean": [0] * 80, "invstd": [1] * 80},
        blank="<blank>",
    ),
    "tdnn_ctc": _ctc(Bands(23, high=3600.0), {"model_type": "tdnn"}, values="x logits", every=1, tones=5),
    "medasr_ctc": _ctc(
        Bands(128, low=125.0, high=7500.0),
        {"model_type": "medasr_ctc"},
        values="x mask logits logits_len",
        mask=True,
    ),
    "fire_red_asr_ctc": _ctc(
        Bands(high=8000.0),
        {"model_type": "fire-red-asr-2-ctc", "cmvn_mean": [0] * 80, "cmvn_inv_stddev": [1] * 80},
    ),
    "omnilingual_asr_ctc": omnilingual_asr_ctc,
    "telespeech_ctc": telespeech_ctc,
}

"""The type and files of a folder that holds a model for sherpa-onnx, from file names and ONNX metadata.

sherpa-onnx's exports keep a customary set of file names for each architecture, and most write `model_type` into the
metadata of their (first) graph. Where both leave more than one answer, the user is asked: a wrong guess would end the
engine process.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asrcli.backends.registry import is_streaming
from asrcli.errors import ModelError
from asrcli.storage.onnx_file import read_metadata

_GRAPHS = (".onnx", ".ort")


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """A set of file names that speaks for one or several types."""

    #: logical name -> what the file's name (lower case, without ".int8", ".onnx", ...) must match
    files: Mapping[str, str]
    #: types with this set; more than one: distinguished by metadata or the folder's name
    types: tuple[str, ...]
    #: logical names that are folders, with the file that shows it
    folders: Mapping[str, str] = field(default_factory=dict)


# The most telling first: the first layout whose files are all there is taken.
_LAYOUTS = (
    ModelLayout(
        {"encoder_adaptor": "encoder_adaptor", "llm": "llm", "embedding": "embedding"},
        ("funasr_nano",),
        {"tokenizer": "vocab.json"},
    ),
    ModelLayout(
        {"conv_frontend": "conv_frontend", "encoder": "encoder", "decoder": "decoder"},
        ("qwen3_asr",),
        {"tokenizer": "vocab.json"},
    ),
    ModelLayout(
        {
            "preprocessor": "preprocess(or)?",
            "encoder": "encoder?",
            "uncached_decoder": "uncached_decoder?",
            "cached_decoder": "cached_decoder?",
            "tokens": "tokens",
        },
        ("moonshine",),
    ),
    ModelLayout({"encoder": "encoder_model", "decoder": "decoder_model_merged", "tokens": "tokens"}, ("moonshine_v2",)),
    ModelLayout(
        {"encoder": r"encoder(-.*)?", "decoder": r"decoder(-.*)?", "joiner": r"joiner(-.*)?", "tokens": "tokens"},
        ("transducer", "nemo_transducer", "online_transducer"),
    ),
    ModelLayout({"encoder": r".+-encoder", "decoder": r".+-decoder", "tokens": r".+-tokens"}, ("whisper",)),
    ModelLayout(
        {"encoder": "encoder", "decoder": "decoder", "tokens": "tokens"},
        ("canary", "fire_red_asr", "cohere_transcribe", "online_paraformer"),
    ),
    ModelLayout(
        {"model": r"model(-.*)?|ctc-.*", "tokens": "tokens"},
        (
            "sense_voice", "paraformer", "nemo_ctc", "zipformer_ctc", "telespeech_ctc", "dolphin_ctc", "wenet_ctc",
            "fire_red_asr_ctc", "omnilingual_asr_ctc", "medasr_ctc", "tdnn_ctc", "online_zipformer2_ctc",
            "online_nemo_ctc", "online_t_one_ctc",
        ),
    ),
)  # fmt: skip

# Type -> `model_type` in the metadata, of the types that a layout leaves open (sherpa-onnx's own table in
# csrc/offline-recognizer-impl.cc, and what its export scripts write).
_METADATA = {
    "transducer": {"conformer", "zipformer", "zipformer2"},
    "online_transducer": {"conformer", "zipformer", "zipformer2", "lstm"},
    "nemo_transducer": {"EncDecRNNTBPEModel", "EncDecHybridRNNTCTCBPEModel"},
    "nemo_ctc": {"EncDecCTCModelBPE", "EncDecCTCModel", "EncDecHybridRNNTCTCBPEModel"},
    "canary": {"EncDecMultiTaskModel"},
    "cohere_transcribe": {"cohere-transcribe-03-2026"},
    "fire_red_asr": {"fire-red-asr"},
    "fire_red_asr_ctc": {"fire-red-asr-2-ctc"},
    "online_paraformer": {"paraformer"},
    "sense_voice": {"sense_voice_ctc"},
    "paraformer": {"paraformer"},
    "zipformer_ctc": {"zipformer2_ctc"},
    "online_zipformer2_ctc": {"zipformer2"},
    "telespeech_ctc": {"telespeech_ctc"},
    "wenet_ctc": {"wenet_ctc"},
    "dolphin_ctc": {"dolphin"},
    "medasr_ctc": {"medasr_ctc"},
    "tdnn_ctc": {"tdnn", "tdnn_lstm"},
}

# A word in the folder's name -> type.
_NAMES = (
    ("sense-voice", "sense_voice"), ("sensevoice", "sense_voice"), ("fire-red-asr2-ctc", "fire_red_asr_ctc"),
    ("fire-red", "fire_red_asr"), ("fireredasr", "fire_red_asr"), ("telespeech", "telespeech_ctc"),
    ("dolphin", "dolphin_ctc"), ("omnilingual", "omnilingual_asr_ctc"), ("medasr", "medasr_ctc"),
    ("wenet", "wenet_ctc"), ("yesno", "tdnn_ctc"), ("canary", "canary"), ("cohere", "cohere_transcribe"),
    ("t-one", "online_t_one_ctc"), ("streaming-zipformer-ctc", "online_zipformer2_ctc"),
    ("streaming-zipformer-small-ctc", "online_zipformer2_ctc"), ("nemo-streaming", "online_nemo_ctc"),
    ("streaming", "online_transducer"), ("streaming", "online_paraformer"), ("zipformer-ctc", "zipformer_ctc"),
    ("parakeet", "nemo_transducer"), ("parakeet", "nemo_ctc"), ("nemo", "nemo_transducer"), ("nemo", "nemo_ctc"),
    ("zipformer", "transducer"), ("conformer", "transducer"), ("paraformer", "paraformer"),
)  # fmt: skip


def detect_folder(folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
    """Type and files of the model in a folder (int8 where there is a choice), with `streaming` of a streaming model;
    None where no layout fits. Raises ModelError: it could be several models; the hint shows how to describe it.
    """
    stems = _stems(folder)
    for layout in _LAYOUTS:
        types = tuple(type_ for type_ in layout.types if not streaming or is_streaming(type_))
        files = _match(folder, stems, layout) if types else None
        if files is None:
            continue
        type_ = _choose(folder, files, types)
        if type_ == "paraformer":
            files["paraformer"] = files.pop("model")
        return type_, files
    return None


def _stems(folder: Path) -> dict[str, Path]:
    """Name without precision and suffix -> file; int8 before float32 before float16."""
    ranked: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.suffix not in {*_GRAPHS, ".txt"}:
            continue
        stem = path.name.lower().removesuffix(path.suffix)
        rank = 1
        for precision, order in ((".int8", 0), (".fp16", 2)):
            if stem.endswith(precision):
                stem, rank = stem.removesuffix(precision), order
        if stem not in ranked or rank < ranked[stem][0]:
            ranked[stem] = (rank, path)
    return {stem: path for stem, (_, path) in ranked.items()}


def _match(folder: Path, stems: Mapping[str, Path], layout: ModelLayout) -> dict[str, Path] | None:
    files: dict[str, Path] = {}
    for key, pattern in layout.files.items():
        wanted = (".txt",) if key == "tokens" else _GRAPHS
        found = [p for stem, p in stems.items() if p.suffix in wanted and re.fullmatch(pattern, stem)]
        if not found:
            return None
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise ModelError(f"{folder} holds several files for {key!r}: {names}.", how_to_describe(folder))
        files[key] = found[0]
    for key, mark in layout.folders.items():
        inside = [child for child in sorted(folder.iterdir()) if (child / mark).is_file()]
        if not inside:
            return None
        files[key] = inside[0]
    return files


def _choose(folder: Path, files: Mapping[str, Path], types: tuple[str, ...]) -> str:
    if len(types) == 1:
        return types[0]
    metadata = _metadata(files.get("encoder") or files["model"])
    model_type = metadata.get("model_type", "")
    candidates = [type_ for type_ in types if model_type in _METADATA.get(type_, ())]
    if len(candidates) > 1:
        # icefall writes one `model_type` for both; only what streams has a chunk length.
        streams = "decode_chunk_len" in metadata or "chunk_size" in metadata
        candidates = [type_ for type_ in candidates if is_streaming(type_) == streams] or candidates
    if len(candidates) != 1:
        name = folder.resolve().name.lower()
        candidates = [type_ for word, type_ in _NAMES if word in name and type_ in (candidates or types)][
            :1
        ] or candidates
    if len(candidates) == 1:
        return candidates[0]
    raise ModelError(
        f"{folder} could hold a model of type {' or '.join(candidates or types)}.", how_to_describe(folder)
    )


def _metadata(graph: Path) -> dict[str, str]:
    """A graph's metadata; none of an ORT file, or of one that the engine will refuse anyway."""
    try:
        return read_metadata(graph)
    except ModelError:
        return {}


def how_to_describe(folder: Path) -> str:
    """An entry of models.yaml for a folder, as a hint."""
    return (
        "Describe it in models.yaml (docs/models.md lists the types and their files):\n"
        "  models:\n"
        f"    {folder.resolve().name}:\n"
        "      type: sense_voice\n"
        f"      dir: {folder.resolve()}\n"
        "      files: {model: model.onnx, tokens: tokens.txt}"
    )

"""What lies in a folder that no registry entry describes: the type and the files, told by names and ONNX metadata.

sherpa-onnx's exports keep a customary set of file names for each architecture, and most write `model_type` into the
metadata of their (first) graph. Where both leave more than one answer, we ask the user instead of guessing: a wrong
guess would end the engine process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asrcli.backends.funasr.folder import read_folder
from asrcli.backends.funasr.model_types import FUNASR_TYPES, type_of_class
from asrcli.backends.onnx_metadata import read_metadata
from asrcli.errors import ModelError, UsageError
from asrcli.models.entry import Kind

_GRAPHS = (".onnx", ".ort")


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """A set of file names that speaks for one or several types."""

    #: logical name -> what the file's name (lower case, without ".int8", ".onnx", ...) must match
    files: Mapping[str, str]
    #: types with this set; more than one: told apart by metadata or the folder's name
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

# Kinds whose models are a single graph: type and logical name.
_SINGLE: Mapping[str, tuple[str, str]] = {
    "vad": ("silero_vad", "model"),
    "segmentation": ("pyannote", "model"),
    "embedding": ("speaker_embedding", "model"),
    "punctuation": ("ct_transformer", "ct_transformer"),
}


def detect(path: Path, kind: Kind = "asr") -> tuple[str, dict[str, Path]]:
    """The type of the model at `path` and its files by logical name (int8 where there is a choice).

    Args:
        path: a folder, or for the kinds of one file (VAD, segmentation, embedding, punctuation) that file.
        kind: what the model is wanted for.

    Raises:
        ModelError: nothing recognisable lies there, or it could be several things; the hint says how to name it.
        UsageError: a file was given where only a folder says enough.
    """
    if kind in _SINGLE:
        type_, key = _SINGLE[kind]
        graph = path if path.is_file() else _only_graph(path)
        vocabulary = graph.with_name("bpe.vocab")
        if kind == "punctuation" and vocabulary.is_file():
            return "cnn_bilstm", {"cnn_bilstm": graph, "bpe_vocab": vocabulary}
        return type_, {key: graph}
    if path.is_file():
        raise UsageError(f"{path} is a file; a recogniser is a folder of several.", f"Name the folder: {path.parent}")
    toolkit = _of_funasr(path) if kind == "asr" else None
    if toolkit is not None:
        return toolkit
    stems = _stems(path)
    for layout in _LAYOUTS:
        files = _match(path, stems, layout)
        if files is None:
            continue
        types = tuple(t for t in layout.types if kind != "streaming" or t.startswith("online_"))
        if not types:
            continue
        type_ = _choose(path, files, types)
        if type_ == "paraformer":
            files["paraformer"] = files.pop("model")
        return type_, files
    raise ModelError(
        f"No model that asrcli knows lies in {path}: "
        + (
            f"it holds {', '.join(sorted(p.name for p in path.iterdir())[:8])}."
            if any(path.iterdir())
            else "it is empty."
        ),
        _how_to_say(path),
    )


def _of_funasr(path: Path) -> tuple[str, dict[str, Path]] | None:
    """The type and files of a folder with FunASR's configuration and weights; exports to ONNX keep the former alone."""
    found = read_folder(path)
    if found is None or not found.files["model"].exists():
        return None
    type_ = type_of_class(found.class_name)
    if type_ is None:
        classes = ", ".join(name for row in FUNASR_TYPES.values() for name in row.classes)
        raise ModelError(
            f"{path} holds FunASR's {found.class_name}, which asrcli cannot run.", f"Of FunASR it runs {classes}."
        )
    if found.missing:
        lost = ", ".join(missing.name for missing in found.missing)
        raise ModelError(f"{path} lacks {lost}, which its configuration names.", "Download the model again.")
    return type_, dict(found.files)


def _only_graph(folder: Path) -> Path:
    graphs = sorted(p for p in folder.iterdir() if p.suffix in _GRAPHS)
    for name in ("model.onnx", "model.int8.onnx"):
        if folder / name in graphs:
            return folder / name
    if len(graphs) == 1:
        return graphs[0]
    raise ModelError(
        f"{folder} holds {len(graphs) or 'no'} ONNX files.",
        "Name the file itself." if graphs else "Name a folder or file with the model.",
    )


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
            raise ModelError(f"{folder} holds several files for {key!r}: {names}.", _how_to_say(folder))
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
    told = [type_ for type_ in types if model_type in _METADATA.get(type_, ())]
    if len(told) > 1:
        # icefall writes one `model_type` for both; only what streams has a chunk length.
        streams = "decode_chunk_len" in metadata or "chunk_size" in metadata
        told = [type_ for type_ in told if type_.startswith("online_") == streams] or told
    if len(told) != 1:
        name = folder.resolve().name.lower()
        told = [type_ for word, type_ in _NAMES if word in name and type_ in (told or types)][:1] or told
    if len(told) == 1:
        return told[0]
    raise ModelError(
        f"Cannot tell what kind of model lies in {folder}: it could be {', '.join(told or types)}.", _how_to_say(folder)
    )


def _metadata(graph: Path) -> dict[str, str]:
    """A graph's metadata; none of an ORT file, or of one that the engine will refuse anyway."""
    try:
        return read_metadata(graph)
    except ModelError:
        return {}


def _how_to_say(folder: Path) -> str:
    return (
        "Describe it in models.yaml (docs/models.md lists the types and their files):\n"
        "  models:\n"
        f"    {folder.resolve().name}:\n"
        "      type: sense_voice\n"
        f"      dir: {folder.resolve()}\n"
        "      files: {model: model.onnx, tokens: tokens.txt}"
    )

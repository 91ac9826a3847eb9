"""The type and files of a model that no registry entry describes."""

from collections.abc import Mapping
from pathlib import Path

from asrcli.backends.funasr.companions import EMBEDDING, PUNCTUATION, VAD, detect_companion
from asrcli.backends.registry import BACKENDS
from asrcli.backends.sherpa.folder import how_to_describe
from asrcli.errors import ModelError, UsageError
from asrcli.models.entry import Kind

# Kinds whose models are a single graph: type and logical name.
_SINGLE: Mapping[str, tuple[str, str]] = {
    "vad": ("silero_vad", "model"),
    "segmentation": ("pyannote", "model"),
    "embedding": ("speaker_embedding", "model"),
    "punctuation": ("ct_transformer", "ct_transformer"),
}
#: kind -> type of FunASR's toolkit
_COMPANIONS: Mapping[str, str] = {"embedding": EMBEDDING, "vad": VAD}


def detect(path: Path, kind: Kind = "asr") -> tuple[str, dict[str, Path]]:
    """The type of the model in a folder (or, for kinds of one file, that file) and its files by logical name, int8 if
    there are several. Raises ModelError: the contents are unknown or ambiguous; the hint shows how to describe them;
    UsageError: a file was given for a kind that needs a folder.
    """
    config, weights = path / "config.yaml", path / "model.pt"
    # Exports for sherpa-onnx may hold the config.yaml that they were made from.
    if kind == "punctuation" and config.is_file() and (weights.is_file() or not any(path.glob("*.onnx"))):
        return PUNCTUATION, {"config": config, "model": weights}
    if kind in _COMPANIONS and path.is_dir():
        files = detect_companion(path, _COMPANIONS[kind])
        if files is not None:
            return _COMPANIONS[kind], files
    if kind in _SINGLE:
        type_, key = _SINGLE[kind]
        graph = path if path.is_file() else _only_graph(path)
        vocabulary = graph.with_name("bpe.vocab")
        if kind == "punctuation" and vocabulary.is_file():
            return "cnn_bilstm", {"cnn_bilstm": graph, "bpe_vocab": vocabulary}
        return type_, {key: graph}
    if path.is_file():
        raise UsageError(f"{path} is a file, but a recogniser has several.", f"Name the folder: {path.parent}")
    for backend in BACKENDS:
        found = backend.detect_folder(path, streaming=kind == "streaming")
        if found is not None:
            return found
    raise ModelError(
        f"{path} does not contain a model that asrcli can run: "
        + (
            f"it contains {', '.join(sorted(p.name for p in path.iterdir())[:8])}."
            if any(path.iterdir())
            else "it is empty."
        ),
        how_to_describe(path),
    )


def _only_graph(folder: Path) -> Path:
    graphs = sorted(p for p in folder.iterdir() if p.suffix in {".onnx", ".ort"})
    for name in ("model.onnx", "model.int8.onnx"):
        if folder / name in graphs:
            return folder / name
    if len(graphs) == 1:
        return graphs[0]
    raise ModelError(
        f"{folder} contains {len(graphs) or 'no'} ONNX files.",
        "Name the file itself." if graphs else "Name a folder or file with the model.",
    )

"""CTranslate2's model type, and its checks: model.bin, config.json, tokenizer.json and a vocabulary in a folder.

CTranslate2 reads the folder itself; the names of the files are fixed.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from asrcli.backends.device import devices_of
from asrcli.backends.model_type import ANY, POSITIVE, ModelType, OptionCheck, one_of
from asrcli.backends.registry import check_packages
from asrcli.backends.sherpa.model_types import PROMPTED_WHISPER
from asrcli.backends.types import Checks, ModelSpec, check_files, check_options
from asrcli.errors import ModelError, OptionNotSupportedError
from asrcli.options import RecognitionOptions

WHISPER = "ctranslate2_whisper"
TYPES: Mapping[str, ModelType] = {WHISPER: PROMPTED_WHISPER}
#: precisions of CTranslate2 (its documentation, "Quantization"); auto: int8 on a CPU, float16 on a GPU
_COMPUTE_TYPES = (
    "auto", "default", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16",
    "float32",
)  # fmt: skip
OPTIONS: Mapping[str, OptionCheck] = {
    "compute_type": one_of(*_COMPUTE_TYPES),
    "task": one_of("transcribe", "translate"),
    "device": ANY,
    **dict.fromkeys(("beam_size", "batch_size", "num_threads"), POSITIVE),
}
#: positions of Whisper's decoder; the text before a chunk may take half of them, less the mark at its start
CONTEXT = 448
_MOST_PROMPT = CONTEXT // 2 - 1
#: the header of model.bin: version of the format (4 bytes), length of the name (2), name of the model's class
_CLASS = b"WhisperSpec"
#: tokens of the vocabulary without other languages than English, and of the first with Cantonese (large-v3)
_ENGLISH, _WITH_CANTONESE = 51864, 51866


class CTranslate2Checks(Checks):
    """Checks of models that CTranslate2 loads."""

    def check_model(self, spec: ModelSpec) -> None:
        _check_files(spec)
        devices_of(spec)
        check_options(spec, OPTIONS)

    def check_prompt(self, spec: ModelSpec, request: RecognitionOptions) -> None:
        check_packages(spec.type)
        count = len(encode(spec.files["tokenizer"], previous_text(request)))
        if count > _MOST_PROMPT:
            raise OptionNotSupportedError(
                f"{spec.name}: hotwords and prompt take {count} tokens; Whisper reads at most {_MOST_PROMPT}.",
                "Give fewer hotwords or a shorter prompt.",
            )

    def engine_languages(self, spec: ModelSpec, row: ModelType) -> tuple[str, ...]:
        path = spec.files.get("vocabulary")
        size = _vocabulary_size(path, path.stat().st_mtime_ns) if path is not None and path.is_file() else 0
        if size == _ENGLISH:
            return ("en",)
        return row.languages if size == 0 or size >= _WITH_CANTONESE else tuple(x for x in row.languages if x != "yue")


def detect_folder(folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
    """Type and files of a folder with a Whisper model in CTranslate2's form. Raises ModelError: a file is missing."""
    model = folder / "model.bin"
    if streaming or not model.is_file() or not (folder / "config.json").is_file() or not _is_whisper(model):
        return None
    vocabulary = next((folder / name for name in _VOCABULARIES if (folder / name).is_file()), None)
    if vocabulary is None or not (folder / "tokenizer.json").is_file():
        missing = "tokenizer.json" if vocabulary else "vocabulary.json"
        raise ModelError(f"{folder} lacks {missing} of a Whisper model.", "Download the model again.")
    names = {"model": "model.bin", "config": "config.json", "tokenizer": "tokenizer.json"}
    return WHISPER, {**{key: folder / name for key, name in names.items()}, "vocabulary": vocabulary}


def previous_text(request: RecognitionOptions) -> str:
    """Hotwords and prompt as the text before a chunk, which Whisper continues; "" without any."""
    phrases = ", ".join(hotword.text.strip() for hotword in request.hotwords)
    return " ".join(filter(None, (phrases + "." if phrases else "", request.prompt.strip())))


def encode(tokenizer: Path, text: str) -> tuple[int, ...]:
    """Tokens of a text, with the space that Whisper's words begin with."""
    return _encode(tokenizer, tokenizer.stat().st_mtime_ns, text)


_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")


def _check_files(spec: ModelSpec) -> None:
    names = {"model": ("model.bin",), "config": ("config.json",), "tokenizer": (), "vocabulary": _VOCABULARIES}
    missing = [key for key in names if key not in spec.files]
    if missing:
        raise ModelError(
            f"{spec.name}: a model of type {spec.type} needs files for {', '.join(missing)}.",
            "Name them under `files:` in models.yaml: "
            "{model: model.bin, config: config.json, tokenizer: tokenizer.json, vocabulary: vocabulary.json}.",
        )
    check_files(spec, spec.files.values())
    for key, path in spec.files.items():
        wanted = names.get(key)
        if wanted and (path.name not in wanted or path.parent != spec.files["model"].parent):
            raise ModelError(f"{spec.name}: CTranslate2 reads {' or '.join(wanted)} beside model.bin, not {path}.")
    if not _is_whisper(spec.files["model"]):
        raise ModelError(
            f"{spec.name}: {spec.files['model']} is not a Whisper model in CTranslate2's form.",
            "Convert it with ct2-transformers-converter, or download one such as faster-whisper-small.",
        )
    for key in ("config", "tokenizer"):
        try:
            json.loads(spec.files[key].read_bytes())
        except ValueError as error:
            raise ModelError(
                f"{spec.name}: {spec.files[key]} cannot be read: {error}.", "Download the model again."
            ) from error


def _is_whisper(model: Path) -> bool:
    with model.open("rb") as file:
        return file.read(6 + len(_CLASS))[6:] == _CLASS


@lru_cache(maxsize=8)
def _vocabulary_size(path: Path, changed: int) -> int:  # noqa: ARG001 - part of the key
    if path.suffix == ".json":
        return len(json.loads(path.read_bytes()))
    return path.read_bytes().count(b"\n")


@lru_cache(maxsize=64)
def _encode(tokenizer: Path, changed: int, text: str) -> tuple[int, ...]:
    return tuple(_tokenizer(tokenizer, changed).encode(f" {text}", add_special_tokens=False).ids) if text else ()


@lru_cache(maxsize=2)
def _tokenizer(path: Path, changed: int) -> Any:  # noqa: ARG001 - part of the key
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))

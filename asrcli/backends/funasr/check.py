"""Whether FunASR's toolkit can load a model and do what is asked of it, said before the toolkit is reached.

It falls back in silence: on random weights where files are missing, on the CPU where there is no GPU, on detection
where it does not know a language. None of that may pass for a result.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from asrcli.backends.funasr.folder import FunasrFolder, read_folder
from asrcli.backends.funasr.model_types import FUNASR_TYPES, FunasrType
from asrcli.backends.types import ModelSpec
from asrcli.distribution import pip_install
from asrcli.errors import (
    LanguageNotSupportedError,
    MissingExtraError,
    ModelError,
    ModelNotInstalledError,
    OptionNotSupportedError,
)
from asrcli.options import Hotword, RecognitionOptions

_DEVICE = re.compile(r"auto|cpu|(cuda|mps|xpu|npu)(:\d+)?")
#: a word that SeACo-Paraformer's vocabulary may spell character by character
_CHARACTERS = re.compile(r"[\u4e00-\u9fa50-9]+")
_TORCH = "pip install torch (which build suits this machine: https://pytorch.org/get-started/locally)"


def model_type(spec: ModelSpec) -> FunasrType:
    """The table's row for a model.

    Raises:
        ModelError: there is none.
    """
    try:
        return FUNASR_TYPES[spec.type]
    except KeyError:
        known = ", ".join(sorted(FUNASR_TYPES))
        raise ModelError(f"{spec.name}: unknown model type {spec.type!r}.", f"Types: {known}.") from None


def folder_of(spec: ModelSpec) -> FunasrFolder:
    """The model's folder, as the toolkit will read it.

    Raises:
        ModelError: the entry names no config.yaml, or none of the toolkit's.
    """
    if "config" not in spec.files or "model" not in spec.files:
        raise ModelError(
            f"{spec.name}: a model of type {spec.type} needs files for config, model.",
            "Name them under `files:` in models.yaml: {config: config.yaml, model: model.pt}.",
        )
    found = read_folder(spec.files["config"].parent)
    if found is None:
        raise ModelNotInstalledError(
            f"{spec.name}: {spec.files['config']} is missing, or does not name a model.", _again(spec)
        )
    return found


def check_model(spec: ModelSpec) -> None:
    """See that the toolkit is here, and can load the model.

    Raises:
        ModelError: files missing or empty, a model of another class.
        OptionNotSupportedError: an option that the type does not take.
        MissingExtraError: funasr or torch is not installed.
    """
    row = model_type(spec)
    folder = folder_of(spec)
    if folder.class_name not in row.classes:
        raise ModelError(
            f"{spec.name}: {folder.root} holds a {folder.class_name}, which is no model of type {spec.type}.",
            f"Such models are {' and '.join(row.classes)}: correct `type:` or `dir:` in models.yaml.",
        )
    for path in {**folder.files, **spec.files}.values():
        if not path.exists():
            raise ModelNotInstalledError(f"{spec.name}: {path} is missing.", _again(spec))
        if path.is_file() and path.stat().st_size == 0:
            raise ModelError(f"{spec.name}: {path} is empty.", _again(spec))
    _check_options(spec, row)
    check_packages()


def check_packages() -> None:
    """See that the toolkit and torch are installed.

    Raises:
        MissingExtraError: one is not.
    """
    if find_spec("funasr") is None:
        raise MissingExtraError("FunASR's models need the package funasr.", f"{pip_install('funasr')}, and {_TORCH}")
    if find_spec("torch") is None:
        raise MissingExtraError("FunASR's models need the package torch.", _TORCH)
    if find_spec("torchaudio") is None and find_spec("kaldi_native_fbank") is None:
        raise MissingExtraError(
            "FunASR's models need the package kaldi-native-fbank (or torchaudio).", "pip install kaldi-native-fbank"
        )


def check_request(spec: ModelSpec, request: RecognitionOptions) -> None:
    """See that the model takes what is asked.

    Raises:
        OptionNotSupportedError: hotwords or a prompt that it does not take.
        LanguageNotSupportedError: it cannot do the language.
    """
    row = model_type(spec)
    check_language(spec, request.language)
    if request.hotwords and row.hotwords == "none":
        raise OptionNotSupportedError(
            f"{spec.name} ({spec.type}) takes no hotwords.",
            "SeACo-Paraformer and Fun-ASR-Nano do: asrcli models list --backend funasr.",
        )
    if request.prompt and row.hotwords != "prompt":
        raise OptionNotSupportedError(
            f"{spec.name} ({spec.type}) takes no context text.", "Fun-ASR-Nano and Qwen3-ASR models do."
        )
    if request.hotwords and row.hotwords == "bias":
        _check_spelling(spec, request.hotwords)


def check_language(spec: ModelSpec, language: str | None) -> None:
    """See that the model can do a language.

    Raises:
        LanguageNotSupportedError: it cannot.
    """
    known = languages_of(spec)
    if language not in {None, "", "auto"} and known and language not in known:
        raise LanguageNotSupportedError(
            f"{spec.name} cannot do the language {language!r}.", f"It does: {', '.join(known)}."
        )


def languages_of(spec: ModelSpec) -> tuple[str, ...]:
    """What the model can be asked for; empty: unknown."""
    row = model_type(spec)
    engine = row.languages or tuple(row.language_names)
    if spec.languages and engine:
        return tuple(language for language in spec.languages if language in engine) or engine
    return spec.languages or engine


def window_of(spec: ModelSpec) -> float:
    """The longest chunk to give the model, seconds."""
    return min(spec.window, model_type(spec).limit)


def _check_options(spec: ModelSpec, row: FunasrType) -> None:
    for name in spec.options:
        if name not in row.options:
            raise OptionNotSupportedError(
                f"{spec.name}: a model of type {spec.type} takes no option {name!r}.",
                f"It takes: {', '.join(sorted(row.options))}.",
            )
    device = spec.options.get("device", "auto")
    if not _DEVICE.fullmatch(str(device)):
        raise OptionNotSupportedError(
            f"{spec.name}: device cannot be {device!r}.", "Write auto, cpu, cuda, cuda:1, mps, xpu or npu."
        )
    for name in ("num_threads", "batch_size", "max_length"):
        value = spec.options.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise OptionNotSupportedError(f"{spec.name}: {name} must be a whole number, 1 or more, not {value!r}.")


def _check_spelling(spec: ModelSpec, hotwords: tuple[Hotword, ...]) -> None:
    """A word that the model cannot spell would be taken for an unknown one, and favour whatever is unclear."""
    path = spec.files["config"].parent / "seg_dict"
    if not path.is_file():
        raise OptionNotSupportedError(
            f"{spec.name} cannot take hotwords without the file {path}.", "It is part of the published model: add it."
        )
    spelled = _vocabulary(path, path.stat().st_mtime_ns)
    for hotword in hotwords:
        for word in hotword.text.lower().split():
            by_character = _CHARACTERS.fullmatch(word) is not None and all(letter in spelled for letter in word)
            if word not in spelled and not by_character:
                raise OptionNotSupportedError(
                    f'The model cannot favour the hotword "{hotword.text}": it cannot spell "{word}".',
                    "Leave it out, or have it written where the text sounds like it: --correct-hotwords.",
                )


@lru_cache(maxsize=4)
def _vocabulary(path: Path, changed: int) -> frozenset[str]:  # noqa: ARG001 - part of the key
    with path.open(encoding="utf-8") as lines:
        return frozenset(words[0] for line in lines if (words := line.split(maxsplit=1)))


def _again(spec: ModelSpec) -> str:
    return f"Run `asrcli download-model {spec.name}`, or correct models.yaml."

"""Checks whether FunASR's toolkit can load a model and serve a request.

The toolkit falls back silently: to random weights where files are missing, to the CPU where there is no GPU, to
language detection where it does not support a language. These checks turn each case into an error.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from asrcli.backends.checks import model_type
from asrcli.backends.device import devices_of
from asrcli.backends.funasr.folder import FunasrFolder, read_folder
from asrcli.backends.funasr.model_types import FunasrType
from asrcli.backends.model_type import ANY, FLAG, POSITIVE
from asrcli.backends.types import Checks, ModelSpec, check_files, check_options
from asrcli.backends.vllm import options as vllm
from asrcli.errors import ModelError, ModelNotInstalledError, OptionNotSupportedError
from asrcli.options import Hotword

#: a word that SeACo-Paraformer's vocabulary may spell character by character
_CHARACTERS = re.compile(r"[\u4e00-\u9fa50-9]+")

#: options with values of their own
_OPTIONS = {
    **vllm.OPTIONS,
    **dict.fromkeys(("num_threads", "batch_size", "max_length"), POSITIVE),
    **dict.fromkeys(("fp16", "bf16", "use_itn", "ban_emo_unk", "itn"), FLAG),
}


class FunasrChecks(Checks):
    """Checks of models that FunASR's toolkit loads."""

    def check_model(self, spec: ModelSpec) -> None:
        row = funasr_type(spec)
        folder = folder_of(spec)
        if folder.class_name not in row.classes:
            raise ModelError(
                f"{spec.name}: {folder.root} holds a {folder.class_name}, which is not a model of type {spec.type}.",
                f"Models of this type are {' and '.join(row.classes)}: correct `type:` or `dir:` in models.yaml.",
            )
        check_files(spec, {**folder.files, **spec.files}.values(), folders=True)
        check_options(spec, {name: _OPTIONS.get(name, ANY) for name in row.options})
        devices_of(spec)
        if "engine" in row.options:
            vllm.check_device(spec)

    def notices(self, spec: ModelSpec) -> tuple[str, ...]:
        return vllm.notices(spec, "vllm")

    def check_hotwords(self, spec: ModelSpec, hotwords: Sequence[Hotword]) -> None:
        if funasr_type(spec).hotwords == "bias":
            _check_spelling(spec, hotwords)


def funasr_type(spec: ModelSpec) -> FunasrType:
    """The table's row of a model. Raises ModelError: the type is not one of FunASR's toolkit."""
    row = model_type(spec)
    if not isinstance(row, FunasrType):
        raise ModelError(f"{spec.name}: FunASR does not run models of type {spec.type}.", "Correct `type:`.")
    return row


def folder_of(spec: ModelSpec) -> FunasrFolder:
    """The model's folder, as the toolkit reads it. Raises ModelError: the entry names no config.yaml, or none of the
    toolkit's.
    """
    if "config" not in spec.files or "model" not in spec.files:
        raise ModelError(
            f"{spec.name}: a model of type {spec.type} needs files for config, model.",
            "Name them under `files:` in models.yaml: {config: config.yaml, model: model.pt}.",
        )
    found = read_folder(spec.files["config"].parent)
    if found is None:
        raise ModelNotInstalledError(
            f"{spec.name}: {spec.files['config']} is missing, or does not name a model.", "Download the model again."
        )
    return found


def _check_spelling(spec: ModelSpec, hotwords: Sequence[Hotword]) -> None:
    """A word that the model cannot spell would become an unknown token, which favours unclear sounds."""
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
                    "Leave it out, or correct words that sound like it: --correct-hotwords.",
                )


@lru_cache(maxsize=4)
def _vocabulary(path: Path, changed: int) -> frozenset[str]:  # noqa: ARG001 - part of the key
    with path.open(encoding="utf-8") as lines:
        return frozenset(words[0] for line in lines if (words := line.split(maxsplit=1)))

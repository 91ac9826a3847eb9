"""A model folder of FunASR's toolkit: the model's class and its files.

The toolkit silently ignores missing files that `configuration.json` names, and continues with random weights; so
folders are checked first. Both forms that its loader reads are supported: `configuration.json` with `file_path_metas`
(ModelScope, Hugging Face), or `config.yaml` beside files of customary names.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrcli.backends.funasr.model_types import FUNASR_TYPES, type_of_class
from asrcli.errors import ModelError

CONFIGURATION, CONFIG, WEIGHTS = "configuration.json", "config.yaml", "model.pt"
#: what the loader looks for without a configuration.json
_CUSTOMARY = {
    "model": WEIGHTS,
    "token_list": "tokens.json",
    "tokens": "tokens.txt",
    "seg_dict": "seg_dict",
    "bpemodel": "bpe.model",
    "cmvn_file": "am.mvn",
    "jieba_usr_dict": "jieba_usr_dict",
}


@dataclass(frozen=True, slots=True)
class FunasrFolder:
    """A folder of the toolkit's."""

    root: Path
    #: value of `model:` in its config.yaml
    class_name: str
    #: logical name -> file or folder, those that should be there whether they are or not; "config" and "model" always
    files: Mapping[str, Path]

    @property
    def missing(self) -> list[Path]:
        return [path for path in self.files.values() if not path.exists()]


def read_folder(root: Path) -> FunasrFolder | None:
    """Read a folder; None where it holds no such model. Raises ModelError: a file that describes the model cannot be
    read.
    """
    configuration = root / CONFIGURATION
    named = _named(configuration) if configuration.is_file() else {}
    config = root / named.pop("config", CONFIG)
    if not config.is_file():
        return None
    class_name = _load_yaml(config).get("model")
    if not isinstance(class_name, str):
        return None
    if named:
        files = {key: root / name for key, name in named.items()}
        files.setdefault("model", root / WEIGHTS)
    else:
        files = {key: root / name for key, name in _CUSTOMARY.items() if key == "model" or (root / name).exists()}
    return FunasrFolder(root, class_name, {"config": config, **files})


def _named(configuration: Path) -> dict[str, str]:
    """Logical name -> file, of `file_path_metas`."""
    try:
        data = json.loads(configuration.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{configuration} cannot be read: {error}.", "Download the model again.") from error
    metas = data.get("file_path_metas") if isinstance(data, dict) else None
    return dict(_flat(metas)) if isinstance(metas, dict) else {}


def _flat(metas: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, str]]:
    """{"init_param": "model.pt", "llm_conf": {"init_param_path": "Qwen"}} -> ("model", "model.pt"), ("llm", "Qwen")."""
    for key, value in metas.items():
        if isinstance(value, Mapping):
            yield from _flat(value, key.removesuffix("_conf"))
        elif isinstance(value, str):
            yield "model" if key == "init_param" else group if key == "init_param_path" and group else key, value


def _load_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - both are safe loaders
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read: {error}", "Download the model again.") from error
    return data if isinstance(data, Mapping) else {}


def detect_folder(folder: Path, *, streaming: bool = False) -> tuple[str, dict[str, Path]] | None:
    """Type and files of a folder with FunASR's configuration and weights; exports to ONNX keep the former alone. Raises
    ModelError: the model is of a class that asrcli does not run, or a file is missing.
    """
    found = None if streaming else read_folder(folder)
    if found is None or not found.files["model"].exists():
        return None
    type_ = type_of_class(found.class_name)
    if type_ is None:
        classes = ", ".join(name for row in FUNASR_TYPES.values() for name in row.classes)
        raise ModelError(
            f"{folder} holds FunASR's {found.class_name}, which asrcli cannot run.", f"It can run: {classes}."
        )
    if found.missing:
        missing = ", ".join(path.name for path in found.missing)
        raise ModelError(f"{folder} lacks {missing}, which its configuration names.", "Download the model again.")
    return type_, dict(found.files)

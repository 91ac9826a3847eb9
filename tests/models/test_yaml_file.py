from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from asrcli.errors import UsageError
from asrcli.models.entry import ModelEntry
from asrcli.models.registry import Registry
from asrcli.models.yaml_file import add_entry

ENTRY = ModelEntry(
    name="новая", type="sense_voice", dir="/srv/m", files={"model": "m.onnx", "tokens": "t.txt"}, languages=("no", "zh")
)

FORMS = {
    "none": None,
    "empty": "",
    "comments only": "# my models\n",
    "no models": "default_model: a\n",
    "empty models": "models:\ndefault_model: a\n",
    "deep indent": "models:\n    # the good one\n    a: {type: t, dir: d, files: {model: m}}\n",
    "models last": "num_threads: 2  # cores\n\nmodels:   # here\n  a:\n    type: t\n    dir: d\n    files: {model: m}",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_entry_is_added_and_all_else_stays(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "deep" / "models.yaml"
    if text is not None:
        path.parent.mkdir()
        path.write_text(text)
    before = yaml.safe_load(text or "") or {}
    add_entry(path, ENTRY)
    after = path.read_text()
    for line in (text or "").splitlines():
        assert line in after
    held = yaml.safe_load(after)
    assert {key: held[key] for key in before if key != "models"} == {k: v for k, v in before.items() if k != "models"}
    assert set(held["models"]) == {*(before.get("models") or {}), "новая"}
    registry = Registry(models_yaml=path)
    assert registry.entry("новая").languages == ("no", "zh")


def test_name_that_is_taken(tmp_path: Path) -> None:
    add_entry(tmp_path / "models.yaml", ENTRY)
    before = (tmp_path / "models.yaml").read_text()
    with pytest.raises(UsageError, match="already"):
        add_entry(tmp_path / "models.yaml", ENTRY)
    assert (tmp_path / "models.yaml").read_text() == before


def test_file_that_cannot_be_added_to_as_text(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("{models: {a: {type: t, dir: d, files: {model: m}}}}\n")
    with pytest.raises(UsageError, match="form") as caught:
        add_entry(path, ENTRY)
    assert "type: sense_voice" in caught.value.hint

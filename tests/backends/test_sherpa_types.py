"""The table of model types against the installed engine: an upgrade that renames something is caught here."""

from __future__ import annotations

import inspect

import pytest
from sherpa_onnx import OfflineRecognizer

from asrcli.backends.sherpa.model_types import PATH_OPTIONS, TYPES


def test_every_factory_has_a_type() -> None:
    factories = {
        name for name, _ in inspect.getmembers(OfflineRecognizer, inspect.ismethod) if name.startswith("from_")
    }
    assert {row.factory for row in TYPES.values()} == factories


@pytest.mark.parametrize("kind", TYPES)
def test_row_names_exactly_the_factory_s_parameters(kind: str) -> None:
    row = TYPES[kind]
    parameters = inspect.signature(getattr(OfflineRecognizer, row.factory)).parameters
    # Both kinds of transducer share a factory; which one it is, is fixed.
    assert row.parameters == set(parameters)


@pytest.mark.parametrize("kind", TYPES)
def test_files_are_what_the_factory_cannot_do_without(kind: str) -> None:
    row = TYPES[kind]
    parameters = inspect.signature(getattr(OfflineRecognizer, row.factory)).parameters
    required = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    assert set(row.files) == required


@pytest.mark.parametrize("kind", TYPES)
def test_our_defaults_are_of_the_factory_s_kind(kind: str) -> None:
    row = TYPES[kind]
    parameters = inspect.signature(getattr(OfflineRecognizer, row.factory)).parameters
    for name, value in {**row.defaults, **row.fixed}.items():
        assert type(value) is type(parameters[name].default)
    for name in PATH_OPTIONS & set(parameters):
        assert parameters[name].default == ""


@pytest.mark.parametrize("kind", TYPES)
def test_language_and_itn_are_named_consistently(kind: str) -> None:
    row = TYPES[kind]
    assert (row.language_by == "none") == (not row.language_keys)
    if row.language_by == "factory":
        assert len(row.language_keys) == 1
    if row.itn_option:
        assert row.itn_option in row.parameters
    assert set(row.metadata) <= set(row.files)

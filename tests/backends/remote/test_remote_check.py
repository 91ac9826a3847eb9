"""Addresses, options and keys of servers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.checks import check_model, check_request, languages_of, model_type, window_of
from asrcli.backends.remote.check import address, is_loopback, read_secret, remote_spec, secret_of
from asrcli.errors import LanguageNotSupportedError, ModelError, OptionNotSupportedError, UsageError
from asrcli.models.entry import entry_to_dict, parse_entry
from asrcli.models.registry import Registry
from asrcli.options import Hotword, RecognitionOptions


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        (" http://host/v1/audio/transcriptions ", "http://host/v1"),
        ("http://host/speech/api", "http://host/speech/api"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
    ],
)
def test_addresses_are_kept_in_one_form(url: str, kept: str) -> None:
    assert address(url) == kept
    assert address(kept) == kept


@pytest.mark.parametrize(
    "url",
    ["", "host:8000", "ftp://host/v1", "http://", "http:///v1", "http://host:port/v1", "http://host:99999", "http://[x/v1",
     "http://host/v1?key=1", "http://host/v1#a", "file:///etc/passwd"],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not the address of a server"):
        address(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        address("http://me:sesame@host/v1")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]/v1", True),
        ("http://localhost/v1", True),
        ("http://localhost.evil.example/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://127.0.0.1.example/v1", False),
    ],
)
def test_what_stays_on_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_the_digest_is_of_the_server_and_its_model_not_of_the_key() -> None:
    one = remote_spec("http://host/v1", secret="a")
    assert one.digest == remote_spec("http://host/", secret="b").digest
    assert one.digest != remote_spec("http://host/v1", options={"model": "big"}).digest
    assert one.digest != remote_spec("http://other/v1").digest
    assert one.name == "host"


def test_the_key_is_in_no_text_of_a_spec() -> None:
    spec = remote_spec("http://host/v1", secret="sesame")
    assert "sesame" not in repr(spec) + str(spec)
    assert secret_of(spec) == "sesame"


@pytest.mark.parametrize(
    "options",
    [{"audio": "mp3"}, {"device": "cpu"}, *({"timeout": each} for each in (0, "long", True, math.inf, math.nan, 1e10))],
)
def test_options_that_there_are_not_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionNotSupportedError):
        check_model(remote_spec("http://host/v1", options=options))


def test_the_options_of_a_server_are_accepted() -> None:
    check_model(remote_spec("http://host/v1", options={"audio": "wav", "timeout": 3}))


def test_what_may_be_asked() -> None:
    spec = remote_spec("http://host/v1", languages=("en",), window=12.0)
    assert (languages_of(spec), window_of(spec), model_type(spec).hotwords) == (("en",), 12.0, "prompt")
    check_request(spec, RecognitionOptions(language="en", hotwords=(Hotword(text="a"),), prompt="b"))
    with pytest.raises(LanguageNotSupportedError):
        check_request(spec, RecognitionOptions(language="de"))


def test_keys_in_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame\nand more\n")
    assert read_secret(tmp_path / "key") == "sesame"
    assert secret_of(remote_spec("http://host", options={"api_key_file": str(tmp_path / "key")})) == "sesame"
    for content, said in ((b"\n", "contains no key"), (b"\xff", "not UTF-8")):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(UsageError, match=said):
            read_secret(tmp_path / "bad")
    with pytest.raises(UsageError, match="Cannot read"):
        read_secret(tmp_path / "none")


def test_entries_of_servers_have_an_address_and_no_files(tmp_path: Path) -> None:
    data = {"type": "remote_openai", "url": "http://host/v1", "options": {"model": "big"}, "languages": ["en"]}
    entry = parse_entry("office", data, where="test", source="user")
    assert parse_entry("office", entry_to_dict(entry), where="test", source="user") == entry
    for wrong in ({"url": ""}, {"dir": "x"}, {"files": {"model": "x"}}):
        with pytest.raises(ModelError):
            parse_entry("office", data | wrong, where="test", source="user")
    with pytest.raises(ModelError, match="url"):
        parse_entry(
            "m", {"type": "whisper", "dir": "d", "files": {"a": "b"}, "url": "http://x"}, where="t", source="user"
        )
    yaml = tmp_path / "models.yaml"
    yaml.write_text(
        "default_model: office\nmodels:\n  office: {type: remote_openai, url: 'http://host:1/', window: 9}\n"
    )
    registry = Registry(tmp_path / "models", yaml, cache_dir=tmp_path)
    spec = registry.resolve()
    assert (spec.name, spec.options, spec.window, dict(spec.files)) == ("office", {"url": "http://host:1/v1"}, 9.0, {})
    assert registry.installed("office")
    with pytest.raises(UsageError, match="http://host:1/"):
        registry.folder(registry.entry("office"))

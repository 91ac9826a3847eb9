from __future__ import annotations

import pytest

from asrcli.errors import UsageError
from asrcli.models.entry import Download, ModelEntry
from asrcli.models.mirrors import parse_mirror

URL = "https://github.com/k2-fsa/sherpa-onnx/releases/download/asr-models/m.tar.bz2"


@pytest.mark.parametrize(
    ("mirror", "address"),
    [
        ("https://proxy.example", f"https://proxy.example/{URL}"),
        ("https://proxy.example/", f"https://proxy.example/{URL}"),
        ("https://proxy.example/?u={url}", f"https://proxy.example/?u={URL}"),
        ("https://m.example/{path}", "https://m.example/k2-fsa/sherpa-onnx/releases/download/asr-models/m.tar.bz2"),
        ("http://m.example/{host}/{name}", "http://m.example/github.com/m.tar.bz2"),
    ],
)
def test_templates_and_prefixes(mirror: str, address: str) -> None:
    assert parse_mirror(mirror).url(URL) == address


@pytest.mark.parametrize(
    ("mirror", "endpoint"),
    [
        ("hf", "https://huggingface.co"),
        ("hf-mirror", "https://hf-mirror.com"),
        ("hf:http://localhost:8/", "http://localhost:8"),
    ],
)
def test_endpoints_give_single_files(mirror: str, endpoint: str) -> None:
    entry = ModelEntry(
        name="m",
        type="t",
        dir="d",
        files={"model": "a b.onnx", "tokenizer": "tok"},
        extra_files=("tok/v.json",),
        download=Download(huggingface="me/m"),
    )
    base = f"{endpoint}/me/m/resolve/main/"
    assert parse_mirror(mirror).files(entry) == {"a b.onnx": base + "a%20b.onnx", "tok/v.json": base + "tok/v.json"}


@pytest.mark.parametrize("text", ["", "github", "ftp://host", "hf:host", "https://host/{file}", "file:///tmp/{name}"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mirror(text)

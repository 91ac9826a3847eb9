"""What shows that an address still has the bytes that were fetched: never for other bytes."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.storage.fetch import Guard, version_of

_GUARD = Guard(max_seconds=20, networks=(ipaddress.ip_network("127.0.0.0/8"),))
_OLD = "Mon, 02 Jan 2023 10:00:00 GMT"
_NEXT = "Mon, 02 Jan 2023 10:00:01 GMT"
_NOW = "Mon, 02 Jan 2023 11:00:00 GMT"
_BASE = {"date": _NOW, "content-length": "5"}


class _Answers(BaseHTTPRequestHandler):
    """Answers with the headers of a test; / is redirected to the server's target."""

    server: Any

    def do_GET(self) -> None:
        at_start = self.path == "/"
        self.send_response_only(302 if at_start else 200)
        headers = {"location": self.server.target, "content-length": "0"} if at_start else self.server.headers
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: str) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def version(site: Any, headers: dict[str, str], target: str = "/talk.wav") -> str:
    site.headers, site.target = headers, target
    return version_of(f"http://127.0.0.1:{site.server_port}/", _GUARD)


@pytest.mark.parametrize(
    "headers",
    [
        {"etag": '"a"'},
        {"last-modified": _OLD},
        {"etag": 'W/"a"', "last-modified": _OLD},
        {"etag": '"a"', "last-modified": _OLD},
        {"etag": '"a"', "last-modified": "yesterday"},
    ],
)
def test_the_same_headers_show_the_same_bytes(site: Any, headers: dict[str, str]) -> None:
    first = version(site, _BASE | headers)
    assert first
    assert version(site, _BASE | {"date": "Mon, 02 Jan 2023 12:00:00 GMT"} | headers) == first
    assert version(site, _BASE | headers, "/talk.wav?signature=new") == first
    assert version(site, _BASE | headers | {"content-length": "6"}) != first
    assert version(site, _BASE | headers, "/other.wav") != first


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": 'W/"a"'},
        {"etag": "a"},
        {"etag": '""'},
        {"last-modified": "yesterday"},
        {"last-modified": _OLD, "date": "today"},
        {"last-modified": _OLD, "date": _NEXT},
        {"last-modified": "Mon, 02 Jan 2023 10:59:59 GMT"},
        {"last-modified": "Mon, 02 Jan 2023 12:00:00 GMT"},
        {"last-modified": "Mon, 02 Jan 2023 10:00:00 -0000"},
        {"last-modified": "Mon, 02 Jan 99999999999999999999 10:00:00 GMT"},
        {"last-modified": "Mon, 02 Jan 2023 10:00:00 +99999999999999"},
        {"etag": '"63b2a7f0-5"', "last-modified": _NOW},
    ],
)
def test_headers_that_do_not_show_the_same_bytes(site: Any, headers: dict[str, str]) -> None:
    assert version(site, _BASE | headers) == ""


def test_a_time_of_change_without_a_length_shows_nothing(site: Any) -> None:
    assert version(site, {"date": _NOW, "last-modified": _OLD}) == ""
    assert version(site, {"content-length": "5", "last-modified": _OLD}) == ""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"etag": '"a"'}, {"etag": '"b"'}),
        ({"etag": '"a"'}, {}),
        ({"etag": '"a"', "last-modified": _OLD}, {"last-modified": _OLD}),
        ({"last-modified": _OLD}, {"last-modified": _NEXT}),
        ({"etag": 'W/"a"', "last-modified": _OLD}, {"etag": 'W/"b"', "last-modified": _OLD}),
    ],
)
def test_other_headers_show_other_bytes(site: Any, first: dict[str, str], second: dict[str, str]) -> None:
    before = version(site, _BASE | first)
    assert before
    assert version(site, _BASE | second) != before


_NUMBERS = st.sampled_from(["0", "1", "02", "31", "99", "-1", "2023", "9" * 25])
_DATES = st.builds("Mon, {} Jan {} {}:00:{} {}".format, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, st.text("GMT+-09"))
_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=9)


@settings(max_examples=50)
@given(st.fixed_dictionaries({}, optional={"etag": _TEXTS, "last-modified": _DATES | _TEXTS, "date": _DATES | _TEXTS}))
def test_any_headers_are_read(site: Any, headers: dict[str, str]) -> None:
    assert version(site, headers) == version(site, headers)

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from asrcli.errors import DiskFullError, DownloadError
from asrcli.models.download import fetch
from asrcli.storage.http import RetryPolicy
from tests.models.serving import Server

DATA = random.Random(7).randbytes(700_000)
SUM = hashlib.sha256(DATA).hexdigest()


def test_whole_file_arrives_with_progress(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    reported: list[tuple[int, int | None]] = []
    target = tmp_path / "deep" / "model.bin"
    sum_ = fetch([server.serve("/m", DATA)], target, progress=lambda *at: reported.append(at), policy=policy)
    assert (target.read_bytes(), sum_) == (DATA, SUM)
    assert reported[0] == (0, len(DATA))
    assert reported[-1] == (len(DATA), len(DATA))
    assert reported == sorted(reported)
    assert [p.name for p in target.parent.iterdir()] == ["model.bin"]


def test_cut_connections_are_resumed_where_they_broke(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA, ("cut", 300_000), ("cut", 100_000), ("cut", 0))
    fetch([url], tmp_path / "m", sha256=SUM, policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == ["", "bytes=300000-", "bytes=400000-", "bytes=400000-"]


def test_later_call_resumes_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    impatient = RetryPolicy(retries=0, backoff=0, read=20)
    url = server.serve("/m", DATA, ("cut", 250_000), ("cut", 0), ("cut", 0))
    with pytest.raises(DownloadError, match="250,000 of 700,000") as caught:
        fetch([url], tmp_path / "m", policy=impatient)
    assert "250,000 bytes are kept" in caught.value.hint
    assert not (tmp_path / "m").exists()
    server.faults["/m"].clear()
    fetch([url], tmp_path / "m", policy=impatient)
    assert (tmp_path / "m").read_bytes() == DATA
    assert server.requests[-1] == ("/m", "bytes=250000-")


def test_changed_file_is_not_glued_to_the_old_part(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    new = DATA[::-1]
    url = server.serve("/m", DATA, ("cut", 250_000), *[("cut", 0)] * 4)
    with pytest.raises(DownloadError):
        fetch([url], tmp_path / "m", policy=policy)
    server.serve("/m", new)
    fetch([url], tmp_path / "m", policy=policy)
    assert (tmp_path / "m").read_bytes() == new


def test_server_that_names_no_version_is_resumed_only_if_a_sum_will_tell(
    server: Server, tmp_path: Path, policy: RetryPolicy
) -> None:
    url = server.serve("/m", DATA, ("cut", 250_000))
    server.etags["/m"] = ""
    fetch([url], tmp_path / "m", policy=policy)
    assert server.requests == [("/m", ""), ("/m", "")]
    server.faults["/m"] = [("cut", 250_000)]
    fetch([url], tmp_path / "n", sha256=SUM, policy=policy)
    assert server.requests[2:] == [("/m", ""), ("/m", "bytes=250000-")]
    assert (tmp_path / "m").read_bytes() == (tmp_path / "n").read_bytes() == DATA


def test_server_without_ranges_starts_over(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA, ("cut", 250_000), ("no-range",))
    fetch([url], tmp_path / "m", sha256=SUM, policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA


def test_range_that_was_not_asked_for_is_thrown_away(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA, ("cut", 250_000), ("lie", 100_000))
    fetch([url], tmp_path / "m", policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == ["", "bytes=250000-", ""]


def test_part_that_is_whole_already_needs_no_body(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA)
    (tmp_path / "m.part").write_bytes(DATA)
    fetch([url], tmp_path / "m", sha256=SUM, policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA
    assert server.requests == [("/m", f"bytes={len(DATA)}-")]


def test_part_longer_than_the_file_is_dropped(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA)
    (tmp_path / "m.part").write_bytes(DATA + b"more")
    fetch([url], tmp_path / "m", sha256=SUM, policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA


def test_damaged_part_is_fetched_again_from_the_start(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA)
    (tmp_path / "m.part").write_bytes(b"\0" * 1000)
    fetch([url], tmp_path / "m", sha256=SUM, policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", ""]


def test_wrong_bytes_are_refused_and_not_kept(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA[:-1] + b"!")
    with pytest.raises(DownloadError, match=SUM) as caught:
        fetch([url], tmp_path / "m", sha256=SUM, policy=policy)
    assert "models.yaml" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_transient_status_is_retried(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA, ("status", 500), ("status", 503, {"Retry-After": "0"}), ("status", 429))
    fetch([url], tmp_path / "m", policy=policy)
    assert len(server.requests) == 4


def test_endless_transient_status_ends(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", DATA, *[("status", 502)] * 50)
    with pytest.raises(DownloadError, match="502"):
        fetch([url], tmp_path / "m", policy=policy)
    assert len(server.requests) == policy.retries + 1


def test_missing_file_is_not_retried(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    with pytest.raises(DownloadError, match="404"):
        fetch([f"{server.base}/nowhere"], tmp_path / "m", policy=policy)
    assert len(server.requests) == 1


def test_next_source_takes_over_and_goes_on_from_the_part(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    first = server.serve("/a", DATA, ("cut", 300_000), ("status", 404))
    second = server.serve("/b", DATA)
    fetch([first, second], tmp_path / "m", sha256=SUM, policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA
    assert server.requests[-1] == ("/b", "bytes=300000-")


def test_without_a_sum_parts_of_two_sources_are_never_mixed(
    server: Server, tmp_path: Path, policy: RetryPolicy
) -> None:
    first = server.serve("/a", b"A" * 700_000, ("cut", 300_000), ("status", 404))
    second = server.serve("/b", DATA)
    fetch([first, second], tmp_path / "m", policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA


def test_redirects_are_followed(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    goal = server.serve("/goal", DATA)
    fetch([server.serve("/m", b"", ("redirect", goal))], tmp_path / "m", policy=policy)
    assert (tmp_path / "m").read_bytes() == DATA


def test_redirect_to_a_local_file_is_refused(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    (tmp_path / "secret").write_text("secret")
    url = server.serve("/m", b"", ("redirect", (tmp_path / "secret").as_uri()))
    with pytest.raises(DownloadError):
        fetch([url], tmp_path / "m", policy=policy)
    assert not (tmp_path / "m").exists()


def test_endless_redirects_end(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    url = server.serve("/m", b"")
    server.faults["/m"] = [("redirect", url)] * 50
    with pytest.raises(DownloadError, match="redirects more than"):
        fetch([url], tmp_path / "m", policy=policy)


def test_only_http_is_spoken(tmp_path: Path, policy: RetryPolicy) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(DownloadError, match="not an http"):
        fetch([(tmp_path / "secret").as_uri()], tmp_path / "m", policy=policy)


@pytest.mark.parametrize("fault", [(), ("endless",)])
def test_more_than_expected_is_refused(
    server: Server, tmp_path: Path, policy: RetryPolicy, fault: tuple[str, ...]
) -> None:
    url = server.serve("/m", DATA, *([fault] if fault else []))
    with pytest.raises(DownloadError, match="200,000"):
        fetch([url], tmp_path / "m", max_bytes=200_000, policy=policy)
    assert not (tmp_path / "m").exists()


def test_dead_connection_times_out(server: Server, tmp_path: Path) -> None:
    url = server.serve("/m", DATA, ("stall", 300_000), *[("stall", 0)] * 9)
    with pytest.raises(DownloadError, match="broke off"):
        fetch([url], tmp_path / "m", policy=RetryPolicy(retries=0, read=0.2, backoff=0))


def test_no_server_at_all(tmp_path: Path, policy: RetryPolicy) -> None:
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(["http://127.0.0.1:9/m"], tmp_path / "m", policy=policy)


def test_full_disk_is_called_so(server: Server, tmp_path: Path, policy: RetryPolicy) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "m.part").symlink_to("/dev/full")
    with pytest.raises(DiskFullError):
        fetch([server.serve("/m", DATA)], tmp_path / "m", policy=policy)
    assert not (tmp_path / "m").exists()

"""Recordings and results in an S3 bucket: a real server, with faults between."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program
from tests.cli.stores.conftest import Bucket
from tests.cli.stores.fault_proxy import Fault, FaultProxy

pytestmark = pytest.mark.slow

TEXTS = {"text/one.txt": "fa re mi\n", "text/inner/two.txt": "do sol\n"}


def results(bucket: Bucket) -> dict[str, str]:
    return {key: bucket.get(key) for key in bucket.listed() if key.startswith("text/")}


def test_a_prefix_is_transcribed_to_a_prefix_and_resumed(
    asrcli: Program, bucket: Bucket, proxy: FaultProxy, recordings: Path
) -> None:
    command = ("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    done = asrcli(*command)
    assert done.returncode == 0, done.stderr
    assert results(bucket) == TEXTS
    assert f"{bucket.uri}/calls/one.wav" in done.stderr
    assert f"{bucket.uri}/text/inner/two.txt" in done.stderr

    proxy.seen.clear()
    again = asrcli(*command)
    assert again.returncode == 0
    assert again.stderr.count("done already") == 2
    assert not [request for request in proxy.seen if request.startswith("GET") and ".wav" in request]
    assert asrcli(*command, "--dry-run").stdout.count("done already") == 2

    bucket.put("calls/one.wav", recordings / "inner" / "two.wav")
    bucket.put("text/inner/two.txt", b"corrected by hand\n")
    changed = asrcli(*command)
    assert changed.returncode == 0
    assert "edited" in changed.stderr
    assert results(bucket) == {"text/one.txt": "do sol\n", "text/inner/two.txt": "corrected by hand\n"}

    bucket.delete("text/one.txt")
    shown = asrcli("journal", "show", f"{bucket.uri}/text")
    assert f"open    {bucket.uri}/calls/one.wav  (one.txt is missing)" in shown.stdout
    assert asrcli(*command).returncode == 0
    assert results(bucket)["text/one.txt"] == "do sol\n"


def test_names_are_those_of_a_local_run(asrcli: Program, bucket: Bucket, recordings: Path) -> None:
    sound = recordings / "one.wav"
    names = [
        "a.wav",
        "A.wav",
        "a.flac",
        "part10.wav",
        "part2.wav",
        "会议 1.wav",
        "x/a.wav",
        ".hidden.wav",
        "x/.h/b.wav",
    ]
    local = asrcli.folder / "local"
    for name in names:
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(sound.read_bytes())
        bucket.put(f"many/{name}", sound)
    bucket.put("many/folder/", b"")  # as the console of S3 makes folders
    rows = [
        [line.split()[0] for line in asrcli("transcribe", where, "-d", out, "--dry-run").stdout.splitlines()]
        for where, out in (("local", "out"), (f"{bucket.uri}/many", f"{bucket.uri}/out"))
    ]
    assert rows[0] == rows[1]
    assert asrcli("transcribe", "local", "-d", "out").returncode == 0
    done = asrcli("transcribe", f"{bucket.uri}/many", "-d", f"{bucket.uri}/out")
    assert done.returncode == 0, done.stderr
    out = asrcli.folder / "out"
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.txt"))
    # A hash in a name is that of the recording's path.
    assert [name.partition("~")[0] for name in written] == sorted(
        key.removeprefix("out/").partition("~")[0] for key in bucket.listed() if key.startswith("out/")
    )


@pytest.mark.parametrize("kind", ["503", "slow", "reset", "cut", "cut-reset", "truncated"])
def test_faults_that_pass_lose_nothing(asrcli: Program, bucket: Bucket, proxy: FaultProxy, kind: str) -> None:
    proxy.page = 1
    patterns = [
        "^GET .*list-type=2.*prefix=calls",
        "^HEAD .*/calls/one.wav",
        "^GET .*/calls/one.wav",
        "^PUT .*/one.txt",
    ]
    proxy.faults = [Fault(kind, pattern) for pattern in patterns]
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    assert done.returncode == 0, done.stderr
    assert results(bucket) == TEXTS
    assert [fault.times for fault in proxy.faults] == [0, 0, 0, 0]


def test_a_result_whose_answer_is_lost_is_written_once_more(asrcli: Program, bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.faults = [Fault("lost", r"^PUT .*/text/")]
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    assert done.returncode == 0, done.stderr
    assert results(bucket) == TEXTS


@pytest.mark.parametrize("kind", ["503", "403"])
def test_a_batch_that_cannot_write_its_results_ends_and_is_resumed(
    asrcli: Program, bucket: Bucket, proxy: FaultProxy, kind: str
) -> None:
    command = ("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    proxy.faults = [Fault(kind, r"^PUT .*/text/", times=-1)]
    failed = asrcli(*command)
    assert failed.returncode == ExitCode.MACHINE
    assert "cannot be written" in failed.stderr
    assert results(bucket) == {}
    proxy.faults = []
    done = asrcli(*command)
    assert done.returncode == 0, done.stderr
    assert results(bucket) == TEXTS


def test_a_batch_on_a_store_that_does_not_answer_ends_once_and_is_resumed(
    asrcli: Program, bucket: Bucket, proxy: FaultProxy, recordings: Path
) -> None:
    names = [f"{bucket.uri}/calls/{number}.wav" for number in range(40)]
    for name in names:
        bucket.put(name.removeprefix(f"{bucket.uri}/"), recordings / "one.wav")
    (asrcli.folder / "list.txt").write_text("\n".join(names))
    command = ("transcribe", "--files-from", "list.txt", "-d", "out", "--jobs", "2")
    proxy.faults = [Fault("503", "", times=-1)]
    failed = asrcli(*command)
    assert failed.returncode == ExitCode.MACHINE
    assert f"{bucket.uri} does not answer" in failed.stderr
    asked = {name for name in names if any(name.rpartition("/")[2] in request for request in proxy.seen)}
    assert len(asked) < len(names)
    proxy.faults = []
    done = asrcli(*command)
    assert done.returncode == 0, done.stderr
    assert len(list((asrcli.folder / "out").glob("*.txt"))) == 40


def test_what_is_not_in_a_store_that_does_not_answer_is_transcribed(
    asrcli: Program, bucket: Bucket, proxy: FaultProxy, recordings: Path
) -> None:
    proxy.faults = [Fault("reset", "", times=-1)]
    prefixes = [f"{bucket.uri}/{name}/" for name in ("calls", "more", "others")]
    done = asrcli("transcribe", *prefixes, recordings / "one.wav", "-d", "out")
    assert done.returncode == ExitCode.SOME_FAILED
    assert (asrcli.folder / "out" / "one.txt").read_text() == TEXTS["text/one.txt"]
    for prefix in prefixes:
        assert f"failed: {prefix.rstrip('/')}: {bucket.uri} does not answer" in done.stderr
    assert not [request for request in proxy.seen if "more" in request or "others" in request]


def test_a_store_that_answers_again_is_asked_again(asrcli: Program, bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.faults = [Fault("reset", "", times=4)]
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert len(list((asrcli.folder / "out").rglob("*.txt"))) == 2


def test_a_recording_that_cannot_be_read_fails_alone(asrcli: Program, bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.faults = [Fault("truncated", r"^GET .*/calls/one.wav", times=-1)]
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text", "--log-json")
    assert done.returncode == ExitCode.SOME_FAILED
    events = [json.loads(line) for line in done.stderr.splitlines()]
    errors = [event["error"] for event in events if event["event"] == "file_failed"]
    assert [error["code"] for error in errors] == ["fetch"]
    assert "cannot be read" in errors[0]["message"]
    assert results(bucket) == {"text/inner/two.txt": "do sol\n"}


def test_a_listing_that_breaks_off_is_no_short_listing(asrcli: Program, bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.page = 1
    proxy.faults = [Fault("503", r"^GET .*continuation-token", times=-1)]
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", "out")
    assert done.returncode == ExitCode.SOME_FAILED
    assert f"failed: {bucket.uri}/calls: cannot be read" in done.stderr


def test_a_recording_that_changes_while_it_is_read_fails(
    asrcli: Program, bucket: Bucket, proxy: FaultProxy, recordings: Path
) -> None:
    other = recordings / "inner" / "two.wav"
    proxy.faults = [Fault("slow", r"^GET .*/calls/one.wav", before=lambda: bucket.put("calls/one.wav", other))]
    done = asrcli("transcribe", f"{bucket.uri}/calls/one.wav", "-d", "out")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "changed while it was read" in done.stderr or "cannot be read" in done.stderr
    assert not (asrcli.folder / "out" / "one.txt").exists()
    assert asrcli("transcribe", f"{bucket.uri}/calls/one.wav", "-d", "out").returncode == 0
    assert (asrcli.folder / "out" / "one.txt").read_text() == "do sol\n"
    assert "done already" in asrcli("transcribe", f"{bucket.uri}/calls/one.wav", "-d", "out").stderr


def test_a_run_that_is_killed_while_it_writes_is_resumed(asrcli: Program, bucket: Bucket, proxy: FaultProxy) -> None:
    command = ("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    process = asrcli.start(*command)
    proxy.faults = [Fault("reset", r"^PUT .*/text/", before=process.kill)]
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert results(bucket).items() < TEXTS.items()  # the other one may be written at the same time
    assert asrcli(*command).returncode == 0
    assert results(bucket) == TEXTS


def test_lists_and_single_results(asrcli: Program, bucket: Bucket, proxy: FaultProxy, recordings: Path) -> None:
    proxy.faults = [Fault("cut", r"^GET .*list.txt")]
    bucket.put("list.txt", f"{bucket.uri}/calls/one.wav\nrec/inner/two.wav\n{bucket.uri}/calls/gone.wav\n".encode())
    done = asrcli("transcribe", "--files-from", f"{bucket.uri}/list.txt", "-d", f"{bucket.uri}/text")
    assert done.returncode == ExitCode.SOME_FAILED
    assert f"{bucket.uri}/calls/gone.wav: no such object" in done.stderr
    assert results(bucket) == {"text/one.txt": "fa re mi\n", "text/two.txt": "do sol\n"}

    lines = [{"audio_filepath": "calls/one.wav", "offset": 0.0, "id": "first"}, {"input": "calls/inner/two.wav"}]
    bucket.put("manifest.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert asrcli("transcribe", "--manifest", f"{bucket.uri}/manifest.jsonl").returncode == 0
    assert (bucket.get("calls/first.txt"), bucket.get("calls/inner/two.txt")) == ("fa re mi\n", "do sol\n")

    piped = asrcli("transcribe", "-", "-o", f"{bucket.uri}/stdin.json", stdin=(recordings / "one.wav").read_bytes())
    assert piped.returncode == 0, piped.stderr
    assert json.loads(bucket.get("stdin.json"))["text"] == "fa re mi"
    for expected in ("stdin.txt", "stdin-2.txt"):
        sound = (recordings / "one.wav").read_bytes()
        assert asrcli("transcribe", "-", "-d", f"{bucket.uri}/streams", stdin=sound).returncode == 0
        assert bucket.get(f"streams/{expected}") == "fa re mi\n"


def test_results_are_exported_from_a_prefix_to_another(asrcli: Program, bucket: Bucket) -> None:
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text", "--format", "json")
    assert done.returncode == 0, done.stderr
    command = ("journal", "export", f"{bucket.uri}/text", f"{bucket.uri}/shards", "--shard-size", "0.1KB")
    assert asrcli(*command).returncode == 0
    keys = sorted(key for key in bucket.listed() if key.startswith("shards/"))
    assert keys == ["shards/part-00000.jsonl", "shards/part-00001.jsonl"]
    lines = [json.loads(bucket.get(key)) for key in keys]
    assert [(line["recording"], line["text"]) for line in lines] == [
        (f"{bucket.uri}/calls/inner/two.wav", "do sol"),
        (f"{bucket.uri}/calls/one.wav", "fa re mi"),
    ]
    assert asrcli(*command).returncode == ExitCode.USAGE


def test_shards_divide_a_prefix(asrcli: Program, bucket: Bucket, recordings: Path) -> None:
    for number in range(6):
        bucket.put(f"calls/more/{number}.wav", recordings / "one.wav")
    for part in ("1/2", "2/2"):
        data = {"XDG_DATA_HOME": asrcli.environment["XDG_DATA_HOME"], "ASRCLI_JOURNAL": f"shard{part[0]}.jsonl"}
        done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text", "--shard", part, env=data)
        assert done.returncode == 0, done.stderr
        assert "0 of" not in done.stderr
    assert len(results(bucket)) == 8
    merged = asrcli("journal", "merge", f"{bucket.uri}/text", "shard1.jsonl", "shard2.jsonl")
    assert merged.returncode == 0, merged.stderr
    again = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    assert again.stderr.count("done already") == 8


def test_watch_writes_to_a_store(asrcli: Program, bucket: Bucket, recordings: Path) -> None:
    script = asrcli.folder / "done.sh"
    script.write_text('#!/bin/sh\necho "$@" >> done.txt\n')
    script.chmod(0o755)
    process = asrcli.start("watch", "rec", "-d", f"{bucket.uri}/text", "--settle", "0.1", "--on-done", script)
    done, deadline = asrcli.folder / "done.txt", time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if done.exists() and len(done.read_text().splitlines()) == 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert results(bucket) == TEXTS, errors
    assert set(done.read_text().splitlines()) == {
        f"{recordings}/one.wav {bucket.uri}/text/one.txt",
        f"{recordings}/inner/two.wav {bucket.uri}/text/inner/two.txt",
    }


def test_the_recipe(asrcli: Program, bucket: Bucket) -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^asrcli (.*s3://.*)$", page, re.MULTILINE)
    done = asrcli(*command.replace("s3://recordings", bucket.uri).split())
    assert done.returncode == 0, done.stderr
    assert results(bucket) == TEXTS


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{uri}/calls", "--journal", "{uri}/journal.jsonl"], ExitCode.USAGE, "nothing can be appended"),
        (["s3://no-such-bucket/a"], ExitCode.ALL_FAILED, "no such bucket"),
        (["{uri}/calls", "-d", "s3://no-such-bucket/text"], ExitCode.MACHINE, "no such bucket"),
        (["{uri}/calls//one.wav"], ExitCode.USAGE, "are empty"),
        (["{uri}/calls", "-d", "out", "--skip-if", "subtitles"], ExitCode.USAGE, "--skip-if"),
        (["sftp://me:secret@host/a.wav"], ExitCode.USAGE, "password"),
    ],
)
def test_what_is_refused(asrcli: Program, bucket: Bucket, arguments: list[str], code: ExitCode, message: str) -> None:
    done = asrcli("transcribe", *(argument.replace("{uri}", bucket.uri) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert message in done.stderr


def test_without_credentials(asrcli: Program, bucket: Bucket) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del asrcli.environment[name]
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", "out")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "credentials" in done.stderr


def test_a_key_that_no_result_can_be_named_after_fails_alone(asrcli: Program, bucket: Bucket, recordings: Path) -> None:
    bucket.put("calls//three.wav", recordings / "one.wav")
    done = asrcli("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    assert done.returncode == ExitCode.SOME_FAILED
    assert "calls//three.wav" in done.stderr
    assert results(bucket) == TEXTS


def test_a_cluster_resumes_what_this_machine_has_started(asrcli: Program, bucket: Bucket, recordings: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra cluster")
    command = ("transcribe", f"{bucket.uri}/calls", "-d", f"{bucket.uri}/text")
    assert asrcli(*command, "--exclude", "inner").returncode == 0
    bucket.put("calls/three.wav", recordings / "one.wav")
    done = asrcli(*command, "--cluster", "local", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done already") == 1
    assert results(bucket) == TEXTS | {"text/three.txt": "fa re mi\n"}
    assert asrcli(*command).stderr.count("done already") == 3

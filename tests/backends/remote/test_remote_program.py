"""`asrcli transcribe --remote`: against our own server, and against one that does what the test wants."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.errors import ExitCode
from tests.backends.remote.conftest import Asked, Mimic, Program
from tests.tone import RATE, WORDS, tone_audio, tone_starts

SEQUENCE = [3, 1, None, 7, 0, None, None, 5, 2]


@pytest.fixture
def record(program: Program) -> Callable[..., str]:
    """`record("a.wav", sequence)`: a recording of tones in the program's folder."""

    def write(name: str, sequence: list[int | None] = SEQUENCE) -> str:
        soundfile.write(program.folder / name, tone_audio(sequence), RATE)
        return name

    return write


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_our_own_server_recognises_for_us(
    program: Program, record: Callable[..., str], served: tuple[str, str]
) -> None:
    url, key = served
    record("a.wav")
    done = program("transcribe", "a.wav", "--no-vad", "--remote", url, "--remote-api-key", key, "-f", "json", "-o", "-")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["backend"], result["language"], result["timing"]) == ("remote", "zh", "model")
    words = [word for segment in result["segments"] for word in segment["words"]]
    assert [word["text"] for word in words] == [WORDS[tone] for tone in SEQUENCE if tone is not None]
    for word, start in zip(words, tone_starts(SEQUENCE), strict=True):
        assert abs(word["start"] - start) < 0.1
    assert result["segments"][0]["emotion"] == "happy"
    assert done.stderr.splitlines()[0] == f"asrcli: audio is sent to {url}/v1"
    assert done.stderr.count("is sent to") == 1


@pytest.mark.slow
def test_a_server_has_the_words_of_a_local_run(
    program: Program, record: Callable[..., str], served: tuple[str, str], tone_models: Callable[..., Path]
) -> None:
    """A minute in many chunks, several at once: the same words at the same times as from the same model here."""
    url, key = served
    record("a.wav", [tone % 8 for tone in range(80)] + [None] * 6 + [1, 2, 3] * 12)
    options = ["transcribe", "a.wav", "--no-vad", "--max-chunk", "5", "-f", "json", "-o", "-", "-q"]
    here = program(*options, "--model", tone_models("sense_voice"))
    there = program(*options, "--remote", url, "--remote-api-key", key, "--jobs", "3")
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    local, remote = json.loads(here.stdout), json.loads(there.stdout)
    assert remote["text"] == local["text"]
    for mine, theirs in zip(local["segments"], remote["segments"], strict=True):
        for word, other in zip(mine["words"], theirs["words"], strict=True):
            assert (word["text"], word["start"]) == (other["text"], pytest.approx(other["start"], abs=0.002))


@pytest.mark.slow
def test_the_key_may_be_in_a_variable_a_file_or_an_entry_and_is_written_nowhere(
    program: Program, record: Callable[..., str], served: tuple[str, str]
) -> None:
    url, key = served
    (program.folder.parent / "key").write_text(key + "\n")
    record("a.wav")
    home = Path(program.environment["XDG_DATA_HOME"]) / "asrcli"
    home.mkdir(parents=True)
    options = {"api_key_file": str(program.folder.parent / "key")}
    entry = {"type": "remote_openai", "url": url, "options": options}
    (home / "models.yaml").write_text(json.dumps({"models": {"office": entry}}))
    ways = [
        (["--remote", url], {"ASRCLI_REMOTE_API_KEY": key}),
        (["--remote", url, "--remote-api-key-file", "../key"], {}),
        (["--model", "office"], {}),
        (["--backend", "remote"], {}),
    ]
    for number, (arguments, env) in enumerate(ways):
        done = program(
            "transcribe",
            "a.wav",
            "--no-vad",
            "--debug",
            "--log-json",
            "-f",
            "json",
            "-o",
            f"{number}.json",
            *arguments,
            env=env,
        )
        assert done.returncode == 0, done.stderr
        assert key not in done.stderr + done.stdout
        shown = program("config", "show", "transcribe", *arguments, env=env)
        assert key not in shown.stdout + shown.stderr
    assert json.loads((program.folder / "2.json").read_text())["model"] == "office"
    assert key.encode() not in everything_written(program.folder)
    wrong = program(
        "transcribe", "a.wav", "--no-vad", "--debug", "--remote", url, "--remote-api-key", "other", "-o", "-"
    )
    assert wrong.returncode == ExitCode.MODEL
    assert "401" in wrong.stderr
    assert "--remote-api-key-file" in wrong.stderr
    assert "other" not in wrong.stderr.replace("another", "")


def test_a_second_run_asks_nothing_and_another_model_does(
    program: Program, record: Callable[..., str], mimic: Mimic
) -> None:
    record("a.wav")
    record("b.wav", [1, 2])
    command = ["transcribe", ".", "--no-vad", "--remote", mimic.url]
    assert program(*command).returncode == 0
    asked = len(mimic.asked)
    assert asked >= 2
    again = program(*command)
    assert (again.returncode, len(mimic.asked)) == (0, asked)
    assert program(*command, "--model", "big").returncode == 0
    assert len(mimic.asked) == 2 * asked
    assert {asked.one("model") for asked in mimic.asked[asked:]} == {"big"}


def test_silence_is_not_sent(program: Program, mimic: Mimic) -> None:
    soundfile.write(program.folder / "quiet.wav", np.zeros(5 * RATE), RATE)
    done = program("transcribe", "quiet.wav", "--remote", mimic.url)
    assert (done.returncode, mimic.asked) == (0, [])
    assert "no speech" in done.stderr


def test_the_audio_format_is_an_option(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    record("a.wav")
    for audio, head in (("wav", b"RIFF"), ("flac", b"fLaC")):
        done = program("transcribe", "a.wav", "--no-vad", "--remote", mimic.url, "--remote-audio", audio, "--overwrite")
        assert done.returncode == 0, done.stderr
        assert mimic.posts[-1].one("file")[:4] == head
    mimic.asked.clear()
    mimic.otherwise = lambda asked: (200, {"text": "do"}) if asked.one("file")[:4] == b"RIFF" else (500, b"")
    done = program("transcribe", "a.wav", "--no-vad", "--remote", mimic.url, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert len(mimic.posts) <= 8


def test_one_bad_chunk_costs_one_file(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        record(name, [1, 2])
    lengths = []

    def answer(asked: Asked) -> tuple[int, bytes | dict[str, str]]:
        lengths.append(len(asked.form["file"][0]))
        return (200, b'{"text": 3}') if len(lengths) == 2 else (200, {"text": "do re"})

    mimic.otherwise = answer
    done = program("transcribe", ".", "--no-vad", "--remote", mimic.url, "--jobs", "1")
    assert done.returncode == ExitCode.SOME_FAILED, done.stderr
    assert "2 of 3 files done, 1 failed" in done.stderr
    assert len(list(program.folder.glob("*.txt"))) == 2


def test_what_dooms_all_ends_the_batch(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    for number in range(30):
        record(f"{number}.wav", [number % 8])
    mimic.otherwise = (404, {"error": {"message": "The model `huge` does not exist", "param": "model"}})
    done = program("transcribe", ".", "--no-vad", "--remote", mimic.url, "--model", "huge", "--jobs", "1")
    assert done.returncode == ExitCode.MODEL, done.stderr
    assert "The server has: big, small" in done.stderr
    assert len(mimic.posts) < 15  # what was under way or at the door
    assert list(program.folder.glob("*.txt")) == []


def test_a_server_that_comes_back_is_waited_for(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    record("a.wav", [1, 2])
    mimic.script = ["reset", (503, b"", {"Retry-After": "0"})]
    done = program("transcribe", "a.wav", "--no-vad", "--remote", mimic.url)
    assert done.returncode == 0, done.stderr
    assert (program.folder / "a.txt").read_text() == "do re\n"


def test_hotwords_language_and_prompt_go_along(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    record("a.wav", [1, 2])
    done = program(
        "transcribe",
        "a.wav",
        "--no-vad",
        "--remote",
        mimic.url,
        "-l",
        "zh",
        "--hotwords",
        "高:40, do",
        "--prompt",
        "Tones.",
    )
    assert done.returncode == 0, done.stderr
    asked = mimic.asked[0]
    assert (asked.one("language"), asked.one("hotwords"), asked.one("prompt")) == ("zh", "高:40, do", "Tones. 高, do")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_does_not_wait_for_the_server(
    program: Program, record: Callable[..., str], mimic: Mimic, wait_until: Callable[..., None], number: signal.Signals
) -> None:
    record("a.wav", [1, 2])
    mimic.otherwise = "hold"
    command = program.command("transcribe", "a.wav", "--no-vad", "--remote", mimic.url)
    with subprocess.Popen(command, cwd=program.folder, env=program.environment, stderr=subprocess.PIPE) as process:
        wait_until(lambda: bool(mimic.asked))
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert list(program.folder.glob("*.txt")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--remote", "office:8000"], "not the address of a server"),
        (["--remote", "http://me:pw@host/v1"], "contains a user name or a password"),
        (["--remote", "http://gpu.example/v1", "--offline"], "--offline forbids the network"),
        (["--remote", "http://gpu.example/v1", "--backend", "funasr"], "--backend funasr"),
        (
            ["--remote", "http://gpu.example/v1", "--remote-api-key", "a", "--remote-api-key-file", "b"],
            "exclude each other",
        ),
        (["--remote", "http://gpu.example/v1", "--remote-api-key-file", "nowhere"], "nowhere"),
        (["--backend", "remote"], "--remote http://host:8000/v1"),
        (["--backend", "remote", "--model", "moonshine-tiny-en"], "remote does not run"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_sent(
    program: Program, record: Callable[..., str], arguments: list[str], said: str
) -> None:
    record("a.wav", [1])
    done = program("transcribe", "a.wav", *arguments)
    assert done.returncode in {ExitCode.USAGE, ExitCode.MODEL}
    assert said in done.stderr


def test_offline_allows_this_machine(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    record("a.wav", [1, 2])
    assert program("transcribe", "a.wav", "--no-vad", "--offline", "--remote", mimic.url).returncode == 0


def test_a_dry_run_sends_nothing(program: Program, record: Callable[..., str], mimic: Mimic) -> None:
    record("a.wav", [1, 2])
    done = program("transcribe", "a.wav", "--dry-run", "--remote", mimic.url)
    assert (done.returncode, mimic.asked) == (0, [])


@pytest.mark.slow
def test_servers_are_added_and_listed_as_models(program: Program) -> None:
    assert program("models", "add", "office", "http://gpu-box:8000/").returncode == 0
    assert program("models", "list", "--backend", "remote").stdout.split("\t")[0] == "office"
    assert "http://gpu-box:8000/v1" in program("models", "show", "office").stdout
    for command in (("models", "path", "office"), ("models", "remove", "office"), ("download-model", "office")):
        done = program(*command)
        assert done.returncode == ExitCode.USAGE
        assert "runs on the server http://gpu-box:8000/v1" in done.stderr
    assert program("models", "verify").returncode == 0
    done = program("serve", "--model", "office")
    assert done.returncode == ExitCode.MODEL
    assert "runs on another server" in done.stderr
    assert "Traceback" not in done.stderr

"""Completion in bash, zsh and fish, each run in a pseudo-terminal: every option of every command offers its values."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asrcli.cli.framework.app import COMMANDS
from asrcli.cli.framework.command_tree import Command, Value, program

ROOT = Path(__file__).parents[2]
PROMPT = "@@READY@@"
FOLDER, FILE = "folder-of-mine", "talk-of-mine.wav"
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "--private", "-i"],
}
SET_UP = {
    "bash": f"bind 'set completion-query-items 0'; bind 'set page-completions off'; . {ROOT}/completions/asrcli.bash",
    "zsh": f"fpath=({ROOT}/completions $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=9999; "
    "unsetopt list_ambiguous list_types; zle_bracketed_paste=()",
    "fish": f"source {ROOT}/completions/asrcli.fish",
}
PROMPTS = {
    "bash": "PS1='@@'READY@@",
    "zsh": "PROMPT='@@'READY@@",
    "fish": "function fish_prompt; echo -n @@READY; echo -n @@; end; function fish_greeting; end",
}
CONTROLS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-B0-2]|[=>])|[\r\x00\x07]")
KINDS = {"asr", "embedding", "segmentation", "punctuation", "language-id", "streaming"}


class Shell:
    """An interactive shell in a pseudo-terminal."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.number = name, 0
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            kept = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"}
            os.execvpe(SHELLS[name][0], SHELLS[name], kept)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 400, 300, 0, 0))
        self.send(f"{SET_UP[name]}\r")
        self.send(f"{PROMPTS[name]}\r")
        self.read(lambda text: PROMPT in text)

    def send(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def read(self, done: Callable[..., Any]) -> str:
        """The output until it satisfies `done`."""
        text, limit = "", time.monotonic() + 60
        while not done(text):
            ready, _, _ = select.select([self.terminal], [], [], max(0, limit - time.monotonic()))
            assert ready, f"{self.name} does not show what is expected: {text[-3000:]!r}"
            text = CONTROLS.sub(" ", text + os.read(self.terminal, 65536).decode(errors="replace"))
        return text

    def complete(self, line: str, wanted: set[str]) -> str:
        """What the shell shows for Tab after a line; waits for the wanted words."""
        if self.name == "fish":
            self.send(f"complete -C '{line}'; echo @@READY@@\r")
            return self.read(lambda text: text.count(PROMPT) >= 2 and wanted <= set(re.split(r"[\s]+", text)))
        self.send(line + "\t" + ("\t" if self.name == "bash" else ""))
        shown = self.read(lambda text: all(shows(text, word) for word in wanted))
        self.number += 1
        self.send(f"\x15echo D''ONE{self.number}.\r")  # clears the line
        return shown + self.read(lambda text: f"DONE{self.number}." in text)

    def close(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.terminal)


def shows(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", text) is not None


@pytest.fixture(scope="module", params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    folder = tmp_path_factory.mktemp("home")
    (folder / FILE).touch()
    (folder / FOLDER).mkdir()
    running = Shell(request.param, folder)
    with contextlib.closing(running):
        yield running


TREE = list(program().walk())
MODELS = {
    option.value.models: set(option.value.choices)
    for command in TREE
    for option in command.options
    if option.value and option.value.kind == "model"
}


def values(command: Command) -> Iterator[tuple[str, Value]]:
    for option in command.options:
        if option.value is not None:
            yield option.names[-1], option.value


CASES = [(command, name, value) for command in TREE for name, value in values(command)]


def test_the_options_of_models_differ() -> None:
    assert set(MODELS) == KINDS
    names = {option: value.models for _, option, value in CASES if value.kind == "model"}
    assert names["--punctuation-model"] == "punctuation"
    assert names["--diarization-model"] == "segmentation"
    assert names["--language-id-model"] == "language-id"
    assert names["--streaming-model"] == "streaming"


@pytest.mark.parametrize("command", [c for c in TREE if any(values(c))], ids=lambda c: " ".join(c.path[1:]) or "asrcli")
def test_every_option_offers_its_values(shell: Shell, command: Command) -> None:
    for name, value in values(command):
        wanted = set(value.choices)
        if value.kind in {"dir", "model"}:
            wanted |= {FOLDER if shell.name == "bash" else f"{FOLDER}/"} if shell.name != "zsh" else {FOLDER}
        if value.kind == "file":
            wanted |= {FILE}
        if value.kind == "any":
            continue
        shown = shell.complete(f"{' '.join(command.path)} {name} ", wanted)
        assert "unmatched" not in shown, name
        if value.kind == "model":
            others = set().union(*(models for kind, models in MODELS.items() if kind != value.models)) - wanted
            assert {word for word in others if shows(shown, word)} == set(), name
        if value.kind in {"dir", "word", "list"}:
            assert not shows(shown, FILE), name


def test_commands_options_and_arguments(shell: Shell) -> None:
    shell.complete("asrcli ", set(COMMANDS))
    shell.complete("asrcli models ", {"list", "show", "verify"})
    shell.complete("asrcli config ", {"show", "path", "init"})
    shell.complete("asrcli transcribe ", {FILE})
    shell.complete("asrcli bench ", {FILE})
    shell.complete("asrcli speakers enroll Ada ", {FILE})
    shell.complete(f"asrcli speakers enroll Ada {FILE} ", {FILE})
    shell.complete("asrcli models add mine ", {FOLDER if shell.name != "fish" else f"{FOLDER}/"})
    shell.complete("asrcli completion ", {"bash", "zsh", "fish"})
    shell.complete("asrcli download-model sensevoice-small ", {"silero-vad"})
    shell.complete("asrcli transcribe -f txt,", {"txt,srt"} if shell.name == "fish" else {"srt"})
    shell.complete("asrcli transcribe --max-line-width", {"--max-line-width-cjk"})
    # an option's value is not a command
    shell.complete("asrcli transcribe -o config --for", {"--format"})

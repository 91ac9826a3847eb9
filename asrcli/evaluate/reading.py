"""Read what is judged and what it is judged by, in the formats that exist: json, srt, vtt, txt, rttm, tsv."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asrcli.distribution import pip_install
from asrcli.errors import InputError, InputUnreadableError, MissingExtraError, UsageError
from asrcli.evaluate.cues import PlainCue
from asrcli.evaluate.diarization import read_rttm
from asrcli.evaluate.pairing import References
from asrcli.options import CueOptions
from asrcli.transcript import Transcript, Turn

#: what can be judged, by suffix
SUFFIXES = (".json", ".srt", ".vtt", ".txt", ".rttm")

#: what players do not show in SRT: tags, overrides, word joiners
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}|\u2060")


@dataclass(frozen=True, slots=True)
class HypothesisText:
    """What one file says. None: its format does not hold it."""

    path: str
    #: what references may call it: the recording's path where the file tells, and the file's own without suffix
    names: tuple[str, ...]
    text: str | None = None
    language: str | None = None
    cues: tuple[PlainCue, ...] | None = None
    turns: tuple[Turn, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The right text of one recording."""

    text: str
    language: str | None = None


def read_hypothesis(path: Path, limits: CueOptions) -> HypothesisText:
    """Read a result, of this program or another.

    A JSON transcript has no cues of its own; those that `--format srt` would make of it stand for them.

    Raises:
        UsageError: a suffix that is not one of `SUFFIXES`.
        InputError: the file cannot be read, or is not what its suffix says.
        MissingExtraError: a VTT file, and the extra `evaluate` is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} cannot be judged.", f"It should be one of: {', '.join(SUFFIXES)}.")
    text = _read(path)
    names = (_bare(path),)
    if suffix == ".json":
        return _transcript(path, text, limits)
    if suffix == ".rttm":
        return HypothesisText(str(path), names, turns=tuple(_only(read_rttm(text, str(path)), path, names)))
    if suffix == ".txt":
        return HypothesisText(str(path), names, text=text)
    cues = tuple(_srt(text, path) if suffix == ".srt" else _vtt(text, path))
    return HypothesisText(str(path), names, text="\n".join(line for cue in cues for line in cue.lines), cues=cues)


def read_references(path: Path) -> References[Reference]:
    """Reference texts by recording: a tree of NAME.txt, one .txt, or a .tsv with columns file, text and language.

    Raises:
        InputError: it cannot be read or holds none, or a table lacks a column.
    """
    if path.suffix.lower() == ".tsv" and not path.is_dir():
        return References(_table(path))
    return References((name, Reference(_read(file))) for name, file in _named(path, ".txt"))


def read_reference_turns(path: Path) -> References[list[Turn]]:
    """Reference turns by the name of the file and by file id: an RTTM file, or a tree of them.

    Raises:
        InputError: a file cannot be read or is no RTTM, or there is none.
    """
    entries: list[tuple[str, list[Turn]]] = []
    for name, file in _named(path, ".rttm"):
        found = read_rttm(_read(file), str(file))
        if len(found) == 1:  # a file about one recording may call it anything inside
            entries += ((name, turns) for turns in found.values())
        entries += found.items()
    return References(entries)


def _named(path: Path, suffix: str) -> list[tuple[str, Path]]:
    """One file, or those of a tree, each by its path in the tree without suffix."""
    if not path.is_dir():
        return [(path.stem, path)]
    files = [file for file in sorted(path.rglob(f"*{suffix}")) if file.is_file()]
    if not files:
        raise InputError(f"There are no {suffix} files in {path}.", "References have the names of their recordings.")
    return [(_bare(file.relative_to(path)), file) for file in files]


def _table(path: Path) -> Iterable[tuple[str, Reference]]:
    rows = csv.DictReader(_read(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    if not {"file", "text"} <= set(rows.fieldnames or ()):
        raise InputError(f"{path} has no columns 'file' and 'text'.", "Its first line names the columns.")
    for row in rows:
        if row["text"] is None:
            raise InputError(
                f"{path}: line {rows.line_num} has too few columns.", "Where nothing is said, leave the text empty."
            )
        yield row["file"], Reference(row["text"], row.get("language") or None)


def _transcript(path: Path, text: str, limits: CueOptions) -> HypothesisText:
    from asrcli.text.subtitles.cues import shape

    try:
        transcript = Transcript.from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a transcript of this program ({error}).", "Make one with --format json."
        ) from None
    cues = (PlainCue(cue.start, cue.end, tuple(line.text for line in cue.lines)) for cue in shape(transcript, limits))
    return HypothesisText(
        str(path),
        (transcript.source, _bare(Path(transcript.source)), _bare(path)),
        text=transcript.text,
        language=transcript.language,
        cues=tuple(cues),
        turns=transcript.turns or None,
    )


def _srt(text: str, path: Path) -> Iterable[PlainCue]:
    import srt

    try:
        for cue in srt.parse(text):
            yield PlainCue(
                cue.start.total_seconds(), cue.end.total_seconds(), tuple(_MARKUP.sub("", cue.content).splitlines())
            )
    except srt.SRTParseError as error:
        raise InputError(f"{path} is not SRT ({error}).") from error


def _vtt(text: str, path: Path) -> Iterable[PlainCue]:
    try:
        import webvtt
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Reading VTT needs the Python package webvtt-py.", f"Install it with: {pip_install('evaluate')}"
        ) from error
    try:
        for cue in webvtt.from_string(text).captions:
            yield PlainCue(cue.start_in_seconds, cue.end_in_seconds, tuple(cue.text.splitlines()))
    except webvtt.errors.MalformedFileError as error:
        raise InputError(f"{path} is not VTT ({error}).") from error


def _only(turns: dict[str, list[Turn]], path: Path, names: tuple[str, ...]) -> list[Turn]:
    if len(turns) <= 1:
        return next(iter(turns.values()), [])
    for name in names:
        if Path(name).name in turns:
            return turns[Path(name).name]
    raise InputError(f"{path} holds turns of several recordings.", "Give one file for each.")


def _bare(path: Path) -> str:
    return str(path.parent / path.stem)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputUnreadableError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8.") from error

"""Read results and references: json, jsonl, srt, vtt, txt, tsv, csv and rttm files, of this program or another."""

import csv
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrcli.errors import InputError, UsageError
from asrcli.evaluate.cues import PlainCue
from asrcli.evaluate.diarization import read_rttm
from asrcli.evaluate.normalization import library
from asrcli.evaluate.pairing import References
from asrcli.language_codes import language_code
from asrcli.options import CueOptions
from asrcli.script import join
from asrcli.storage.text import read_text
from asrcli.text.subtitles.cues import DASH, shape
from asrcli.transcript import Transcript, Turn, Word

#: result files, by suffix
SUFFIXES = (".json", ".jsonl", ".srt", ".vtt", ".txt", ".tsv", ".csv", ".rttm")
#: of those, files that may as well hold something else: in folders they count only with the columns of a transcript
_TABLES = (".jsonl", ".tsv", ".csv")
_COLUMNS = {"start", "end", "text"}

#: SRT files of this program have full-width braces, as players take plain ones for markup
_BRACES = str.maketrans("｛｝", "{}")
#: what players do not show in SRT: tags, overrides, word joiners
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}|\u2060")
_UNDERLINED = re.compile(r"<u>")
#: a speaker's name before the text, as the formats without a field for it have it
_LABEL = re.compile(r"^\[.+?\] ")
#: the same as people write it: "A: Good morning."
_NAME = re.compile(r"^\s*(\w[^:：\n]{0,39}?)(?::\s+|：\s*)")
#: names that need no second line to be recognised as labels
_PLAIN_NAME = re.compile(r"[A-Z]|(speaker|spk)[ _]?\w{1,3}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HypothesisText:
    """The contents of one result file. None: its format does not hold them."""

    path: str
    #: what references may call it: the recording's path if the file names it, and the file's own without suffix
    names: tuple[str, ...]
    text: str | None = None
    language: str | None = None
    cues: tuple[PlainCue, ...] | None = None
    turns: tuple[Turn, ...] | None = None
    #: the words that have a speaker
    words: tuple[Word, ...] | None = None
    #: the text of each speaker
    speakers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The right text of one recording."""

    text: str
    language: str | None = None
    #: the text of each speaker, where it names them
    speakers: Mapping[str, str] | None = None


def read_hypothesis(path: Path, limits: CueOptions) -> HypothesisText:
    """Read a result file. The cues of a JSON transcript are those that `--format srt` makes of it. Raises UsageError: a
    suffix that is not one of `SUFFIXES`; InputError: the file cannot be read, or does not match its suffix;
    MissingExtraError: a VTT file, and the extra `evaluate` is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} cannot be evaluated.", f"Results are {', '.join(SUFFIXES)} files.")
    text = read_text(path)
    names = (_bare(path),)
    if suffix == ".json":
        return _transcript(path, text, limits)
    if suffix in _TABLES:
        return _segments(path, _rows(path, text))
    if suffix == ".rttm":
        return HypothesisText(str(path), names, turns=tuple(_only(read_rttm(text, str(path)), path, names)))
    if suffix == ".txt":
        return HypothesisText(str(path), names, text="\n".join(_unlabelled(text.split("\n"))))
    cues = tuple(_srt(text, path) if suffix == ".srt" else _vtt(text, path))
    lines = [line for cue in cues for line in _undashed(cue.lines)]
    return HypothesisText(str(path), names, join(_unlabelled(lines) if suffix == ".srt" else lines, "\n"), cues=cues)


def is_result(path: Path) -> bool:
    """Whether a file of a folder is a result: by its suffix, and tables by their columns."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or not path.is_file():
        return False
    try:
        if suffix in _TABLES:
            _rows(path, read_text(path))
    except InputError:
        return False
    return True


def read_references(path: Path) -> References[Reference]:
    """Reference texts by recording: a tree of NAME.txt, one .txt, or a .tsv with columns file, text and language.
    Speaker names at the start of lines ("A: Good morning.") of a .txt are not part of the text.

    Raises InputError: it cannot be read or holds none, or a table lacks a column.
    """
    if path.suffix.lower() == ".tsv" and not path.is_dir():
        return References(_table(path))
    return References((name, _plain_reference(read_text(file))) for name, file in _named(path, ".txt"))


def read_reference_turns(path: Path) -> References[list[Turn]]:
    """Reference turns by the name of the file and by file id: an RTTM file, or a tree of them. Raises InputError: a
    file cannot be read or is no RTTM, or there is none.
    """
    entries: list[tuple[str, list[Turn]]] = []
    for name, file in _named(path, ".rttm"):
        found = read_rttm(read_text(file), str(file))
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
    header, *lines = (line.split("\t") for line in read_text(path).removesuffix("\n").split("\n"))
    if not {"file", "text"} <= set(header):
        raise InputError(f"{path} has no columns 'file' and 'text'.", "Its first line names the columns.")
    for number, line in enumerate(lines, 2):
        if line == [""]:
            continue
        row = dict(zip(header, line, strict=False))
        if not row.keys() >= {"file", "text"}:
            raise InputError(
                f"{path}: line {number} has too few columns.", "Leave the text of a recording without speech empty."
            )
        yield row["file"], Reference(row["text"], _code(path, row.get("language")))


def _transcript(path: Path, text: str, limits: CueOptions) -> HypothesisText:
    try:
        data = json.loads(text)
        if "schema" not in data and "segments" in data:  # of Whisper's command, and of servers like OpenAI's
            rows = [{"language": data.get("language")} | row for row in data["segments"]]
            return _segments(path, [{**row, "text": row["text"].strip()} for row in _checked(path, rows)])
        transcript = Transcript.from_dict(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a transcript of this program ({error}).", "Make one with --format json."
        ) from None
    cues = (PlainCue(cue.start, cue.end, tuple(line.text for line in cue.lines)) for cue in shape(transcript, limits))
    return HypothesisText(
        str(path),
        (transcript.source, _bare(Path(transcript.source)), _bare(path)),
        text=transcript.text,
        language=_code(path, transcript.language),
        cues=tuple(cues),
        turns=transcript.turns or None,
        words=tuple(word for segment in transcript.segments for word in segment.words if word.speaker is not None)
        or None,
        speakers=_by_speaker((segment.speaker, segment.text) for segment in transcript.segments),
    )


def _rows(path: Path, text: str) -> list[Mapping[str, Any]]:
    """The segments of a table: lines of JSON, tab-separated or comma-separated rows."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".jsonl":
            rows: list[Any] = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            lines = (
                csv.reader(io.StringIO(text, newline=""))
                if suffix == ".csv"
                else (line.split("\t") for line in text.removesuffix("\n").split("\n"))
            )
            header, *cells = [line for line in lines if any(line)]
            rows = [dict(zip(header, line, strict=True)) for line in cells] or [dict.fromkeys(header, "")]
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} is not a valid {suffix[1:]} file ({error}).") from error
    return _checked(path, rows)


def _checked(path: Path, rows: list[Any]) -> list[Mapping[str, Any]]:
    if not all(isinstance(row, dict) and row.keys() >= _COLUMNS and isinstance(row["text"], str) for row in rows):
        raise InputError(f"{path} is not a transcript.", f"It needs the columns {', '.join(sorted(_COLUMNS))}.")
    return rows


def _segments(path: Path, rows: list[Mapping[str, Any]]) -> HypothesisText:
    sources = [str(row["source"]) for row in rows[:1] if row.get("source")]
    names = (*sources, *(_bare(Path(source)) for source in sources), _bare(path))
    language = next((str(row["language"]) for row in rows if row.get("language")), None)
    return HypothesisText(str(path), names, "\n".join(row["text"] for row in rows), _code(path, language))


def _srt(text: str, path: Path) -> Iterable[PlainCue]:
    import srt

    try:
        cues = [(cue.start.total_seconds(), cue.end.total_seconds(), cue.content) for cue in srt.parse(text)]
    except srt.SRTParseError as error:
        raise InputError(f"{path} is not SRT ({error}).") from error
    for start, end, content in _without_highlights(cues):
        yield PlainCue(start, end, tuple(_MARKUP.sub("", content).translate(_BRACES).split("\n")))


def _without_highlights(cues: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """One cue for each series that shows the same text with another word underlined (`--highlight-words`)."""
    out: list[tuple[float, float, str]] = []
    place = -1
    for start, end, content in cues:
        found = _UNDERLINED.search(content)
        at = -1 if found is None else found.start()
        same = bool(out) and out[-1][1] == start and _MARKUP.sub("", out[-1][2]) == _MARKUP.sub("", content)
        if same and at > place >= 0:
            out[-1] = (out[-1][0], end, content)
        else:
            out.append((start, end, content))
        place = at
    return out


def _vtt(text: str, path: Path) -> Iterable[PlainCue]:
    webvtt = library("webvtt")
    try:
        for cue in webvtt.from_string(text).captions:
            lines = html.unescape(cue.text).split("\n")
            yield PlainCue(cue.start_in_seconds, cue.end_in_seconds, tuple(lines))
    except webvtt.errors.MalformedFileError as error:
        raise InputError(f"{path} is not VTT ({error}).") from error


def _undashed(lines: Sequence[str]) -> Sequence[str]:
    """The lines of a cue without the dashes of a dialogue, in which each line has one."""
    if len(lines) > 1 and all(line.startswith(DASH) for line in lines):
        return [line.removeprefix(DASH) for line in lines]
    return lines


def _unlabelled(lines: list[str]) -> list[str]:
    """Lines without speaker names. Any line may begin with one, but the first of all does if there are any."""
    first = next(filter(None, lines), "")
    return [_LABEL.sub("", line) for line in lines] if _LABEL.match(first) else lines


def _plain_reference(text: str) -> Reference:
    """A reference without the names of its speakers, if every line has one or some recur; else as it is."""
    lines = [line for line in text.split("\n") if line.strip()]
    names = [found[1] for line in lines if (found := _NAME.match(line))]
    clear = len(lines) > 1 or all(_PLAIN_NAME.fullmatch(name) for name in names)
    labelled = len(names) == len(lines) and clear
    recur = {name for name in names if names.count(name) > 1}
    speakers = set(names) if labelled else recur | set(filter(_PLAIN_NAME.fullmatch, names if recur else ()))
    if not names or not _NAME.match(lines[0]) or not speakers:
        return Reference(text)
    said: list[tuple[str | None, str]] = []
    for line in lines:
        if (found := _NAME.match(line)) and found[1] in speakers:
            said.append((found[1], line[found.end() :]))
        else:
            said.append((said[-1][0] if said else None, line))
    return Reference("\n".join(line for _, line in said), speakers=_by_speaker(said))


def _by_speaker(said: Iterable[tuple[str | None, str]]) -> dict[str, str] | None:
    """The text of each speaker; None: no one is named."""
    texts: dict[str, list[str]] = {}
    for speaker, text in said:
        texts.setdefault(speaker or "", []).append(text)
    return {speaker: join(parts, "\n") for speaker, parts in texts.items()} if any(texts) else None


def _code(path: Path, language: str | None) -> str | None:
    try:
        return language_code(language)
    except UsageError as error:
        raise InputError(f"{path}: {error.message}", error.hint) from error


def _only(turns: dict[str, list[Turn]], path: Path, names: tuple[str, ...]) -> list[Turn]:
    if len(turns) <= 1:
        return next(iter(turns.values()), [])
    for name in names:
        if Path(name).name in turns:
            return turns[Path(name).name]
    raise InputError(f"{path} holds turns of several recordings.", "Give one file for each.")


def _bare(path: Path) -> str:
    return str(path.parent / path.stem)

"""Enrolled voices: prints of people who agreed to be recognised, on this machine only.

A voice print is biometric data. Each is one file of its owner's alone (0600, in a folder 0700), so that removing a name
removes it, and no other file refers to it. A print is only comparable with embeddings of the model that made
it; prints of the same person by other models are kept beside it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.errors import InputError, OutputError, UsageError
from asrcli.storage.atomic import write_atomic, write_error
from asrcli.storage.user_folders import user_folder

if TYPE_CHECKING:
    from asrcli.audio.types import Samples
    from asrcli.speakers.diarizer import Diarizer, Voice
    from asrcli.speakers.types import Vectors

_SCHEMA = "asrcli/voice/1"
_LONGEST_NAME = 80
#: what unknown speakers are called
_RESERVED = re.compile(r"speaker\s*\d+", re.IGNORECASE)

#: seconds of speech that a print needs, and how much of a clip may be another speaker
_LEAST_SPEECH = 3.0
_OTHERS = 0.2


@dataclass(frozen=True, slots=True)
class VoicePrint:
    """What a person sounds like to one embedding model.

    Attributes:
        name: the person's.
        model, digest: the embedding model and its files' digest.
        embedding: of length 1.
        seconds: how much speech it was made of.
        created: ISO 8601, UTC.
    """

    name: str
    model: str
    digest: str
    embedding: tuple[float, ...]
    seconds: float
    created: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": _SCHEMA,
            "name": self.name,
            "model": self.model,
            "digest": self.digest,
            "seconds": round(self.seconds, 1),
            "created": self.created,
            "embedding": [round(value, 6) for value in self.embedding],
        }


def default_folder() -> Path:
    """Where the user's prints are kept."""
    return user_folder("data") / "voices"


class VoiceStore:
    """The prints in a folder, which is made when the first is saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prints(self) -> list[VoicePrint]:
        """All prints, by name. Raises InputError: a file in the folder is not a voice print."""
        paths = self._folder.glob("*.json") if self._folder.is_dir() else ()
        return sorted(map(_read, paths), key=lambda print_: (print_.name.casefold(), print_.model))

    def voices(self, digest: str) -> tuple[list[Voice], list[str]]:
        """The voices of an embedding model's digest, and the names that are only enrolled with other models."""
        import numpy as np

        from asrcli.speakers.diarizer import Voice

        prints = self.prints()
        known = [
            Voice(print_.name, np.array(print_.embedding, np.float32)) for print_ in prints if print_.digest == digest
        ]
        others = {print_.name for print_ in prints} - {voice.name for voice in known}
        return known, sorted(others)

    def save(self, print_: VoicePrint, *, replace: bool = False) -> None:
        """Keep a print. Raises UsageError: the name cannot be used, or is taken by a print of the same model and
        `replace` is false; OutputError: the folder cannot be written.
        """
        check_name(print_.name)
        path = self._path(print_.name, print_.digest)
        if path.exists() and not replace:
            raise UsageError(
                f"{_read(path).name} is already enrolled with {print_.model}.",
                "Use --replace for a new print of the same person, or another name.",
            )
        _write_private(path, json.dumps(print_.to_dict(), ensure_ascii=False).encode())

    def remove(self, name: str) -> int:
        """Delete every print of a name. Returns how many there were. Raises OutputError: a file cannot be deleted."""
        found = list(self._folder.glob(f"{_key(name)}-*.json")) if self._folder.is_dir() else []
        try:
            for path in found:
                path.unlink()
        except OSError as error:
            raise OutputError(f"Cannot delete {error.filename}: {error.strerror}.") from error
        return len(found)

    def _path(self, name: str, digest: str) -> Path:
        # Names may hold anything, and a list of files should not tell who is enrolled.
        return self._folder / f"{_key(name)}-{sha256(digest.encode()).hexdigest()[:12]}.json"


def check_name(name: str) -> None:
    """Refuse names that no output could carry. Raises UsageError: it is empty, too long, has control characters, or
    reads like "Speaker 1".
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"A name has 1 to {_LONGEST_NAME} printable characters.")
    if _RESERVED.fullmatch(name.strip()):
        raise UsageError(f"{name!r} is what unknown speakers are called.", "Choose another name.")


def enrol(
    name: str,
    clips: Sequence[tuple[str, Iterable[Samples]]],
    new_diarizer: Callable[[], Diarizer],
    *,
    model: str,
    digest: str,
    voice_threshold: float,
) -> VoicePrint:
    """Make a voice print from `clips`: (name, blocks of (samples,) at 16 kHz) of recordings in which this person speaks
    alone. `new_diarizer` makes a diarizer for each clip; `model` and `digest` identify the embedding model;
    `voice_threshold` is the greatest cosine distance of the clips' voices. Raises UsageError: the name cannot be used;
    InputError: too little speech, several voices in a clip, or clips of different people.
    """
    import numpy as np

    check_name(name)
    heard = [_main_voice(clip, blocks, new_diarizer()) for clip, blocks in clips]
    total = sum(seconds for _, seconds in heard)
    if total < _LEAST_SPEECH:
        raise InputError(
            f"Only {total:.1f} s of speech: a voice print needs {_LEAST_SPEECH:.0f} s.", "10 to 30 s are better."
        )
    whole = np.sum([embedding * seconds for embedding, seconds in heard], axis=0)
    for (clip, _), (embedding, seconds) in zip(clips, heard, strict=True):
        others = whole - embedding * seconds
        if len(clips) > 1 and 1.0 - float(embedding @ others) / np.linalg.norm(others) > voice_threshold:
            raise InputError(f"{clip} does not sound like the other clips.", "Enrol clips of one person only.")
    mean = whole / np.linalg.norm(whole)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return VoicePrint(name.strip(), model, digest, tuple(mean.tolist()), total, created)


def _main_voice(clip: str, blocks: Iterable[Samples], diarizer: Diarizer) -> tuple[Vectors, float]:
    for block in blocks:
        diarizer.push(block)
    spoken: dict[str, float] = {}
    for turn in diarizer.finish():
        spoken[turn.speaker] = spoken.get(turn.speaker, 0.0) + turn.end - turn.start
    if not spoken:
        raise InputError(f"{clip} contains no speech.", "Enrol with a clip of the person speaking.")
    main = max(spoken, key=spoken.__getitem__)
    others = 1.0 - spoken[main] / sum(spoken.values())
    if others > _OTHERS:
        raise InputError(
            f"{others:.0%} of the speech in {clip} belongs to other speakers.",
            "Cut a stretch in which one person speaks.",
        )
    return diarizer.voices[main], spoken[main]


def _key(name: str) -> str:
    """Names that look the same to people are the same."""
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    return sha256(folded.encode()).hexdigest()[:24]


def _read(path: Path) -> VoicePrint:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema") != _SCHEMA:
            raise ValueError("another schema")  # noqa: TRY301 -- all of it is one failure
        return VoicePrint(**{**data, "embedding": tuple(map(float, data["embedding"]))})
    except OSError as error:
        raise InputError(f"Cannot read the voice print {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a voice print.", "Delete it and enrol the person again.") from error


def _write_private(path: Path, data: bytes) -> None:
    """Write whole or not at all, readable by the owner alone from the first byte on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        write_atomic(path, data, mode=0o600)
    except OSError as error:
        raise write_error(path, error, "Check the folder's permissions.") from error

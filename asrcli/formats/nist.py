"""What NIST's line formats share: fields are parted by spaces, so none may hold one or be empty."""

from __future__ import annotations

from pathlib import PurePath

from asrcli.text.subtitles.pieces import clean

NOTHING = "<NA>"


def token(text: str) -> str:
    """The text as one field."""
    return clean(text).replace(" ", "_") or NOTHING


def file_id(source: str) -> str:
    """The recording's name without folder and suffix; a leading ";" would begin a comment."""
    return token(PurePath(source).stem).lstrip(";") or NOTHING

"""Notes that Whisper writes for sounds between the words: "[Music]", "(knocking)"."""

import re

#: Whisper's notes for sounds: "[Music]", "*crying*" and "♪" anywhere, "(knocking)" where it is a sentence of its own
_NOTE = re.compile(
    r"\[[^\[\]]*\]|\*[^\W\d_][^*\n]{0,40}[^\W\d_]\*|[♪♫]+"
    r"|(?:^|(?<=[.!?…])) *\([^()]*\)[.!?]*(?= *(?:[A-Z\[(♪]|$))"
)
#: part of a note -> event
_EVENTS = {
    "music": "bgm",
    "♪": "bgm",
    "♫": "bgm",
    "applau": "applause",
    "clap": "applause",
    "laugh": "laughter",
    "chuckl": "laughter",
    "cry": "cry",
    "sob": "cry",
    "sneez": "sneeze",
    "breath": "breath",
    "sigh": "breath",
    "cough": "cough",
    "sing": "sing",
}


def without_notes(text: str) -> tuple[str, str | None]:
    """A text without its notes, and the event that they describe."""
    notes = " ".join(_NOTE.findall(text)).lower()
    event = next((event for part, event in _EVENTS.items() if part in notes), None)
    return " ".join(_NOTE.sub(" ", text).split()), event

"""SenseVoice's emotions and events as emoji (`--rich-text`), and its raw tags.

The event stands in front, the emotion at the end; of equal neighbours only one is shown. Tables and rule: SenseVoice's
own post-processing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from asrcli.text.steps.word_edits import with_words
from asrcli.transcript import Segment, Transcript

EMOTIONS = {"happy": "😊", "sad": "😔", "angry": "😡", "fearful": "😰", "disgusted": "🤢", "surprised": "😮"}
EVENTS = {"bgm": "🎼", "applause": "👏", "laughter": "😀", "cry": "😭", "sneeze": "🤧", "cough": "😷"}
#: for a recording in which the model heard no speech and no event it knows
NOTHING_HEARD = "❓"

_TAG = re.compile(r"<\|([^|]*)\|>")
_LANGUAGES = frozenset({"zh", "en", "yue", "ja", "ko", "nospeech"})


def rich_text(transcript: Transcript) -> Transcript:
    """The transcript with emoji in the texts and first and last words of its segments; fields stay as they are."""
    segments = transcript.segments
    out = []
    for index, segment in enumerate(segments):
        event = segment.event if index == 0 or segments[index - 1].event != segment.event else None
        last = index + 1 == len(segments) or segments[index + 1].emotion != segment.emotion
        emotion = segment.emotion if last else None
        out.append(_adorned(segment, EVENTS.get(event or "", ""), EMOTIONS.get(emotion or "", "")))
    return replace(transcript, segments=tuple(out))


def _adorned(segment: Segment, front: str, back: str) -> Segment:
    if not segment.words:
        return replace(segment, text=front + segment.text + back)
    words = list(segment.words)
    words[0] = replace(words[0], text=front + words[0].text)
    words[-1] = replace(words[-1], text=words[-1].text + back)
    return with_words(segment, words) if front or back else segment


def from_raw(raw: str) -> str:
    """SenseVoice's raw text, `<|en|><|HAPPY|><|Speech|><|withitn|>Fine.`, as text with emoji."""
    if "<|nospeech|><|Event_UNK|>" in raw:
        raw = raw.replace("<|nospeech|><|Event_UNK|>", NOTHING_HEARD)
    parts = list(_parts(raw))
    out = ""
    for index, (event, text, emotion) in enumerate(parts):
        out += event if index == 0 or parts[index - 1][0] != event else ""
        out += text
        out += emotion if index + 1 == len(parts) or parts[index + 1][2] != emotion else ""
    return out.strip()


def without_tags(raw: str) -> str:
    """The bare text."""
    return _TAG.sub("", raw).strip()


def to_raw(segment: Segment, *, itn: bool = True) -> str:
    """The segment as SenseVoice itself would have written it, for its HTTP interface."""
    emotion = (segment.emotion or "emo_unknown").upper()
    event = {"bgm": "BGM", None: "Speech"}.get(segment.event) or str(segment.event).capitalize()
    return f"<|{segment.language or 'auto'}|><|{emotion}|><|{event}|><|{'withitn' if itn else 'woitn'}|>{segment.text}"


def _parts(raw: str) -> Iterator[tuple[str, str, str]]:
    """(event, text, emotion), the two as emoji, for each part of one language."""
    tags: list[str] = []
    text = ""
    for index, piece in enumerate(_TAG.split(raw)):
        is_tag = index % 2 == 1
        if is_tag and piece in _LANGUAGES and (tags or text):
            yield _part(tags, text)
            tags, text = [], ""
        if is_tag:
            tags.append(piece.lower())
        else:
            text += piece
    yield _part(tags, text)


def _part(tags: list[str], text: str) -> tuple[str, str, str]:
    event = "".join(mark for mark, _ in groupby(EVENTS[tag] for tag in tags if tag in EVENTS))
    emotion = "".join(mark for mark, _ in groupby(EMOTIONS[tag] for tag in tags if tag in EMOTIONS))
    return event, text, emotion

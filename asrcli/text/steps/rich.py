"""SenseVoice's emotions and events as emoji (`--rich-text`), and as raw tags.

The event is put before the text, the emotion after it; of equal neighbours only one is shown. Tables and rule:
SenseVoice's own post-processing.
"""

from dataclasses import replace

from asrcli.text.steps.word_edits import with_words
from asrcli.transcript import Segment, Transcript

EMOTIONS = {"happy": "😊", "sad": "😔", "angry": "😡", "fearful": "😰", "disgusted": "🤢", "surprised": "😮"}
EVENTS = {"bgm": "🎼", "applause": "👏", "laughter": "😀", "cry": "😭", "sneeze": "🤧", "cough": "😷"}


def rich_text(transcript: Transcript) -> Transcript:
    """The transcript with emoji in the texts and in the first and last words of its segments; fields are unchanged."""
    segments = transcript.segments
    out = []
    for index, segment in enumerate(segments):
        event = segment.event if index == 0 or segments[index - 1].event != segment.event else None
        last = index + 1 == len(segments) or segments[index + 1].emotion != segment.emotion
        emotion = segment.emotion if last else None
        out.append(_with_emoji(segment, EVENTS.get(event or "", ""), EMOTIONS.get(emotion or "", "")))
    return replace(transcript, segments=tuple(out))


def _with_emoji(segment: Segment, front: str, back: str) -> Segment:
    if not segment.words:
        return replace(segment, text=front + segment.text + back)
    words = list(segment.words)
    words[0] = replace(words[0], text=front + words[0].text)
    words[-1] = replace(words[-1], text=words[-1].text + back)
    return with_words(segment, words) if front or back else segment


def to_raw(segment: Segment, *, itn: bool = True) -> str:
    """The segment as SenseVoice itself would have written it, for its HTTP interface."""
    emotion = (segment.emotion or "emo_unknown").upper()
    event = {"bgm": "BGM", None: "Speech"}.get(segment.event) or str(segment.event).capitalize()
    return f"<|{segment.language or 'auto'}|><|{emotion}|><|{event}|><|{'withitn' if itn else 'woitn'}|>{segment.text}"

"""Known speakers of a request, from its clips (`known_speaker_references[]`)."""

from collections import Counter
from pathlib import Path

from asrcli.audio import open_audio
from asrcli.audio.types import Source
from asrcli.errors import InputError
from asrcli.options import AudioOptions
from asrcli.server.errors import RequestError
from asrcli.speakers.diarizer import Diarizer, Voice

_FIELD = "known_speaker_references[]"
#: seconds of a clip that are used; OpenAI takes clips of 2 to 10 s
_LONGEST = 30.0


def voice_of(name: str, path: Path, diarizer: Diarizer) -> Voice:
    """The voice of the speaker who speaks most in a clip, by a fresh diarizer of the models that will look for the
    voice. Raises RequestError: the clip is not audio, or contains no speech.
    """
    try:
        with open_audio(Source(name, path, untrusted=True), AudioOptions(end=_LONGEST)) as stream:
            for block in stream.blocks():
                diarizer.push(block[:, 0])
    except InputError as error:
        raise RequestError(f"The clip of the known speaker {name!r}: {error.message}", param=_FIELD) from error
    spoken: Counter[str] = Counter()
    for turn in diarizer.finish():
        spoken[turn.speaker] += round(1000 * (turn.end - turn.start))
    if not spoken:
        raise RequestError(f"The clip of the known speaker {name!r} contains no speech.", param=_FIELD)
    return Voice(name, diarizer.voices[spoken.most_common(1)[0][0]])

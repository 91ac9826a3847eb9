"""`--embed-audio`: the sound of a recording inside a page."""

import io
from base64 import b64encode
from dataclasses import replace

from asrcli.audio.types import SAMPLE_RATE, Source
from asrcli.options import AudioOptions


def embed_audio(page: str, recording: Source, options: AudioOptions) -> str:
    """A page of the format html that holds the whole recording as mono at 16 kHz: the samples whose times the words
    have. Raises InputError: the recording cannot be read.
    """
    import soundfile

    from asrcli.audio import open_audio
    from asrcli.formats.html import with_audio

    # A libsndfile of the system may have been built without MP3.
    form, media = ("MP3", "audio/mpeg") if "MP3" in soundfile.available_formats() else ("FLAC", "audio/flac")
    whole = replace(options, start=0.0, end=None, channels="mix")
    data = io.BytesIO()
    with open_audio(recording, whole) as stream, soundfile.SoundFile(data, "w", SAMPLE_RATE, 1, format=form) as file:
        for block in stream.blocks():
            file.write(block.mean(axis=1))
    return with_audio(page, f"data:{media};base64,{b64encode(data.getvalue()).decode()}")

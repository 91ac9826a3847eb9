"""From a command's arguments to the frozen options of the house. Says what does not go together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace

from asrcli.cli.framework import option_types
from asrcli.cli.request.arguments import (
    AudioArguments,
    CueArguments,
    InputArguments,
    ModelArguments,
    SpeakerArguments,
    SpeechArguments,
    TextArguments,
)
from asrcli.errors import UsageError
from asrcli.options import (
    AudioOptions,
    CueOptions,
    IdentificationOptions,
    RawFormat,
    RecognitionOptions,
    SpeakerOptions,
    TextOptions,
    VadOptions,
)


def audio_options(inputs: InputArguments, audio: AudioArguments) -> AudioOptions:
    """Which part is heard.

    With `--raw`, a number in `--channels` tells how many channels the stream interleaves, as no header does; they are
    mixed. `--raw-channels` gives that number apart, and leaves `--channels` its usual meaning.

    Raises:
        UsageError: the end is not after the start, or options for raw PCM without `--raw`.
    """
    if audio.end is not None and audio.end <= audio.start:
        raise UsageError(f"--end ({audio.end:g} s) is not after --start ({audio.start:g} s).", "Swap or correct them.")
    channels = option_types.channels(audio.channels)
    raw = None
    if inputs.raw is not None:
        if audio.audio_track:
            raise UsageError("--audio-track makes no sense with --raw.", "Raw PCM has one track; leave it out.")
        count = inputs.raw_channels
        if count is None:
            count, channels = (channels, "mix") if isinstance(channels, int) else (1, channels)
        if count < 1:
            raise UsageError(
                "--raw needs at least one channel.", "With --raw, --channels N is how many are interleaved."
            )
        raw = RawFormat(encoding=inputs.raw, rate=inputs.rate, channels=count)
    elif inputs.raw_channels is not None or inputs.rate != RawFormat().rate:
        raise UsageError(
            "--rate and --raw-channels describe PCM without a header.",
            "Add --raw s16le or --raw f32le, or leave them out.",
        )
    if raw is not None and isinstance(channels, int) and channels >= raw.channels:
        raise UsageError(
            f"--channels {channels}: the raw input has channels 0 to {raw.channels - 1}.", "Choose one of these."
        )
    return AudioOptions(track=audio.audio_track, start=audio.start, end=audio.end, channels=channels, raw=raw)


def vad_options(speech: SpeechArguments) -> VadOptions:
    """How speech is found.

    Raises:
        UsageError: the end threshold is above the threshold.
    """
    if speech.vad_end_threshold is not None and speech.vad_end_threshold > speech.vad_threshold:
        raise UsageError(
            f"--vad-end-threshold ({speech.vad_end_threshold:g}) is above --vad-threshold ({speech.vad_threshold:g}).",
            "Speech ends below it, so it must be the lower one.",
        )
    return VadOptions(
        enabled=speech.vad,
        model=speech.vad_model,
        threshold=speech.vad_threshold,
        end_threshold=speech.vad_end_threshold,
        min_speech=speech.min_speech,
        min_silence=speech.min_silence,
        pad_before=speech.pad_before,
        pad_after=speech.pad_after,
        max_chunk=speech.max_chunk,
        max_gap=speech.max_gap,
    )


def recognition_options(model: ModelArguments) -> RecognitionOptions:
    """What is asked of the model."""
    return RecognitionOptions(
        language=model.language, hotwords=option_types.hotwords(model.hotwords), itn=model.itn, prompt=model.prompt
    )


def identification_options(model: ModelArguments) -> IdentificationOptions:
    """How the spoken language is found out."""
    return IdentificationOptions(
        enabled=model.language == "auto", model=model.language_id_model, per_chunk=model.language_per_chunk
    )


def speaker_options(speakers: SpeakerArguments, asked: Collection[str]) -> SpeakerOptions:
    """Whether and how speakers are told apart.

    Args:
        speakers: as parsed.
        asked: names of the options that some layer sets.

    Raises:
        UsageError: numbers of speakers without `--diarize`, or that contradict each other.
    """
    counts = {"speakers": "--speakers", "min_speakers": "--min-speakers", "max_speakers": "--max-speakers"}
    alone = [flag for name, flag in counts.items() if getattr(speakers, name) is not None]
    if alone and "diarize" not in asked:
        raise UsageError(f"{alone[0]} says how many speakers there are to tell apart.", "Add --diarize.")
    options = SpeakerOptions(
        enabled=speakers.diarize,
        segmentation_model=speakers.diarization_model,
        embedding_model=speakers.embedding_model,
        speakers=speakers.speakers,
        min_speakers=speakers.min_speakers,
        max_speakers=speakers.max_speakers,
        cluster_threshold=speakers.cluster_threshold,
    )
    if options.enabled:
        from asrcli.speakers.loading import check_options

        check_options(options)
    return options


def text_options(text: TextArguments, model: ModelArguments, asked: Collection[str]) -> TextOptions:
    """What is done to the text after recognition.

    Args:
        text: as parsed.
        model: as parsed; has the hotwords.
        asked: names of the options that some layer sets.

    Raises:
        UsageError: hotwords are to be corrected, but there are none.
    """
    if text.correct_hotwords and not model.hotwords:
        raise UsageError("--correct-hotwords has no hotwords to go by.", "Name them with --hotwords.")
    return TextOptions(
        punctuation=text.punctuation,
        punctuation_model=text.punctuation_model,
        itn=model.itn if "itn" in asked else None,
        corrections=option_types.hotwords(model.hotwords) if text.correct_hotwords else (),
        drop_fillers=text.drop_fillers,
        strip_marks=text.strip_marks,
        rich=text.rich_text,
    )


def cue_options(cues: CueArguments, asked: Collection[str]) -> CueOptions:
    """How subtitles are shaped: by the style, except where an option was set on its own.

    Args:
        cues: as parsed.
        asked: names of the options that some layer sets; the others have their defaults.

    Raises:
        UsageError: the shortest cue is longer than the longest.
    """
    from asrcli.text.subtitles.presets import PRESETS

    base = PRESETS[cues.subtitle_style] if cues.subtitle_style else CueOptions()
    own = {field.name: getattr(cues, field.name) for field in fields(CueOptions) if field.name in asked}
    options = replace(base, **own)
    if options.min_cue > options.max_cue:
        raise UsageError(
            f"--min-cue ({options.min_cue:g}) is above --max-cue ({options.max_cue:g}).", "Swap or correct them."
        )
    return options

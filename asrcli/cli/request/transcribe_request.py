"""What `asrcli transcribe` was asked for, in the terms of the batch: inputs, options, and the work on each input."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asrcli.batch.cache_key import CacheKey, fingerprint
from asrcli.batch.decision import Existing
from asrcli.batch.search import Inputs
from asrcli.batch.worker import Processing
from asrcli.cli.framework import option_types
from asrcli.cli.request import build_options
from asrcli.errors import UsageError
from asrcli.formats import FORMATS, Format, format_of
from asrcli.formats.stream_writer import STREAMED, StreamWriter
from asrcli.listener import Listener
from asrcli.options import CueOptions, TranscribeOptions

if TYPE_CHECKING:
    from asrcli.batch.plan import Item
    from asrcli.cli.commands.transcribe import TranscribeArguments
    from asrcli.model_set import ModelSet
    from asrcli.runtime import Runtime
    from asrcli.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeRequest:
    """One command line, understood."""

    inputs: Inputs
    formats: tuple[Format, ...]
    options: TranscribeOptions
    cues: CueOptions
    existing: Existing

    def recipe(self, models_digest: str) -> CacheKey:
        """What the results are made with; subtitles also with the cue rules.

        Args:
            models_digest: `Ensemble.digest`.
        """
        shaped = {form.extension: fingerprint(self.cues) for form in self.formats if form.shaped}
        return CacheKey(model=models_digest, options=fingerprint(self.options), formats=shaped)

    def work(self, engine: Callable[[], Runtime], ensemble: ModelSet) -> Processing:
        """What is done with each input.

        Args:
            engine: opens the engine when it is first asked; called by several threads.
            ensemble: the models that it loads.
        """
        by_extension = {form.extension: form for form in self.formats}

        def transcribe(item: Item, listener: Listener) -> Transcript:
            return engine().transcribe(item.source, ensemble.options, listener=listener)

        def stream_writer(extension: str) -> StreamWriter | None:
            form = by_extension[extension]
            # Speakers are known once the whole recording has been heard.
            whole = self.options.speakers.enabled or self.options.audio.channels == "split"
            return None if whole or form.name not in STREAMED else StreamWriter(form, self.cues)

        return Processing(
            transcribe=transcribe,
            render=lambda transcript, extension: by_extension[extension].render(transcript, self.cues),
            recipe=self.recipe(ensemble.digest),
            stream_writer=stream_writer,
            existing=self.existing,
        )


def parse_request(arguments: TranscribeArguments, asked: Collection[str]) -> TranscribeRequest:
    """Understand the arguments of `asrcli transcribe`.

    Args:
        arguments: as parsed.
        asked: names of the options that some layer sets. Without "format" the ending of `-o FILE` decides.

    Raises:
        UsageError: they do not go together.
    """
    if arguments.overwrite and arguments.skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other.", "Use one of them.")
    formats = tuple(FORMATS[name] for name in option_types.split_list(arguments.format))
    if arguments.output is not None and "format" not in asked:
        formats = (format_of(arguments.output) or FORMATS["txt"],)
    inputs = Inputs(
        paths=arguments.inputs or [],
        files_from=arguments.files_from,
        recursive=arguments.recursive,
        include=option_types.split_list(arguments.include),
        exclude=option_types.split_list(arguments.exclude),
        formats=[form.extension for form in formats],
        output=arguments.output,
        output_dir=arguments.output_dir,
        journal=arguments.journal,
    )
    options = TranscribeOptions(
        audio=build_options.audio_options(arguments, arguments),
        vad=build_options.vad_options(arguments),
        recognition=build_options.recognition_options(arguments),
        identification=build_options.identification_options(arguments),
        speakers=build_options.speaker_options(arguments, asked),
        text=build_options.text_options(arguments, arguments, asked),
    )
    existing = (
        Existing.OVERWRITE if arguments.overwrite else Existing.SKIP if arguments.skip_existing else Existing.JOURNAL
    )
    cues = build_options.cue_options(arguments, asked)
    return TranscribeRequest(inputs=inputs, formats=formats, options=options, cues=cues, existing=existing)

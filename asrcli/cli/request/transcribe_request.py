"""The request of `asrcli transcribe`: inputs, options, and the processing of each input."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from asrcli.batch.cache_key import CacheKey, fingerprint
from asrcli.batch.decision import Existing, SkipRule
from asrcli.batch.inputs.paths import printable
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.recording import Item
from asrcli.batch.results.processing import Processing
from asrcli.cli.request.arguments import TranscribeArguments, skip_rule
from asrcli.cli.request.conflicts import FLAG, Ranks, check_exclusive, check_model, settle
from asrcli.cli.request.embedded_audio import embed_audio
from asrcli.cli.request.output_name import name_template
from asrcli.cli.request.shard import find_shard
from asrcli.errors import LanguageNotSupportedError, SpokenLanguageError, UsageError
from asrcli.formats import FORMATS, Format, format_of
from asrcli.formats.stream_writer import StreamWriter
from asrcli.listener import Listener
from asrcli.options import CueOptions, Hotword, TranscribeOptions
from asrcli.options.readers import split_list
from asrcli.options.values import OptionConflictError, cue_options, transcribe_options
from asrcli.storage.places import output_place
from asrcli.transcript import Transcript

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec
    from asrcli.model_set import ModelSet
    from asrcli.runtime import Runtime

_LINE_END = re.compile("\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeRequest:
    """A parsed command line."""

    inputs: Inputs
    formats: tuple[Format, ...]
    options: TranscribeOptions
    cues: CueOptions
    existing: Existing
    skip_if: tuple[SkipRule, ...] = ()
    #: codes of warnings that fail an input
    fail_on: tuple[str, ...] = ()
    encoding: str = "utf-8"
    embed_audio: bool = False
    partial: bool = False
    #: line ends of the outputs
    newline: str = "\n"

    def text(self, text: str) -> str:
        """A format's text with the line ends that were asked for."""
        return text if self.newline == "\n" else _LINE_END.sub(self.newline, text)

    def recipe(self, models_digest: str) -> CacheKey:
        """What decides the results: `ModelSet.digest`, the options, and of formats with cues the layout."""
        shaped = {form.extension: fingerprint(self.cues) for form in self.formats if form.shaped}
        if self.embed_audio:
            shaped["html"] = "audio"
        # What counts as done without --fail-on may not count with it.
        written = [] if (self.encoding, self.newline) == ("utf-8", "\n") else [self.encoding, repr(self.newline)]
        options = "/".join([fingerprint(self.options), *sorted(self.fail_on), *written])
        return CacheKey(model=models_digest, options=options, formats=shaped)

    def work(self, engine: Callable[[], Runtime], ensemble: ModelSet) -> Processing:
        """The processing of each input; `engine`, called by several threads, opens the runtime on first use."""
        by_extension = {form.extension: form for form in self.formats}
        numbers = count(1)  # what was started first is decoded first

        def transcribe(item: Item, listener: Listener) -> Transcript:
            options = options_of(item, ensemble.spec, ensemble.options)
            return engine().transcribe(item.source, options, listener=listener, order=next(numbers))

        audio = self.options.audio
        split = audio.channels == "split" or audio.track == "all"

        def stream_writer(extension: str) -> StreamWriter | None:
            form = by_extension[extension]
            return None if split or not form.streamed else StreamWriter(form, self.cues)

        def render(item: Item, transcript: Transcript, extension: str) -> str | bytes:
            path = item.source.path
            if extension == "html" and path is not None and printable(path) == item.source.name:
                transcript = replace(transcript, source=os.fspath(path))  # for the link to a name that is not UTF-8
            # A stream of an earlier run, which was killed, may have other formats.
            form = by_extension.get(extension) or format_of(f"it.{extension}") or self.formats[0]
            contents = form.contents(transcript, self.cues)
            if isinstance(contents, bytes):
                return contents
            text = self.text(contents)
            if extension == "html" and self.encoding != "utf-8":
                from asrcli.formats.html import in_charset

                text = in_charset(text, self.encoding)
            if self.embed_audio and extension == "html" and path is not None:
                return embed_audio(text, item.source, options_of(item, ensemble.spec, self.options).audio)
            return text

        return Processing(
            transcribe=transcribe,
            render=render,
            recipe=self.recipe(ensemble.digest),
            stream_writer=stream_writer,
            # Where no text is awaited, speakers are those of the whole recording.
            live=not (split or self.options.speakers.enabled),
            partial=self.partial,
            existing=self.existing,
            skip_if=self.skip_if,
            fail_on=self.fail_on,
            encoding=self.encoding,
            fetch_networks=tuple(self.inputs.fetch_networks),
        )


def options_of(item: Item, spec: ModelSpec, options: TranscribeOptions) -> TranscribeOptions:
    """The run's options with those that a manifest sets for an input. Raises SpokenLanguageError: the model does not
    support its language.
    """
    if item.options is None:
        return options
    from asrcli.backends.checks import check_language

    try:
        if item.options.language is not None:
            check_language(spec, item.options.language)
    except LanguageNotSupportedError as error:
        raise SpokenLanguageError(f"{item.source.name}: {error.message}", error.hint) from error
    return item.options.applied(options)


def parse_request(
    arguments: TranscribeArguments, levels: Mapping[str, str]
) -> tuple[TranscribeArguments, TranscribeRequest]:
    """Check the arguments of `asrcli transcribe` against each other, as `settle`: returns those that count, and the
    request.
    """
    return settle(arguments, levels, _request)


def _request(arguments: TranscribeArguments, ranks: Ranks) -> TranscribeRequest:
    check_model(arguments.values)
    check_exclusive(arguments.values, ("overwrite", "skip_existing"), ("output", "output_dir"))
    formats = _formats(arguments, ranks)
    for form in formats:
        form.check_installed()
    if arguments.embed_audio and (FORMATS["html"] not in formats or "-" in arguments.inputs):
        raise OptionConflictError("--embed-audio needs --format html and files.", "Leave it out.", ("embed_audio",))
    options = transcribe_options(arguments.values, read_all_hotwords(arguments.values.get("hotwords", ())))
    inputs = Inputs(
        paths=arguments.inputs,
        files_from=arguments.files_from,
        manifest=arguments.manifest,
        recursive=arguments.recursive,
        include=arguments.include,
        exclude=arguments.exclude,
        formats=[form.extension for form in formats],
        formats_asked=ranks.get("format") == FLAG,
        output=None if arguments.output is None else os.fspath(output_place(arguments.output)),
        output_dir=arguments.output_dir and output_place(arguments.output_dir),
        name=name_template(arguments, options.recognition),
        journal=arguments.journal and output_place(arguments.journal),
        fetch_networks=arguments.fetch_networks,
        shard=find_shard(arguments.shard, os.environ),
    )
    existing = (
        Existing.OVERWRITE if arguments.overwrite else Existing.SKIP if arguments.skip_existing else Existing.JOURNAL
    )
    return TranscribeRequest(
        inputs=inputs,
        formats=formats,
        options=options,
        cues=cue_options(arguments.values),
        existing=existing,
        skip_if=tuple(map(skip_rule, split_list(arguments.skip_if))),
        fail_on=split_list(arguments.fail_on),
        encoding=arguments.encoding,
        embed_audio=arguments.embed_audio,
        partial=arguments.partial,
        newline={"lf": "\n", "crlf": "\r\n"}[arguments.newline],
    )


def _formats(arguments: TranscribeArguments, ranks: Ranks) -> tuple[Format, ...]:
    """`--format`; of one output, what its name ends in, unless a flag overrides it."""
    asked = tuple(FORMATS[name] for name in split_list(arguments.format))
    named_alike = {form.extension: form.name for form in asked}
    for form in asked:
        if named_alike[form.extension] != form.name:
            message = f"The formats {form.name} and {named_alike[form.extension]} have the same file name."
            raise UsageError(message, "Write them in two runs, with different --output-dir.")
    if arguments.output is None or ranks.get("format") == FLAG:
        return asked
    named = format_of(arguments.output)
    suffix = Path(arguments.output).suffix
    if named is None and suffix and "format" not in ranks:
        hint = f"Use one of {', '.join(FORMATS)}, or choose the format with --format."
        raise UsageError(f"-o {arguments.output}: '{suffix}' is not the suffix of a format.", hint)
    return (named or asked[0],)


def read_all_hotwords(texts: Iterable[str]) -> tuple[Hotword, ...]:
    """Hotwords of a repeatable option: each text in a form that `text.hotwords` reads, or @FILE. Raises UsageError: a
    file cannot be read, or a weight is not in 1..100.
    """
    from asrcli.text.steps.hotwords import parse_hotwords, read_hotwords

    found: dict[str, Hotword] = {}
    for text in texts:
        for hotword in read_hotwords(Path(text[1:])) if text.startswith("@") else parse_hotwords(text):
            found[hotword.text] = hotword
    return tuple(found.values())

"""What a batch does with each input, up to the contents of its outputs."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import Decision, Existing, SkipRule
from asrcli.batch.events import FileDownload
from asrcli.batch.inputs.addresses import downloaded
from asrcli.batch.progress_listener import ProgressListener
from asrcli.batch.recording import Item, Recording, check_unchanged, hash_file, stamp_of
from asrcli.batch.results import ItemResult, LocalResult, ResultFacts
from asrcli.errors import InputChangedError
from asrcli.formats import encoding_of
from asrcli.formats.stream_writer import StreamWriter
from asrcli.listener import Listener
from asrcli.storage.places import is_stored
from asrcli.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """What a batch does with each input.

    Attributes:
        transcribe: an input and a listener in, a transcript out. Called by several threads at once. An exception fails
            that input.
        render: an input as it was transcribed, its transcript and a format in, the file's contents out.
        recipe: what the results are made with, for the journal.
        stream_writer: a format in, the writer that puts a stream's text out as it is spoken; None: at its end.
        live: whether the text of a stream is recognised as it is spoken, also where it goes to files.
        partial: whether the growing sentence of a live stream is reported.
        existing: what happens to outputs that exist.
        skip_if: recordings that are skipped.
        fail_on: codes of warnings that fail an input. Its outputs are written, but do not count as done.
        encoding: of the outputs.
        fetch_networks: private networks that recordings may be fetched from.
        on_done: runs a command on a finished input; an error fails the input, and the command is due in the next run.
        remote: does what `produce` does, on another machine.
        hash_file: the hash of a recording, as `recording.hash_file`.
    """

    transcribe: Callable[[Item, Listener], Transcript]
    render: Callable[[Item, Transcript, str], str | bytes]
    recipe: CacheKey
    stream_writer: Callable[[str], StreamWriter | None] = lambda _suffix: None
    live: bool = False
    partial: bool = False
    existing: Existing = Existing.JOURNAL
    skip_if: tuple[SkipRule, ...] = ()
    fail_on: tuple[str, ...] = ()
    encoding: str = "utf-8"
    fetch_networks: tuple[str, ...] = ()
    on_done: Callable[[Item, Callable[[], bool]], None] | None = None
    remote: Callable[[Item, Decision, ProgressListener], ItemResult] | None = None
    hash_file: Callable[[Path], str] = hash_file


def produce(
    work: Processing, item: Item, recording: Recording | None, formats: Collection[str], listener: ProgressListener
) -> LocalResult:
    """Transcribe an input and render its outputs; `recording`: its hash, None where nothing is recorded of it."""
    place = item.source.path
    if place is not None and is_stored(place):
        with _downloaded(item, recording, listener) as local:
            return produce(work, local, None, formats, listener)
    before = stamp_of(item)
    transcript = work.transcribe(item, listener)
    check_unchanged(item, recording, before)
    text: str | bytes | None = None
    if listener.writer is not None and listener.streamed:
        text = listener.writer.finish(transcript.duration)
    elif item.stdout is not None:
        text = work.render(item, transcript, item.stdout)
    result = rendered(work, item, transcript, formats, text)
    result.facts = replace(result.facts, segments=result.facts.segments + listener.streamed)
    return result


@contextmanager
def _downloaded(item: Item, recording: Recording | None, listener: ProgressListener) -> Iterator[Item]:
    """An input in a store as a temporary file. Raises InputChangedError: it is not `recording` any more."""
    assert item.source.path is not None

    def progress(done: int, total: int | None) -> None:
        listener.post(FileDownload(item.index, item.source.name, done, total))

    with downloaded(item.source.path, listener.cancelled, progress) as (path, version):
        if recording is not None and version != recording.version:
            raise InputChangedError(f"{item.source.name} changed since it was found.", "Run it again.")
        yield replace(item, source=replace(item.source, path=path, untrusted=True))


def rendered(
    work: Processing, item: Item, transcript: Transcript, formats: Collection[str], text: str | bytes | None = None
) -> LocalResult:
    """A transcript as the contents of its outputs; `text`: what goes to stdout."""
    files = {suffix: work.render(item, transcript, suffix) for suffix in formats}
    # File names with bytes that are no UTF-8 may have found their way into the text.
    contents = {
        suffix: data if isinstance(data, bytes) else data.encode(encoding_of(suffix, work.encoding), "replace")
        for suffix, data in files.items()
    }
    return LocalResult(ResultFacts.of(transcript, text), contents)

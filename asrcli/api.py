"""The Python API."""

import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from asrcli.audio.types import Source
from asrcli.errors import InputError, InputUnreadableError, UsageError, WarningsError
from asrcli.model_set import choose
from asrcli.models.registry import Registry
from asrcli.options import TranscribeOptions
from asrcli.runtime import Runtime
from asrcli.storage.places import is_uri
from asrcli.transcript import Transcript, failing_warnings, read_warning_codes


def transcribe(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    options: TranscribeOptions | None = None,
    model_dir: Path | None = None,
    jobs: int | None = None,
    fail_on: str | Collection[str] = (),
) -> Transcript:
    """Transcribe one recording.

    Each call starts an engine process and loads the model; for many recordings open a `runtime.Runtime` and call its
    `transcribe`.

    Args:
        path: an audio or video file.
        model: a registry name or a model's folder; None: the default, as on the command line.
        options: what to do; the command line's defaults where None.
        model_dir: where models are kept; None: the user's data folder.
        jobs: decoding threads; None: one a core.
        fail_on: codes of warnings (`transcript.WARNING_CODES`) that are an error.

    Raises:
        InputError: the file holds no audio that can be decoded.
        ModelError: a model is unknown or not installed (`asrcli download-model NAME` gets it).
        UsageError: the model cannot do what `options` ask, or `fail_on` has an unknown code.
        WarningsError: the transcript has warnings of a code in `fail_on`.
        MissingExtraError: a package that `options` ask for is not installed.
    """
    options = options or TranscribeOptions()
    try:
        codes = read_warning_codes(fail_on)
    except ValueError as error:
        raise UsageError(f"fail_on: {error}.") from error
    registry = Registry(model_dir)
    spec = registry.resolve(model, language=options.recognition.language)
    ensemble = choose(spec, options, registry, lambda name, kind: registry.resolve(name, kind=kind))
    name = os.fspath(path)
    check_recording(name)
    with Runtime(ensemble, jobs=jobs) as runtime:
        transcript = transcribe_file(runtime, name)
    transcript = replace(transcript, warnings=(*ensemble.notices, *transcript.warnings))
    if failing := failing_warnings(transcript.warnings, codes):
        raise WarningsError(f"{name}: {'; '.join(failing)}.")
    return transcript


def check_recording(name: str) -> None:
    """Raises InputUnreadableError: stdin, a folder or an address, where one file of this machine is needed."""
    if Path(name).is_dir():
        raise InputUnreadableError(f"{name} is a folder.", "Name one recording.")
    if os.path.lexists(name):
        return
    if name == "-":
        raise InputUnreadableError("stdin cannot be read here.", "Name a file, or use: asrcli transcribe -")
    if is_uri(name):
        address = re.sub(":/*", "://", name, count=1)
        hint = "Download it first; the command asrcli transcribe also takes addresses."
        raise InputUnreadableError(f"{address} is not a file on this machine.", hint)


def transcribe_file(runtime: Runtime, name: str) -> Transcript:
    """Transcribe one file with a message that names it, as a batch does. Raises InputError: it has no audio."""
    try:
        return runtime.transcribe(Source(name=name, path=Path(name)))
    except InputError as error:
        if name in error.message:
            raise
        raise type(error)(f"{name}: {error.message}", error.hint) from error


def align(
    path: str | os.PathLike[str],
    text: str,
    *,
    model: str | None = None,
    options: TranscribeOptions | None = None,
    model_dir: Path | None = None,
    jobs: int | None = None,
) -> Transcript:
    """Place a given text on the times of a recording: a segment for each line that is not empty, each word with
    `alignment` "matched" (recognised) or "interpolated" (placed between words that were).

    Args:
        path: an audio or video file.
        text: what is spoken; a few words may be wrong or missing.
        model: as for `transcribe`.
        options: as for `transcribe`.
        model_dir: as for `transcribe`.
        jobs: as for `transcribe`.

    Raises:
        InputError: as `transcribe`; or the text has no words, or none of them was recognised.
        ModelError, UsageError, MissingExtraError: as `transcribe`.
    """
    from asrcli.alignment.placing import align_lines

    lines = [line.strip() for line in text.splitlines() if line.strip()]
    recognised = transcribe(path, model=model, options=options, model_dir=model_dir, jobs=jobs)
    return align_lines(recognised, lines, options.audio.start if options else 0.0)

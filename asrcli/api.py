"""The Python API."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from asrcli.audio.types import Source
from asrcli.errors import InputError, WarningsError
from asrcli.model_set import choose
from asrcli.models.registry import Registry
from asrcli.options import TranscribeOptions
from asrcli.runtime import Runtime
from asrcli.transcript import Transcript, failing_warnings


def transcribe(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    options: TranscribeOptions | None = None,
    model_dir: Path | None = None,
    jobs: int | None = None,
    fail_on: Collection[str] = (),
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
        UsageError: the model cannot do what `options` ask.
        WarningsError: the transcript has warnings of a code in `fail_on`.
        MissingExtraError: a package that `options` ask for is not installed.
    """
    options = options or TranscribeOptions()
    registry = Registry(model_dir)
    spec = registry.resolve(model, language=options.recognition.language)
    ensemble = choose(spec, options, registry, lambda name, kind: registry.resolve(name, kind=kind))
    name = os.fspath(path)
    with Runtime(ensemble, jobs=jobs) as runtime:
        try:
            transcript = runtime.transcribe(Source(name=name, path=Path(path)))
        except InputError as error:  # a batch names the input itself
            if name in error.message:
                raise
            raise type(error)(f"{name}: {error.message}", error.hint) from error
    if failing := failing_warnings(transcript.warnings, fail_on):
        raise WarningsError(f"{name}: {'; '.join(failing)}.")
    return transcript

"""Language detection before recognition, for models that need the language to be named."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import EngineClosedError, EngineError, SpokenLanguageError
from asrcli.vad.types import Chunk

#: (samples,) at 16 kHz -> ISO code of what is spoken
Identify = Callable[[Samples], "Future[str]"]

#: seconds of speech for the language of a recording: as much as Whisper reads at once
_SPEECH = 30.0
#: seconds of speech for the language of a chunk; less is unreliable
_LEAST = 2.0


class LanguageDetector:
    """Holds chunks until their language is known. One for each channel of an input."""

    def __init__(self, identify: Identify, languages: Collection[str] = (), *, per_chunk: bool = False) -> None:
        """`identify` is the language service, `languages` those of the recogniser (empty: any); `per_chunk` detects the
        language of each chunk rather than of the whole.
        """
        self._identify = identify
        self._languages = languages
        self._per_chunk = per_chunk
        self._language: str | None = None
        self._held: list[Chunk] = []
        #: with which the service failed last
        self._error: EngineError | None = None

    def push(self, chunks: Sequence[Chunk]) -> list[tuple[Chunk, str]]:
        """Take the next chunks; those whose language is known by now come back with it, in order. Raises
        SpokenLanguageError: the recogniser does not support the language; EngineError: the service failed at every
        chunk.
        """
        out: list[tuple[Chunk, str]] = []
        for chunk in chunks:
            self._held.append(chunk)
            if self._per_chunk and _seconds([chunk]) >= _LEAST:
                # A chunk in an unsupported language, or at which the service fails, takes that of the chunk before it.
                self._language = self._supported(self._ask([chunk])) or self._language
            if self._language is None and _seconds(self._held) >= _SPEECH:
                self._decide()
            out += self._release()
        return out

    def finish(self) -> list[tuple[Chunk, str]]:
        """The input has ended: what is still held, with its language. Raises SpokenLanguageError or EngineError: as
        `push`.
        """
        if self._held:
            self._decide()
        return self._release()

    def _decide(self) -> None:
        # The service may fail at all together because it fails at one.
        parts = (self._held, *([chunk] for chunk in self._held))
        found = next((language for part in parts if (language := self._ask(part))), None)
        if found is None:
            assert self._error is not None
            raise self._error
        self._language = self._supported(found)
        if self._language is None:
            raise SpokenLanguageError(
                f"The spoken language seems to be {found!r}, which the model does not support.",
                f"It supports: {', '.join(self._languages)}. Choose another --model, or name the --language.",
            )

    def _supported(self, language: str | None) -> str | None:
        return language if not self._languages or language in self._languages else None

    def _ask(self, chunks: Sequence[Chunk]) -> str | None:
        """What is spoken in chunks; None where the service fails at them."""
        samples = np.concatenate([chunk.samples for chunk in chunks])
        try:
            return self._identify(samples[: round(_SPEECH * SAMPLE_RATE)]).result()
        except EngineClosedError:
            raise
        except EngineError as error:
            self._error = error
            return None

    def _release(self) -> list[tuple[Chunk, str]]:
        if self._language is None:
            return []
        known = [(chunk, self._language) for chunk in self._held]
        self._held.clear()
        return known


def _seconds(chunks: Sequence[Chunk]) -> float:
    return sum(len(chunk.samples) for chunk in chunks) / SAMPLE_RATE

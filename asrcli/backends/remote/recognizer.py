"""A recogniser on another machine: each chunk is one request, as many at once as there are jobs.

Speech is found and cut on this machine, so silence is not sent, times are those of the recording, and an interrupted
batch resumes. Nothing of this is loaded unless a server is named.
"""

import heapq
import io
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import SpeechModel
from asrcli.backends.process.synchronization import OrderedCondition
from asrcli.backends.remote.check import DEFAULT_MODEL, secret_of
from asrcli.backends.types import Growing, Hypothesis, ModelSpec
from asrcli.errors import AsrcliError, EngineClosedError, EngineError, RemoteUnavailableError
from asrcli.options import Hotword, RecognitionOptions
from asrcli.storage.http import RetryPolicy

#: concurrent requests by default: a server has other clients
DEFAULT_JOBS = 4
#: shorter chunks are padded with silence: OpenAI refuses what is shorter than 0.1 s
_SHORTEST = SAMPLE_RATE // 2


@dataclass(slots=True, order=True)
class _RemoteTask:
    order: int
    number: int
    samples: Samples = field(compare=False)
    request: RecognitionOptions = field(compare=False)
    future: Future[Hypothesis] = field(default_factory=Future, compare=False)


class RemoteRecognizer(SpeechModel):
    """A `pipeline.SpeechBackend` on a server. Thread-safe; a context manager."""

    def __init__(self, spec: ModelSpec, jobs: int | None = None) -> None:
        """`spec` is of type `remote.TYPE`; `jobs`: concurrent requests. Nothing is sent before the first chunk. Raises
        UsageError: the key cannot be read.
        """
        from asrcli.backends.remote.client import RemoteClient

        self.spec = spec
        self.jobs = jobs or DEFAULT_JOBS
        policy = RetryPolicy(read=float(spec.options.get("timeout", RetryPolicy().read)))
        model = str(spec.options["model"]) if spec.options.get("model") else None
        translate = spec.options.get("task") == "translate"
        self._client = RemoteClient(
            spec.options["url"], model, secret=secret_of(spec), policy=policy, translate=translate
        )
        self._audio = str(spec.options.get("audio", "auto"))
        self._changed = OrderedCondition()
        self._numbers = count()
        #: chunks to be sent, a heap: enough that no thread is idle
        self._waiting: list[_RemoteTask] = []
        #: chunks that are being recognised
        self._running: list[_RemoteTask] = []
        self._closed = False
        for number in range(self.jobs):
            # Daemons: an interrupted run does not wait for a server that is slow to answer.
            threading.Thread(target=self._work, name=f"remote-{number}", daemon=True).start()

    @property
    def backend(self) -> str:
        return "remote"

    @property
    def notices(self) -> tuple[str, ...]:
        model = self._client.replaced
        return () if model is None else (f"the server has no model {DEFAULT_MODEL!r}: {model!r} was used (--model)",)

    def submit(
        self, samples: Samples, request: RecognitionOptions, *, order: int = 0, growing: Growing = None
    ) -> Future[Hypothesis]:
        """Hand over one chunk, (samples,) at 16 kHz; waits while enough is under way. A lower `order` goes first.
        Servers report nothing before the whole text. Raises EngineError: it is closed.
        """
        del growing
        with self._changed:
            self._changed.wait_for_turn(self._has_room, order)
            task = _RemoteTask(order, next(self._numbers), np.array(samples, dtype=np.float32), request)
            heapq.heappush(self._waiting, task)
            self._changed.notify_all()
        return task.future

    def _has_room(self) -> bool:
        if self._closed:
            raise _closed()
        return len(self._waiting) < self.jobs

    def close(self) -> None:
        """End the connections; unanswered futures fail with `EngineError`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._client.close()
        self._abandon(_closed())
        # A thread that waits for a reply does not notice the end of its connection.
        for task in tuple(self._running):
            self._answer(task, _closed())

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                result: Hypothesis | Exception = self._recognise(task)
            except AsrcliError as error:
                result = error
                if isinstance(error, RemoteUnavailableError):
                    self._abandon(error)  # the others would meet the same, each after its own attempts
            except Exception as error:  # noqa: BLE001 - the caller waits for a result
                result = EngineError(f"{type(error).__name__}: {error}")
            self._answer(task, result)

    def _next(self) -> _RemoteTask | None:
        """The next chunk to be sent; None once the recogniser is closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return None
                task = heapq.heappop(self._waiting)
                self._changed.notify_all()
                if task.future.set_running_or_notify_cancel():
                    self._running.append(task)
                    return task

    def _answer(self, task: _RemoteTask, result: Hypothesis | Exception) -> None:
        """Set the result of a running task, once."""
        with self._changed:
            if task not in self._running:
                return
            self._running.remove(task)
        if isinstance(result, Exception):
            task.future.set_exception(result)
        else:
            task.future.set_result(result)

    def _abandon(self, error: AsrcliError) -> None:
        """Fail what waits to be sent."""
        with self._changed:
            abandoned, self._waiting = self._waiting, []
            self._changed.notify_all()
        for task in abandoned:
            if task.future.set_running_or_notify_cancel():
                task.future.set_exception(error)

    def _recognise(self, task: _RemoteTask) -> Hypothesis:
        if not len(task.samples):
            return Hypothesis("")
        from asrcli.backends.remote.attempts import EncodedChunk

        seconds = len(task.samples) / SAMPLE_RATE

        def encoded(form: str) -> EncodedChunk:
            return EncodedChunk(data=encode(task.samples, form), form=form, seconds=seconds)

        form = self._client.form or "flac" if self._audio == "auto" else self._audio
        chunk = encoded(form)
        if self._audio == "auto" and form == "flac":
            chunk = replace(chunk, as_wav=lambda: encoded("wav"))
        fields, extras = form_fields(task.request)
        hypothesis = self._client.recognise(chunk, fields, extras)
        language = task.request.language if task.request.language not in {None, "auto"} else None
        return hypothesis if hypothesis.language else replace(hypothesis, language=language)


def _closed() -> EngineClosedError:
    return EngineClosedError("The connection to the server was closed.")


def encode(samples: Samples, form: str) -> bytes:
    """A chunk, (samples,) at 16 kHz, as a file of 16 bits a sample: "flac" (about half the bytes) or "wav"."""
    import soundfile

    padded = np.zeros(max(len(samples), _SHORTEST), np.float32)
    padded[: len(samples)] = np.clip(np.nan_to_num(samples), -1.0, 1.0)
    file = io.BytesIO()
    soundfile.write(file, padded, SAMPLE_RATE, format=form.upper(), subtype="PCM_16")
    return file.getvalue()


def form_fields(request: RecognitionOptions) -> tuple[dict[str, str], dict[str, str]]:
    """A request in the form's words: OpenAI's fields, and those that other servers have added."""
    phrases = [hotword.text for hotword in request.hotwords]
    prompt = " ".join(filter(None, [request.prompt, ", ".join(phrases)]))
    fields = {"prompt": prompt} if prompt else {}
    if request.language not in {None, "", "auto"} and not request.target:
        fields["language"] = str(request.language)
    extras: dict[str, Any] = {"vad_filter": "false"}  # what is sent is speech already
    if phrases:
        extras["hotwords"] = ", ".join(map(_written, request.hotwords))
    return fields, extras


def _written(hotword: Hotword) -> str:
    """With its weight only if one was given: other servers read the number as a word."""
    plain = hotword.weight == Hotword(text="").weight and ":" not in hotword.text
    return hotword.text if plain else f"{hotword.text}:{hotword.weight:g}"

"""vLLM's engine, driven by a thread of its own. Runs in the engine process.

vLLM schedules requests as they come: a request joins those that are decoded at the next step, and is answered at the
step at which it is complete, whatever else is decoded. `LLM.generate` would return at the last of a batch.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asrcli.backends.process.batches import engine_error
from asrcli.errors import EngineClosedError


@dataclass(frozen=True, slots=True)
class Output:
    """The text that was written for a request."""

    text: str
    tokens: tuple[int, ...]
    #: it has as many tokens as allowed, or as there is room for
    limit: bool


#: takes the output of a request, or the exception with which it failed
TakeOutput = Callable[[Output | Exception], None]


@dataclass(frozen=True, slots=True)
class _EngineRequest:
    prompt: Any
    parameters: Mapping[str, Any]
    priority: int
    answer: TakeOutput
    growing: TakeOutput | None


class VllmEngine:
    """An engine of vLLM (`LLM.llm_engine`) that no one else uses. Thread-safe. Answers come from its thread."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._changed = threading.Condition()
        self._new: dict[str, _EngineRequest] = {}
        self._aborted: set[str] = set()
        self._running: dict[str, _EngineRequest] = {}
        self._closed = False
        threading.Thread(target=self._loop, name="vllm", daemon=True).start()

    def submit(
        self,
        key: str,
        prompt: Any,
        parameters: Mapping[str, Any],
        answer: TakeOutput,
        *,
        priority: int = 0,
        growing: TakeOutput | None = None,
    ) -> None:
        """Decode a prompt of vLLM's with `SamplingParams(**parameters)`, greedily; `growing` gets the output so far at
        each step. Lower `priority` goes first. No other request has the same key until it is answered.
        """
        with self._changed:
            self._new[key] = _EngineRequest(prompt, parameters, priority, answer, growing)
            self._changed.notify()

    def abort(self, key: str) -> None:
        """End a request: it fails with EngineClosedError, unless it is answered already."""
        with self._changed:
            self._aborted.add(key)
            self._changed.notify()

    def close(self) -> None:
        """End the thread, and free the memory, once all requests are answered."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while self._take():
            if self._running:
                self._step()
        self._shut_down()

    def _take(self) -> bool:
        """Add new requests, and end those that are not wanted any more; waits while there is nothing to do. False: it
        is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._new or self._aborted or self._running or self._closed)
            new, self._new = self._new, {}
            aborted, self._aborted = self._aborted, set()
            closed = self._closed
        for key, request in new.items():
            self._add(key, request)
        ended = [key for key in aborted if key in self._running]
        if ended:
            self._engine.abort_request(ended)
        for key in ended:
            self._running.pop(key).answer(EngineClosedError("cancelled"))
        return bool(self._running or self._new or not closed)

    def _add(self, key: str, request: _EngineRequest) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        kind = RequestOutputKind.CUMULATIVE if request.growing else RequestOutputKind.FINAL_ONLY
        try:
            parameters = SamplingParams(temperature=0.0, output_kind=kind, **request.parameters)
            self._engine.add_request(key, request.prompt, parameters, priority=request.priority)
        except Exception as error:  # noqa: BLE001 - the model's own, of whatever kind: of this request alone
            request.answer(engine_error(f"vLLM refused a chunk: {type(error).__name__}: {error}", error))
            return
        self._running[key] = request

    def _step(self) -> None:
        try:
            outputs = self._engine.step()
        except BaseException:  # noqa: BLE001 - the engine cannot be used any more, nor be stopped
            # The client starts another process and tries the requests one by one, as after any crash.
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        for output in outputs:
            request = self._running.get(output.request_id)
            if request is None:
                continue
            found = Output(
                output.outputs[0].text, tuple(output.outputs[0].token_ids), output.outputs[0].finish_reason == "length"
            )
            if output.finished:
                del self._running[output.request_id]
                request.answer(found)
            elif request.growing is not None:
                request.growing(found)

    def _shut_down(self) -> None:
        import gc

        import torch

        self._engine.engine_core.shutdown()
        del self._engine
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

"""Recognition with FunASR's toolkit, for every type in `model_types.FUNASR_TYPES`. Runs in the engine process.

The toolkit's `AutoModel` reads the folder; chunks are given to the model's `inference`, because `AutoModel.generate`
keeps the settings of each call in one dictionary, which threads would share.

Nothing here uses the network: hubs are set offline before they are imported (`toolkit`), models are folders, and code
in a model's folder is never run (`trust_remote_code`).
"""

import contextlib
import copy
import locale
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request
from asrcli.backends.device import torch_device
from asrcli.backends.funasr.check import folder_of, funasr_type
from asrcli.backends.funasr.importing import import_toolkit
from asrcli.backends.funasr.model_types import UNTIMED_CLASSES
from asrcli.backends.funasr.nano_vllm import NanoOnVllm
from asrcli.backends.funasr.requests import arguments_of, hypothesis_of
from asrcli.backends.process.batches import (
    Answer,
    decode_by_request,
    decode_in_halves,
    first_line,
    padded,
    split_batches,
)
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer, SchedulingService
from asrcli.backends.vllm.options import not_started, prepare_process, uses_vllm
from asrcli.distribution import pip_install
from asrcli.errors import EngineError, MissingExtraError, ModelError
from asrcli.options import RecognitionOptions

#: shorter chunks are padded with silence: the encoders need a few frames
_SHORTEST = SAMPLE_RATE // 2
#: share of a model's tensors that its weights file must hold; less belongs to another model
_LEAST_LOADED = 0.5
#: An answer of this part of the most tokens is taken for cut short: encoding the text may give a few less than were
#: written.
_FULL = 0.95


def load(spec: ModelSpec, threads: int) -> Recognizer | SchedulingService:
    """Load a model for `threads` concurrent calls of `run`, on torch with a notice where vLLM does not start. Raises
    ModelError: the folder holds no such model, or one that does not fit its weights; MissingExtraError: funasr, torch
    or something they need is not installed; MachineError: the device that the entry names is not here.
    """
    check_model(spec)
    if not uses_vllm(spec):
        return FunasrRecognizer(spec, threads)
    spec = prepare_process(spec)
    try:
        return NanoOnVllm(spec)
    except (ModelError, MissingExtraError) as error:
        on_torch = FunasrRecognizer(replace(spec, options={**spec.options, "engine": "torch"}), threads)
        on_torch.notices = (not_started(spec, error),)
        return on_torch


class FunasrRecognizer:
    """A model of the toolkit's, on torch."""

    #: what the user should know of how it was loaded
    notices: tuple[str, ...] = ()

    def __init__(self, spec: ModelSpec, threads: int) -> None:
        self._spec = spec
        self._type = funasr_type(spec)
        torch, auto_model = import_toolkit()
        self._torch = torch
        self._device = torch_device(spec, torch)
        self._timed = folder_of(spec).class_name not in UNTIMED_CLASSES
        auto = self._build(auto_model, threads)
        self._module: Any = auto.model
        #: the folder's configuration, tokenizer and front end, as every call needs them
        self._settings: dict[str, Any] = auto.kwargs
        self.batch_size = self._batch_size()
        if spec.type == "funasr_fun_asr_nano":
            _drop_aligner(self._module)

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]:
        """Decode jobs; one that fails has its error in its place, the others their hypotheses."""

        def decode(group: list[int], request: RecognitionOptions) -> Iterator[Answer]:
            for batch in split_batches(group, [len(job.samples) for job in jobs], bounded=self._device == "cpu"):
                yield from zip(batch, self._decode([jobs[index].samples for index in batch], request), strict=True)

        return decode_by_request(jobs, partial(check_request, self._spec), decode)

    # -- loading -----------------------------------------------------------------------------------------------------

    def _build(self, auto_model: Any, threads: int) -> Any:
        spec = self._spec
        # One internal thread for each decoding thread; a single decoding thread may use all cores.
        own = spec.options.get("num_threads") or (1 if threads > 1 else os.cpu_count() or 1)
        precision = {name: bool(spec.options[name]) for name in ("fp16", "bf16") if name in spec.options}
        try:
            auto = auto_model(
                model=str(spec.files["config"].parent),
                init_param=str(spec.files["model"]),
                device=self._device,
                ncpu=own,
                disable_update=True,
                disable_pbar=True,
                disable_log=True,
                log_level="ERROR",
                trust_remote_code=False,
                **precision,
            )
            loaded = _share_loaded(self._torch, auto.model, spec)
        except ImportError as error:
            raise MissingExtraError(
                f"{spec.name} needs a package that is not installed: {error}.", pip_install("funasr")
            ) from error
        except Exception as error:
            raise ModelError(
                f"FunASR cannot load {spec.name}: {first_line(error)}", f"Is it a whole model of type {spec.type}?"
            ) from error
        if loaded < _LEAST_LOADED:
            raise ModelError(
                f"{spec.files['model']} has only {loaded:.0%} of the weights that {spec.files['config']} describes.",
                "It belongs to another model: check `dir:` and `files:`, or download the model again.",
            )
        return auto

    def _batch_size(self) -> int:
        if not self._type.batches:
            return 1
        # In a batch chunks are padded to the longest, and sums round differently: only where the entry asks for it.
        return int(self._spec.options.get("batch_size", 1))

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _decode(self, samples: Sequence[Samples], request: RecognitionOptions) -> list[Hypothesis | Exception]:
        asked = arguments_of(self._spec, request)

        def decode(chunks: Sequence[Samples]) -> Sequence[Hypothesis]:
            # The toolkit cannot answer for no samples.
            heard = [chunk for chunk in chunks if len(chunk)]
            found = self._infer(heard, asked) if heard else []
            # For chunks without speech it returns fewer results, or one for all.
            if len(heard) != len(found) and len(chunks) > 1:
                raise EngineError(f"{len(found)} results for {len(heard)} chunks")
            answers = iter(found or [{}])
            return [self._read(next(answers), chunk, request) if len(chunk) else Hypothesis("") for chunk in chunks]

        return decode_in_halves(self, samples, decode, "FunASR", (Exception,))

    def _infer(self, samples: Sequence[Samples], asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The model's own results, in order."""
        torch = self._torch
        # A model keeps a request's hotwords in an attribute: each call uses a shallow copy, which shares the weights.
        module = copy.copy(self._module)
        keys = [str(index) for index in range(len(samples))]
        sounds = [torch.from_numpy(padded(chunk, _SHORTEST)) for chunk in samples]
        with torch.inference_mode(), hotwords_file(asked.get("hotword")) as hotword:
            answer = module.inference(data_in=sounds, key=keys, **{**self._settings, **asked, **hotword})
        return list(answer[0]) if answer else []

    def _read(self, result: dict[str, Any], samples: Samples, request: RecognitionOptions) -> Hypothesis:
        hypothesis = hypothesis_of(self._spec, result, len(samples) / SAMPLE_RATE, request)
        hypothesis = replace(hypothesis, limit=self._is_full(hypothesis.text))
        return hypothesis if self._timed else replace(hypothesis, tokens=())

    def _is_full(self, text: str) -> bool:
        """Whether an answer has about as many tokens as the language model may write; it does not report its limit."""
        if self._type.most_tokens is None:
            return False
        limit = int(self._spec.options.get("max_length", self._type.most_tokens))
        return len(self._settings["tokenizer"].encode(text)) >= _FULL * limit


@contextlib.contextmanager
def hotwords_file(phrases: Sequence[str] | None) -> Iterator[dict[str, str]]:
    """SeACo-Paraformer's argument for phrases: a file with one phrase a line.

    As text it would be split at spaces, and a word like "http..." or "x.txt" would be fetched or read. The toolkit
    reads the file in the locale's encoding.
    """
    if not phrases:
        yield {}
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding=locale.getpreferredencoding(False)) as file:
        file.write("\n".join(phrases))
        file.flush()
        yield {"hotword": file.name}


def _share_loaded(torch: Any, module: Any, spec: ModelSpec) -> float:
    """Share of the model's tensors that the file holds in the right shape. Reads only the index."""
    path = spec.files["model"]
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except RuntimeError:  # files from before torch 1.6 cannot be mapped
        state = torch.load(path, map_location="cpu", weights_only=True)
    for name in ("state_dict", "model_state_dict", "model"):
        state = state[name] if isinstance(state, dict) and name in state else state
    wanted = module.state_dict()
    fits = sum(
        1
        for name, tensor in wanted.items()
        if (held := state.get(name, state.get(f"module.{name}"))) is not None and held.shape == tensor.shape
    )
    return fits / max(1, len(wanted))


def _drop_aligner(module: Any) -> None:
    """Fun-ASR-Nano aligns its text with torchaudio; without that, times are estimated rather than every chunk lost."""
    from importlib.util import find_spec

    if find_spec("torchaudio") is None:
        module.ctc_decoder = None

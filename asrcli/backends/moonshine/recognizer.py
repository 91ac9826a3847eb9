"""The recognition service."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request
from asrcli.backends.moonshine import TYPES
from asrcli.backends.moonshine.search import Decoded, Moonshine, frame_count, size_class, token_limit
from asrcli.backends.moonshine.weights import UnknownGraphError
from asrcli.backends.process.batches import decode_in_halves, padded
from asrcli.backends.sherpa import recognizer as sherpa_onnx
from asrcli.backends.sherpa.results import ResultReader
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer
from asrcli.errors import AsrcliError
from asrcli.storage.allocator import reuse_freed_blocks

#: from here on a step's cost grows with each sequence as much as it would alone
_BATCH_SIZE = 6
_FILES = {"encoder", "decoder", "tokens"}
#: It is unsure of words where the mean logarithm of their tokens' probabilities is less. Chunks with 3 s of English and
#: more, of which fewer than 30 % of the words were wrong (noise, telephone), gave -0.53 at the least; 100 recordings of
#: 20 other languages, and of English backwards, -0.65 at the most, but for one of Dutch nouns.
_LEAST_CERTAINTY = -0.6
#: less than this the convolutions cannot take
_SHORTEST = SAMPLE_RATE // 2


def load(spec: ModelSpec, threads: int) -> Recognizer:
    """Load a Moonshine model; other graphs run in sherpa-onnx. Raises ModelError: files that no engine could load."""
    check_model(spec)
    if set(spec.files) == _FILES and not spec.options:
        try:
            return MoonshineRecognizer(spec)
        except UnknownGraphError:
            pass
    return sherpa_onnx.load(spec, threads)


@dataclass(frozen=True, slots=True)
class _Result:
    """A result with the attributes that sherpa-onnx's has, so that the same reader reads it."""

    text: str
    tokens: list[str]
    timestamps: list[float] = field(default_factory=list)


class MoonshineRecognizer:
    """A loaded model."""

    batch_size = _BATCH_SIZE
    backend = "moonshine"

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        # Layers of a chunk of 12 s free and allocate blocks of 1 to 5 MB: an eighth of the CPU time was the system's,
        # which mapped them anew. The most memory of a process grows by a tenth.
        reuse_freed_blocks(heaps=None)
        self._model = Moonshine(spec.files["encoder"], spec.files["decoder"], spec.digest)
        self._symbols = _Symbols(spec.files["tokens"].read_bytes())
        self._tail = round(TYPES[spec.type].tail * SAMPLE_RATE)
        self._only_language = spec.languages[0] if len(spec.languages) == 1 else None

    def size_class(self, samples: int) -> int:
        """See `Service.size_class`."""
        return size_class(max(_SHORTEST, samples + self._tail))

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]:
        """Decode jobs together; an invalid request has its error in its place."""
        results: list[Hypothesis | Exception] = [self._answer_at_once(job) for job in jobs]
        chunks = [self._padded(job.samples) for job in jobs]
        # The model invents words for digital silence.
        asked = [row for row, result in enumerate(results) if isinstance(result, Hypothesis) and chunks[row].any()]
        # The runtime's exceptions have no common base.
        answers = decode_in_halves(self, [chunks[row] for row in asked], self._decode, "onnxruntime", (Exception,))
        for row, answer in zip(asked, answers, strict=True):
            results[row] = answer if isinstance(answer, Exception) else self._read(answer, jobs[row])
        return results

    def _decode(self, chunks: Sequence[Samples]) -> list[Decoded]:
        return self._model.decode([self._model.encode(chunk) for chunk in chunks])

    def _answer_at_once(self, job: DecodeJob) -> Hypothesis | Exception:
        """What needs no model: no words for silence, an error for an invalid request."""
        try:
            check_request(self._spec, job.request)
        except AsrcliError as error:
            return error
        return Hypothesis("")

    def _padded(self, samples: Samples) -> Samples:
        """With the silence that the model needs after the last word."""
        return padded(samples, max(_SHORTEST, len(samples) + self._tail))

    def _read(self, decoded: Decoded, job: DecodeJob) -> Hypothesis:
        tokens = decoded.tokens
        spelled = [base64.b64decode(self._symbols[token]) for token in tokens]
        text = b"".join(spelled).decode("utf-8", "ignore")
        try:
            symbols = [symbol.decode() for symbol in spelled]
        except UnicodeDecodeError:
            symbols = []
        hypothesis = ResultReader().read(_Result(text, symbols, decoded.starts), len(job.samples) / SAMPLE_RATE)
        asked = job.request.language
        language = self._only_language if asked in {None, "", "auto"} else asked
        # One less: the number of frames is an estimate.
        limit = len(tokens) + 1 >= token_limit(frame_count(max(_SHORTEST, len(job.samples) + self._tail)))
        unsure = decoded.certainty < _LEAST_CERTAINTY
        return replace(hypothesis, language=language, limit=limit, unsure=unsure)


class _Symbols:
    """Token -> its bytes in base64, of `tokens.txt` as sherpa-onnx wants it ("base64(token) id" a line). Reading all of
    them would take longer than a short recording: most tables are in order.
    """

    def __init__(self, table: bytes) -> None:
        self._lines = table.splitlines()

    def __getitem__(self, token: int) -> bytes:
        line = self._lines[token] if token < len(self._lines) else b""
        symbol, _, number = line.rpartition(b" ")
        return symbol if number == b"%d" % token else self._others.get(token, b"")

    @cached_property
    def _others(self) -> dict[int, bytes]:
        return {int(number): symbol for symbol, _, number in (line.rpartition(b" ") for line in self._lines)}

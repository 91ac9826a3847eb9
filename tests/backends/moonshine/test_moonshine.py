"""The embedded model on a real recording, in its own engine and in sherpa-onnx."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import onnx
import onnxruntime
import pytest

from asrcli.backends.moonshine import architecture
from asrcli.backends.moonshine.graph import block_products_are_stable
from asrcli.backends.moonshine.recognizer import MoonshineRecognizer, load
from asrcli.backends.moonshine.weights import Weights
from asrcli.backends.registry import backend_of
from asrcli.backends.sherpa import recognizer as sherpa_onnx
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec
from asrcli.errors import EngineError, LanguageNotSupportedError
from asrcli.options import RecognitionOptions

ENGLISH = RecognitionOptions(language="en")
#: seconds of the recording: chunks of very different lengths
CUTS = [(0, 11), (11, 22), (22, 33), (33, 44), (0, 3), (5, 12), (20, 21), (13, 25)]
#: token that ends a text
END = 2
#: difference of scores (logits) between two tokens that are about equally good
NEAR = 0.3


@pytest.fixture(scope="module")
def recognizer(spec: ModelSpec) -> MoonshineRecognizer:
    loaded = load(spec, 2)
    assert isinstance(loaded, MoonshineRecognizer)
    return loaded


@pytest.fixture(scope="module")
def chunks(recording: np.ndarray) -> list[np.ndarray]:
    return [recording[start * 16000 : end * 16000] for start, end in CUTS]


@pytest.fixture(scope="module")
def alone(recognizer: MoonshineRecognizer, chunks: list[np.ndarray]) -> list[Any]:
    """What is heard of each chunk by itself."""
    return [recognizer.run([DecodeJob(chunk, ENGLISH)])[0] for chunk in chunks]


def test_a_vocabulary_may_be_in_any_order(recognizer: MoonshineRecognizer, spec: ModelSpec, tmp_path: Path) -> None:
    """Another order than that of the numbers, as in the exports of others."""
    lines = spec.files["tokens"].read_bytes().splitlines()
    shuffled = tmp_path / "tokens.txt"
    shuffled.write_bytes(b"\n".join([*lines[7:], *reversed(lines[:7])]))
    symbols = MoonshineRecognizer(replace(spec, files={**spec.files, "tokens": shuffled}))._symbols
    assert [symbols[token] for token in range(len(lines))] == [line.rpartition(b" ")[0] for line in lines]
    assert [recognizer._symbols[token] for token in (0, len(lines))] == [lines[0].split()[0], b""]


def test_real_speech_by_several_threads(
    recognizer: MoonshineRecognizer, chunks: list[np.ndarray], alone: list[Hypothesis]
) -> None:
    with ThreadPoolExecutor(3) as pool:
        heard = list(pool.map(lambda chunk: recognizer.run([DecodeJob(chunk, ENGLISH)])[0], chunks))
    assert heard == alone
    text = " ".join(one.text for one in heard[:4]).lower()
    for phrase in ("best of times", "worst of times", "age of wisdom", "age of foolishness", "season of"):
        assert phrase in text
    assert heard[0].language == "en"
    assert all(one.timed for one in heard)
    starts = [token.start or 0.0 for token in heard[0].tokens]
    assert starts == sorted(starts)
    assert "".join(token.text for token in heard[0].tokens).strip() == heard[0].text


@pytest.mark.parametrize("order", [range(8), range(7, -1, -1), (3, 4), (0, 5, 1, 6, 6)])
def test_a_batch_gives_each_chunk_what_it_has_alone(
    recognizer: MoonshineRecognizer, chunks: list[np.ndarray], alone: list[Hypothesis], order: tuple[int, ...] | range
) -> None:
    assert recognizer.run([DecodeJob(chunks[index], ENGLISH) for index in order]) == [alone[index] for index in order]


@pytest.mark.slow
def test_products_by_row_hear_the_same(
    recognizer: MoonshineRecognizer, spec: ModelSpec, chunks: list[np.ndarray], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Of other processors, in a batch and alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(architecture, "block_products_are_stable", lambda: False)
    by_row = MoonshineRecognizer(spec)
    frames = [recognizer._model.encode(recognizer._padded(chunk)) for chunk in chunks]
    alone = [by_row._model.decode([each])[0] for each in frames]
    assert by_row._model.decode(frames) == alone
    own = wheel_decoder(spec)
    for one, other, each in zip(alone, recognizer._model.decode(frames), frames, strict=True):
        assert_equally_good(own, each, one.tokens, other.tokens)


def test_what_is_heard_does_not_hang_on_companions_to_the_last_digit(
    recognizer: MoonshineRecognizer, chunks: list[np.ndarray]
) -> None:
    """Where two tokens are about equally good, the rounding of sums decides: it has to be the same in every batch.

    So a chunk of 36 frames, as many as a head has numbers, and a chunk of one class among longer ones of another.
    """
    model = recognizer._model
    frames = [model.encode(recognizer._padded(chunk)) for chunk in (chunks[0], chunks[0][:14400], *chunks[1:4])]
    assert frames[1].shape[1] in range(36, 50)
    scores: dict[Any, Any] = {}

    def listen(rows: list[int]) -> None:
        heard = model._heard([frames[row] for row in rows], 512)
        for place, row in enumerate(rows):
            scores.setdefault(row, []).append({name: value[place] for name, value in heard.items()})

    for rows in ([0], [1], [0, 1], [1, 2, 3, 4, 0]):
        listen(rows)
    for row in (0, 1):
        first, *others = scores[row]
        assert all(np.array_equal(first[name], other[name]) for other in others for name in first)
    alone = [model.decode([each])[0] for each in frames]
    assert model.decode(frames) == alone


def test_a_batch_holds_a_quarter_of_the_floats(recognizer: MoonshineRecognizer) -> None:
    model = recognizer._model
    sizes = model._sizes
    rng = np.random.default_rng(0)
    chunks = [rng.standard_normal((1, frames, sizes.width)).astype(np.float32) for frames in (512, 400)]
    held = sum(value.nbytes for value in model._heard(chunks, 512).values())
    assert held < 0.3 * len(chunks) * sizes.layers * 2 * 512 * sizes.width * 4


def test_the_table_of_tokens_is_the_last_product_s_matrix(spec: ModelSpec) -> None:
    if not block_products_are_stable():
        pytest.skip("this processor and runtime use products by row, whose matrix has another form")
    weights = Weights(spec.files["decoder"])
    graph = onnx.load_from_string(architecture.decoder_graph(weights, architecture.geometry(weights))).graph
    size = weights.table("model.decoder.embed_tokens.weight").values.nbytes
    assert [each.name for each in graph.initializer if len(each.raw_data) >= size] == ["vocabulary"]


def test_only_chunks_of_a_class_make_a_batch(recognizer: MoonshineRecognizer) -> None:
    sizes = [recognizer.size_class(round(seconds * 16000)) for seconds in (0.1, 2.0, 2.7, 4.0, 9.5, 12.0)]
    assert sizes == [1, 1, 1, 2, 4, 4]


@pytest.mark.slow
def test_the_decoder_chooses_the_tokens_that_the_wheel_s_own_graph_chooses(
    recognizer: MoonshineRecognizer, spec: ModelSpec, chunks: list[np.ndarray]
) -> None:
    model = recognizer._model
    frames = [model.encode(recognizer._padded(chunk)) for chunk in chunks]
    own = wheel_decoder(spec)
    for ours, each in zip(model.decode(frames), frames, strict=True):
        assert_equally_good(own, each, ours.tokens, greedy(own, each)[0])


def wheel_decoder(spec: ModelSpec) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(spec.files["decoder"]), options)


def assert_equally_good(
    own: onnxruntime.InferenceSession, frames: np.ndarray, ours: Sequence[int], theirs: Sequence[int]
) -> None:
    """The same tokens, or where they part, two that the wheel's own graph scores about the same.

    Sums of 8-bit products round differently on other processors and in other versions of onnxruntime.
    """
    place = next((place for place, pair in enumerate(zip(ours, theirs, strict=False)) if len(set(pair)) > 1), None)
    if place is None and len(ours) == len(theirs):
        return
    place = min(len(ours), len(theirs)) if place is None else place
    scores = greedy(own, frames, theirs[:place])[1]
    pair = [[*tokens, END][place] for tokens in (ours, theirs)]
    assert abs(scores[pair[0]] - scores[pair[1]]) < NEAR, pair


def greedy(
    decoder: onnxruntime.InferenceSession, frames: np.ndarray, forced: Sequence[int] | None = None
) -> tuple[list[int], np.ndarray]:
    """One chunk by the merged decoder of the wheel, a token at a time: the tokens and the scores of the last one.

    `forced`: take these tokens, and give the scores of the next.
    """
    outputs = [port.name.replace("present", "past_key_values") for port in decoder.get_outputs()]
    state = {
        port.name: np.zeros((1, port.shape[1], 0, port.shape[3]), np.float32) for port in decoder.get_inputs()[3:-1]
    }
    tokens = [1]
    last = np.empty(0)
    while tokens[-1] != END and len(tokens) < 200:
        given = {
            "encoder_attention_mask": np.ones((1, frames.shape[1] * 384), np.int64),
            "input_ids": np.array([tokens[-1:]]),
            "encoder_hidden_states": frames,
            "use_cache_branch": np.array([len(tokens) > 1]),
        }
        scores, *caches = decoder.run(None, {**given, **state})
        new = zip(outputs[1:], caches, strict=True)
        state |= {name: cache for name, cache in new if len(tokens) == 1 or ".encoder." not in name}
        last = scores[0, -1]
        if forced is not None and len(tokens) > len(forced):
            break
        tokens.append(int(last.argmax()) if forced is None else forced[len(tokens) - 1])
    return (tokens[1:-1] if forced is None else tokens[1:]), last


@pytest.mark.slow
def test_the_words_are_those_of_sherpa_onnx(spec: ModelSpec, chunks: list[np.ndarray], alone: list[Hypothesis]) -> None:
    # Not to the letter: the two are built with different versions of the runtime, whose sums round differently.
    other = sherpa_onnx.load(spec, 1)
    theirs = [other.run([DecodeJob(chunk, ENGLISH)])[0].text for chunk in chunks]
    compared = jiwer.process_words(theirs, [one.text for one in alone])
    assert compared.hits > 100
    assert compared.wer < 0.03


def test_chunks_of_as_many_frames_as_a_head_is_wide(recognizer: MoonshineRecognizer, chunks: list[np.ndarray]) -> None:
    # 36 frames: the one length at which the two axes of keys and of values could be taken for each other.
    size = recognizer._model._sizes.head
    jobs = [
        DecodeJob(chunks[0][: size * 384 + 47 - recognizer._tail + extra], ENGLISH) for extra in range(0, 1200, 384)
    ]
    assert size in {recognizer._model.encode(recognizer._padded(job.samples)).shape[1] for job in jobs}
    jobs += [DecodeJob(chunks[1], ENGLISH)]
    assert recognizer.run(jobs) == [recognizer.run([job])[0] for job in jobs]


def test_silence_is_no_text(recognizer: MoonshineRecognizer) -> None:
    heard = recognizer.run(
        [DecodeJob(np.zeros(seconds * 16000, np.float32), RecognitionOptions()) for seconds in (1, 12)]
    )
    assert [one.text for one in heard] == ["", ""]


def test_a_chunk_of_nothing_and_one_of_no_numbers(
    recognizer: MoonshineRecognizer, chunks: list[np.ndarray], alone: list[Hypothesis]
) -> None:
    nothing, broken, speech = recognizer.run(
        [
            DecodeJob(samples, ENGLISH)
            for samples in (np.zeros(0, np.float32), np.full(9000, np.nan, np.float32), chunks[0])
        ]
    )
    assert (nothing.text, broken.text) == ("", "")
    assert speech == alone[0]


def test_a_chunk_that_the_runtime_fails_at_fails_alone(
    recognizer: MoonshineRecognizer, chunks: list[np.ndarray], alone: list[Hypothesis]
) -> None:
    # Rotary positions are made for 72 s.
    hopeless = np.tile(chunks[0], 7)
    heard, failed, again = recognizer.run([DecodeJob(samples, ENGLISH) for samples in (chunks[4], hopeless, chunks[6])])
    assert isinstance(failed, EngineError)
    assert "77.30 s" in str(failed)
    assert [heard, again] == [alone[4], alone[6]]


def test_another_language_is_an_error_in_its_place(
    recognizer: MoonshineRecognizer, chunks: list[np.ndarray], alone: list[Hypothesis]
) -> None:
    refused, heard = recognizer.run(
        [DecodeJob(chunks[0], RecognitionOptions(language=language)) for language in ("de", "en")]
    )
    assert isinstance(refused, LanguageNotSupportedError)
    assert heard == alone[0]


def test_what_is_of_another_form_runs_in_sherpa_onnx(spec: ModelSpec, chunks: list[np.ndarray], tmp_path: Path) -> None:
    assert backend_of(spec.type).kind == "moonshine"
    wanted = sherpa_onnx.load(spec, 1).run([DecodeJob(chunks[4], ENGLISH)])
    other_form = replace(spec, options={"decoding_method": "greedy_search"})
    loaded: Any = load(other_form, 1)
    assert loaded.backend == "sherpa_onnx"
    assert loaded.run([DecodeJob(chunks[4], ENGLISH)]) == wanted

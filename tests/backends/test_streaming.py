"""Streams through the service, with the real engine and streaming tone models; and through the engine process."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sherpa_onnx

from asrcli.backends.checks import explain_failure
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.sherpa import streaming
from asrcli.backends.sherpa.streaming import load
from asrcli.backends.sherpa.streaming_types import STREAMING_TYPES
from asrcli.backends.types import DecodeJob, ModelSpec, StreamRequest, StreamSegment, StreamUpdate
from asrcli.errors import EngineError, ModelError, OptionNotSupportedError, StreamLostError
from asrcli.options import Hotword, RecognitionOptions
from tests.backends.test_sherpa_failures import fail_beyond
from tests.tone import WORDS, build, tone_audio, tone_spec, tone_starts

SEQUENCE = [3, 1, 1, None, 7, 0, 5, 2, 4, 6]
KINDS = ("online_zipformer2_ctc", "online_transducer", "online_paraformer")
NOTHING = np.zeros(0, np.float32)


@pytest.fixture
def spec(tone_models: Callable[..., Path]) -> Callable[..., Any]:
    return lambda kind, **fields: tone_spec(kind, tone_models(kind), **fields)


class Speaker:
    """Talks to one stream of a service."""

    def __init__(self, service: Any, name: str = "a", **options: Any) -> None:
        self.service, self.name = service, name
        self.say("open", options=RecognitionOptions(**options))

    def say(self, action: Any, samples: np.ndarray = NOTHING, **fields: Any) -> StreamUpdate:
        [update] = self.service.run([DecodeJob(samples, StreamRequest(self.name, action, **fields))])
        if isinstance(update, Exception):
            raise update
        return update

    def feed(self, audio: np.ndarray, block: int = 1600) -> list[StreamUpdate]:
        return [self.say("feed", audio[start : start + block]) for start in range(0, len(audio), block)]


def spoken(sequence: list[int | None]) -> list[str]:
    return [WORDS[tone] for tone in sequence if tone is not None]


def words(*segments: StreamSegment) -> list[str]:
    return [token.text.strip() for segment in segments for token in segment.tokens]


@pytest.mark.parametrize("kind", STREAMING_TYPES)
def test_row_names_exactly_the_factory_s_parameters(kind: str) -> None:
    row = STREAMING_TYPES[kind]
    parameters = inspect.signature(getattr(sherpa_onnx.OnlineRecognizer, row.factory)).parameters
    assert row.parameters == set(parameters)
    assert set(row.files) == {name for name, each in parameters.items() if each.default is each.empty}


def test_every_factory_has_a_type() -> None:
    factories = {name for name in dir(sherpa_onnx.OnlineRecognizer) if name.startswith("from_")}
    assert {row.factory for row in STREAMING_TYPES.values()} == factories


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [160, 1600, 9999, 160000])
def test_partial_results_grow_to_the_whole(spec: Callable[..., Any], kind: str, block: int) -> None:
    speaker = Speaker(load(spec(kind), 1))
    partials = [update.current.text for update in speaker.feed(tone_audio(SEQUENCE), block)]
    for earlier, later in pairwise(partials):
        assert later.startswith(earlier)
    [segment] = speaker.say("cut").ended
    assert segment.text.startswith(partials[-1])
    assert words(segment) == spoken(SEQUENCE)
    assert segment.start == 0
    assert segment.end == pytest.approx(len(tone_audio(SEQUENCE)) / 16000)


@pytest.mark.parametrize("kind", ["online_zipformer2_ctc", "online_transducer"])
def test_times_count_from_the_stream_s_start_across_segments(spec: Callable[..., Any], kind: str) -> None:
    speaker = Speaker(load(spec(kind), 1))
    audio = tone_audio(SEQUENCE)
    speaker.feed(audio)
    [first] = speaker.say("cut").ended
    speaker.feed(audio)
    [second] = speaker.say("cut").ended
    shift = len(audio) / 16000
    assert [token.start for token in first.tokens] == pytest.approx(tone_starts(SEQUENCE), abs=0.06)
    assert [token.start - shift for token in second.tokens] == pytest.approx(tone_starts(SEQUENCE), abs=0.06)
    assert (first.end, second.start) == (shift, shift)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_at_a_cut_however_late_the_last_word(spec: Callable[..., Any], kind: str) -> None:
    speaker = Speaker(load(spec(kind), 1))
    heard: list[Any] = []
    for tone in (2, 5, 0):
        audio = tone_audio([tone])
        # The tone has hardly ended; the model has most of it still before it.
        speaker.feed(audio[: round(0.4 * 16000)])
        heard += speaker.say("cut").ended
    assert words(*heard) == spoken([2, 5, 0])
    assert speaker.say("cut").ended == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_s_own_endpoints_where_they_are_on(spec: Callable[..., Any], kind: str) -> None:
    options = {"enable_endpoint_detection": True, "rule1_min_trailing_silence": 9.0, "rule2_min_trailing_silence": 1.0}
    speaker = Speaker(load(spec(kind, options=options), 1))
    audio = tone_audio([3, 1, None, None, None, None, 7, 0, None, None, None, None])
    ended = [segment for update in speaker.feed(audio) for segment in update.ended]
    assert [words(segment) for segment in ended] == [spoken([3, 1]), spoken([7, 0])]
    assert ended[0].end <= ended[1].start
    assert speaker.say("cut").ended == ()


@pytest.mark.parametrize("kind", KINDS)
def test_many_streams_at_once_do_not_mix(spec: Callable[..., Any], kind: str) -> None:
    service: Any = load(spec(kind), 4)

    def follow(number: int) -> bool:
        sequence = [(number * step) % 8 for step in (1, 3, 5, 2)]
        speaker = Speaker(service, name=f"stream-{number}")
        speaker.feed(tone_audio(sequence, seed=number), block=1600 + 111 * number)
        [segment] = speaker.say("cut").ended
        speaker.say("drop")
        return words(segment) == spoken(sequence)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(follow, range(12)))
    assert service._streams == {}


def test_hotwords_decide_a_chord(spec: Callable[..., Any]) -> None:
    service = load(spec("online_transducer"), 1)
    chord = (tone_audio([2]) + tone_audio([7])) / 2
    heard: list[Any] = []
    for hotwords in ((), (Hotword(text="高"),), ()):
        speaker = Speaker(service, hotwords=hotwords)
        speaker.feed(chord)
        heard += words(*speaker.say("cut").ended)
        speaker.say("drop")
    assert heard == ["mi", "高", "mi"]
    with pytest.raises(OptionNotSupportedError, match="takes no hotwords"):
        Speaker(load(spec("online_paraformer"), 1), hotwords=(Hotword(text="高"),))


def test_names_of_streams(spec: Callable[..., Any]) -> None:
    service = load(spec("online_zipformer2_ctc"), 1)
    speaker = Speaker(service)
    with pytest.raises(EngineError, match="open already"):
        Speaker(service)
    speaker.feed(tone_audio([1]))
    assert speaker.say("drop").ended == ()
    for action in ("feed", "cut", "drop"):
        with pytest.raises(StreamLostError):
            speaker.say(action)
    Speaker(service)


def test_an_offline_model_is_no_streaming_model(spec: Callable[..., Any]) -> None:
    with pytest.raises(ModelError):
        load(spec("online_zipformer2_ctc", type="kaldi"), 1)
    with pytest.raises(ModelError, match="not a streaming model"):
        load(tone_spec("zipformer_ctc", spec("zipformer_ctc").files["model"].parent), 1)


def test_through_the_engine_process(spec: Callable[..., Any]) -> None:
    with EngineClient(threads=2) as host:
        host.load("live", "sherpa_streaming", spec("online_transducer")).result(60)

        def say(action: Any, samples: np.ndarray = NOTHING) -> StreamUpdate:
            return host.submit("live", samples, StreamRequest("s", action)).result(60)

        say("open")
        audio = tone_audio([4, 2])
        partials = [say("feed", audio[start : start + 3200]).current.text for start in range(0, len(audio), 3200)]
        [segment] = say("cut").ended
        assert partials[0] == ""
        assert words(segment) == spoken([4, 2])
        say("drop")
        with pytest.raises(StreamLostError):
            say("feed", audio)


def test_what_a_failure_may_mean_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the model's files, and a model that fails may do so at every block."""
    looked_up: list[str] = []

    def explain(spec: ModelSpec) -> str:
        looked_up.append(spec.name)
        return explain_failure(spec)

    monkeypatch.setattr(streaming, "explain_failure", explain)
    folder = build("online_zipformer2_ctc", tmp_path / "failing")
    fail_beyond(folder / "model.onnx", 1)
    speaker = Speaker(load(tone_spec("online_zipformer2_ctc", folder), 1))
    for _ in range(3):
        with pytest.raises(EngineError, match="failed at the stream a"):
            speaker.say("feed", tone_audio([1, 2]))
    assert len(looked_up) == 1

"""One input to one transcript, through the real decoder and the real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import soundfile as sf

import asrcli
from asrcli.audio.types import Source
from asrcli.backends.loaded_models import LoadedModel
from asrcli.backends.moonshine.recognizer import MoonshineRecognizer
from asrcli.backends.types import Hypothesis
from asrcli.chunk_decoding import DecodedChunk, gaps_of
from asrcli.errors import (
    CancelledError,
    EngineError,
    EngineMemoryError,
    ExitCode,
    InputError,
    LanguageNotSupportedError,
    OptionNotSupportedError,
)
from asrcli.listener import Listener
from asrcli.models.registry import Registry
from asrcli.options import AudioOptions, Hotword, RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.pipeline import Resources, transcribe
from asrcli.runtime import Runtime
from asrcli.transcript import Gap, Segment, Transcript
from asrcli.vad.types import Chunk, Region
from tests.tone import build, tone_spec

RATE = 16000
NO_VAD = VadOptions(enabled=False)  # a sine is not speech


@pytest.fixture(scope="module")
def english() -> Iterator[Runtime]:
    with Runtime(Registry().resolve("moonshine-tiny-en"), jobs=2) as runtime:
        yield runtime


@pytest.fixture
def tones(tone_models: Callable[[str], Path]) -> Iterator[Runtime]:
    with Runtime(tone_spec("zipformer_ctc", tone_models("zipformer_ctc")), jobs=2) as runtime:
        yield runtime


def source(path: Path) -> Source:
    return Source(name=path.name, path=path)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Source:
    sf.write(path, samples, rate, subtype="FLOAT")
    return source(path)


class Heard(Listener):
    """A listener that remembers."""

    def __init__(self) -> None:
        self.duration: float | None = -1.0
        self.positions: list[float] = []
        self.segments: list[Segment] = []

    def opened(self, duration: float | None) -> None:
        self.duration = duration

    def heard(self, seconds: float) -> None:
        self.positions.append(seconds)

    def recognised(self, segment: Segment) -> None:
        self.segments.append(segment)


def test_a_real_recording_becomes_words_in_time(english: Runtime, wheel_audio: Path) -> None:
    heard = Heard()
    transcript = english.transcribe(source(wheel_audio / "two_cities.wav"), listener=heard)
    text = transcript.text.lower()
    assert "it was the worst of times" in text
    assert "superlative degree of comparison only" in text
    assert (transcript.model, transcript.backend, transcript.language) == ("moonshine-tiny-en", "moonshine", "en")
    assert transcript.duration == pytest.approx(44.37, abs=0.05)
    assert heard.duration == pytest.approx(transcript.duration, abs=0.05)
    assert heard.positions == sorted(heard.positions)
    assert heard.positions[-1] == pytest.approx(transcript.duration, abs=2)
    assert [segment.text for segment in heard.segments] == [segment.text for segment in transcript.segments]
    words = [word for segment in transcript.segments for word in segment.words]
    assert all(0 <= word.start <= word.end <= transcript.duration for word in words)
    assert all(one.start <= two.start for one, two in pairwise(words))


def test_start_and_end_keep_the_times_of_the_recording(english: Runtime, wheel_audio: Path) -> None:
    whole = english.transcribe(source(wheel_audio / "two_cities.wav"))
    options = TranscribeOptions(audio=AudioOptions(start=20.0, end=31.0))
    part = english.transcribe(source(wheel_audio / "two_cities.wav"), options)
    assert 20.0 <= part.segments[0].start < 22.0
    assert part.segments[-1].end <= 31.0
    assert part.segments[1].text in whole.text
    assert part.segments[1].text not in part.segments[0].text
    assert "best of times" not in part.text


def test_model_times_come_through_the_whole_pipeline(
    tones: Runtime, tone_audio: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    sequence = [3, 1, None, 7, 0]
    transcript = tones.transcribe(write(tmp_path / "tones.wav", tone_audio(sequence)), TranscribeOptions(vad=NO_VAD))
    words = [word for segment in transcript.segments for word in segment.words]
    assert [word.text for word in words] == ["fa", "re", "高", "do"]
    assert transcript.timing == "model"
    # 0.2 s of lead, then 0.3 s a tone and 0.2 s after it, a pause of 0.5 s
    assert [word.start for word in words] == pytest.approx([0.2, 0.7, 1.7, 2.2], abs=0.12)


def test_split_channels_are_speakers_in_order_of_time(
    tones: Runtime, tone_audio: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    left = np.concatenate([tone_audio([1]), np.zeros(2 * RATE, np.float32)])
    right = np.concatenate([np.zeros(2 * RATE, np.float32), tone_audio([5])])
    size = min(len(left), len(right))
    stereo = write(tmp_path / "call.wav", np.stack([left[:size], right[:size]], axis=1))
    transcript = tones.transcribe(stereo, TranscribeOptions(audio=AudioOptions(channels="split"), vad=NO_VAD))
    found = [(segment.text, segment.channel, segment.speaker) for segment in transcript.segments]
    assert found == [("re", 0, "Speaker 1"), ("la", 1, "Speaker 2")]
    assert transcript.segments[1].start == pytest.approx(2.2, abs=0.15)
    assert all(word.speaker == segment.speaker for segment in transcript.segments for word in segment.words)


def test_two_identical_channels_are_heard_once(
    tones: Runtime, tone_audio: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    mono = tone_audio([4, 2])
    transcript = tones.transcribe(
        write(tmp_path / "dual.wav", np.stack([mono, mono], axis=1)),
        TranscribeOptions(audio=AudioOptions(channels="split"), vad=NO_VAD),
    )
    words = [word for segment in transcript.segments for word in segment.words]
    assert [(word.text, word.speaker) for word in words] == [("sol", None), ("mi", None)]


def test_silence_is_a_success_without_text(english: Runtime, tmp_path: Path) -> None:
    transcript = english.transcribe(write(tmp_path / "silence.wav", np.zeros(8 * RATE, np.float32)))
    assert (transcript.text, transcript.segments, transcript.warnings) == ("", (), ("no speech",))
    assert transcript.duration == pytest.approx(8.0)


def test_noise_without_speech_gives_no_words(english: Runtime, shared: Path) -> None:
    noises = sorted((shared / "data" / "noise").glob("*.wav"))
    assert noises
    for noise in noises:
        assert english.transcribe(source(noise)).text == ""


def test_speech_that_a_model_does_not_recognise_is_a_gap(wheel_audio: Path, tmp_path: Path) -> None:
    """A model without a word for anything: its text is empty where the VAD detects speech."""
    with Runtime(tone_spec("zipformer_ctc", build("zipformer_ctc", tmp_path / "mute", ["<unk>"] * 8)), jobs=2) as mute:
        transcript = mute.transcribe(source(wheel_audio / "two_cities.wav"))
    assert transcript.text == ""
    assert transcript.gaps
    assert sum(gap.end - gap.start for gap in transcript.gaps) > 0.4 * transcript.duration
    assert all(0 <= gap.start < gap.end <= transcript.duration for gap in transcript.gaps)
    assert {gap.reason for gap in transcript.gaps} == {"no words"}
    assert len(transcript.warnings) >= len(transcript.gaps)


def test_a_gap_is_kept_without_its_words_and_levels() -> None:
    regions = (Region(0, 800), Region(1600, 3200))
    chunk = Chunk(0, np.ones(3200, np.float32), regions, np.ones(20, np.float32), np.ones(20, np.float32))
    decoded = DecodedChunk(chunk, Hypothesis("a"), "few words")
    bare = decoded.bare()
    assert gaps_of([bare]) == gaps_of([decoded]) == (Gap(0.0, 0.2, "few words"),)
    assert (len(bare.chunk.samples), len(bare.chunk.levels), len(bare.chunk.speech)) == (0, 0, 0)


@pytest.mark.slow
def test_many_inputs_at_once_keep_apart(english: Runtime, wheel_audio: Path) -> None:
    paths = [wheel_audio / "two_cities.wav", wheel_audio / "beckett.wav"] * 3
    alone = [english.transcribe(source(path)).text for path in paths[:2]]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda path: english.transcribe(source(path)).text, paths))
    assert together == alone * 3
    assert "worst of times" in alone[0]
    assert "worst of times" not in alone[1]
    assert "fail better" in alone[1].lower()


#: a service whose job lasts as long as there is a file
GATED = """
import os, time

class Gated:
    batch_size = 1

    def run(self, jobs):
        while os.path.exists(jobs[0].request):
            time.sleep(0.01)
        return [None]

def load(spec, threads):
    return Gated()
"""


@pytest.mark.slow
def test_inputs_in_progress_are_finished_one_after_the_other(
    wheel_audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all at the end. The engine has the chunks of all before it decodes the first: nothing depends on speed."""
    (tmp_path / "gated_service.py").write_text(GATED)
    monkeypatch.syspath_prepend(tmp_path)
    gate, nothing = tmp_path / "gate", np.zeros(0, np.float32)
    gate.touch()
    answered: list[int] = []
    with Runtime(Registry().resolve("moonshine-tiny-en"), jobs=1) as runtime, ThreadPoolExecutor(4) as pool:
        model = runtime.recognizer
        assert isinstance(model, LoadedModel)
        model.engine._limit = 100  # so that all of them fit
        with runtime._loaded.acquire(replace(model.spec, name="gate"), "gated_service:load") as gated:
            held = gated.submit(nothing, str(gate))

            class Noted(LoadedModel):
                """Notes whose chunk is answered."""

                def submit(self, *job: Any, order: int = 0, **named: Any) -> Future[Any]:
                    future = super().submit(*job, order=order, **named)
                    future.add_done_callback(lambda _: answered.append(order))
                    return future

            noted = Noted(**{each.name: getattr(model, each.name) for each in fields(model)})
            runtime.resources = replace(runtime.resources, backend=noted)
            options = TranscribeOptions(vad=VadOptions(max_chunk=5.0))
            results, read = [], [Read() for _ in range(4)]
            for order in (2, 0, 3, 1):
                path = source(wheel_audio / "two_cities.wav")
                results.append(pool.submit(runtime.transcribe, path, options, listener=read[order], order=order))
            assert all(each.done.wait(100) for each in read)
            last = gated.submit(nothing, "")  # orders are read in turn: when it is answered, the engine has all others
            gated.cancel(last)
            assert isinstance(last.exception(100), EngineError)
            gate.unlink()
            held.result(100)
            assert len({result.result().text for result in results}) == 1
    ends = [len(answered) - answered[::-1].index(order) for order in range(4)]
    # Of those behind it, a batch has some.
    behind = [end - (order + 1) * len(answered) // 4 for order, end in enumerate(ends)]
    assert all(0 <= each < MoonshineRecognizer.batch_size for each in behind), answered


class Read(Listener):
    """Tells when the input has been read, and the engine has all its chunks."""

    def __init__(self) -> None:
        self.done = Event()

    def read(self) -> None:
        self.done.set()


class Taker(Heard):
    """A listener that takes the text of a stream part by part."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Transcript] = []

    def awaits_settled(self) -> bool:
        return True

    def settled(self, part: Transcript, *, waiting: bool) -> None:
        self.parts.append(part)


def test_what_is_taken_of_a_stream_is_not_held(
    tones: Runtime, tone_audio: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    options = TranscribeOptions(vad=NO_VAD)
    file = write(tmp_path / "tones.wav", np.concatenate([tone_audio([3, 1, None, None, None, 7, 0])] * 8))
    whole = tones.transcribe(file, options)
    taker = Taker()
    with (tmp_path / "tones.wav").open("rb") as stream:
        transcript = tones.transcribe(Source("stdin", None, stream, live=True), options, listener=taker)
    assert len(whole.segments) > 8
    assert [one.text for part in taker.parts for one in part.segments] == [one.text for one in whole.segments]
    assert {part.language for part in taker.parts} == {whole.language}
    assert (transcript.segments, transcript.warnings) == ((), whole.warnings)
    assert (transcript.duration, transcript.language) == (whole.duration, whole.language)


class ShortOfMemory:
    """A backend whose memory is too short for the first chunk."""

    def __init__(self, backend: Any) -> None:
        self._backend, self._first = backend, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def submit(self, samples: np.ndarray, *arguments: Any, **options: Any) -> Any:
        self._first = self._first or samples.tobytes()
        if samples.tobytes() != self._first:
            return self._backend.submit(samples, *arguments, **options)
        failed: Future[Any] = Future()
        failed.set_exception(EngineMemoryError("std::bad_alloc"))
        return failed


def test_where_memory_is_short_a_recording_fails_and_a_stream_has_a_gap(
    tones: Runtime, tone_audio: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    options = TranscribeOptions(vad=VadOptions(enabled=False, max_chunk=5.0))
    file = write(tmp_path / "tones.wav", tone_audio([1, 2, 3, 5, 4, 0] * 4))

    def short() -> Resources:
        assert tones.resources is not None
        return replace(tones.resources, backend=ShortOfMemory(tones.resources.backend))

    whole = tones.transcribe(file, options)
    with pytest.raises(EngineMemoryError) as caught:
        transcribe(file, short(), options)
    assert caught.value.exit_code is ExitCode.MACHINE
    with (tmp_path / "tones.wav").open("rb") as stream:
        heard = transcribe(Source("stdin", None, stream, live=True), short(), options)
    assert [(gap.start, gap.reason) for gap in heard.gaps] == [(0.0, "engine error")]
    assert heard.text
    assert whole.text.endswith(heard.text)


class Canceller(Listener):
    def cancelled(self) -> bool:
        return True


def test_a_cancelled_input_raises(english: Runtime, wheel_audio: Path) -> None:
    with pytest.raises(CancelledError):
        english.transcribe(source(wheel_audio / "two_cities.wav"), listener=Canceller())


def test_a_broken_input_fails_alone(english: Runtime, tmp_path: Path, wheel_audio: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is no recording" * 50)
    with pytest.raises(InputError):
        english.transcribe(source(broken))
    assert "fail better" in english.transcribe(source(wheel_audio / "beckett.wav")).text.lower()


@pytest.mark.slow
def test_an_engine_that_is_killed_in_mid_file_loses_nothing(english: Runtime, wheel_audio: Path) -> None:
    alone = english.transcribe(source(wheel_audio / "two_cities.wav")).text
    assert "worst of times" in alone

    class Killer(Heard):
        def opened(self, duration: float | None) -> None:
            english.loaded.engine._child.process.kill()
            super().opened(duration)

    before = english.loaded.engine.restarts
    assert english.transcribe(source(wheel_audio / "two_cities.wav"), listener=Killer()).text == alone
    assert english.loaded.engine.restarts == before + 1


def test_what_the_model_cannot_do_is_refused_before_the_engine_sees_it() -> None:
    spec = Registry().resolve("moonshine-tiny-en")
    with pytest.raises(LanguageNotSupportedError, match="zh"):
        Runtime(spec, recognition=RecognitionOptions(language="zh"))
    with pytest.raises(OptionNotSupportedError, match=r"[Hh]otwords"):
        Runtime(spec, recognition=RecognitionOptions(hotwords=(Hotword(text="Beckett"),)))


def test_the_python_api(wheel_audio: Path) -> None:
    transcript = asrcli.transcribe(wheel_audio / "beckett.wav")
    assert "try again" in transcript.text.lower()
    assert asrcli.Transcript.from_dict(transcript.to_dict()).text == transcript.text

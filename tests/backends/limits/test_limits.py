"""Engines stop at limits of their own: all words are recognised in spite of that, or a gap reports what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile as sf
from onnx import helper, numpy_helper

from asrcli.audio.types import Source
from asrcli.backends.checks import validate, window_of
from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import EngineError, OptionNotSupportedError
from asrcli.options import Hotword, RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Runtime
from asrcli.transcript import Gap, Transcript, warning_code
from tests.tone import DENSE_WORDS, WORDS, build, tone_audio, tone_spec

RATE = 16000
NO_VAD = VadOptions(enabled=False)  # a sine is not speech
MELODY = [1, 2, 0, 3, 5, 4]


@pytest.fixture
def transcribe(tmp_path: Path) -> Callable[..., Transcript]:
    def run(spec: ModelSpec, audio: np.ndarray, vad: VadOptions = NO_VAD, **recognition: object) -> Transcript:
        path = tmp_path / "tones.wav"
        sf.write(path, audio, RATE, subtype="FLOAT")
        options = TranscribeOptions(vad=vad, recognition=RecognitionOptions(**recognition))  # type: ignore[arg-type]
        with Runtime(spec, recognition=options.recognition, jobs=2) as runtime:
            return runtime.transcribe(Source(name=path.name, path=path), options)

    return run


def words_of(transcript: Transcript) -> str:
    return "".join(segment.text for segment in transcript.segments).replace(" ", "")


@pytest.mark.parametrize("rounds", [1, 2, 9], ids=["3 s", "6 s", "27 s"])
def test_whisper_recognises_a_dense_language(
    tmp_path: Path, transcribe: Callable[..., Transcript], rounds: int
) -> None:
    """18 tokens a second, as in Thai or Tamil; the engine stops after 6 tokens for each second of a chunk."""
    spec = tone_spec("whisper", build("whisper", tmp_path / "whisper", DENSE_WORDS))
    melody = MELODY * rounds
    transcript = transcribe(spec, tone_audio(melody))
    assert words_of(transcript) == "".join(DENSE_WORDS[tone] for tone in melody)
    assert (transcript.gaps, transcript.warnings) == ((), ())


def test_whisper_recognises_a_short_dense_clip(tmp_path: Path) -> None:
    recognizer = load(tone_spec("whisper", build("whisper", tmp_path / "whisper", DENSE_WORDS)), 1)
    [heard] = recognizer.run([DecodeJob(tone_audio([4])[: RATE // 2], RecognitionOptions())])
    assert (heard.text, heard.limit) == (DENSE_WORDS[4], False)


@pytest.mark.parametrize("rounds", [1, 4, 9], ids=["3 s", "12 s", "27 s"])
def test_moonshine_recognises_scripts_that_it_spells_in_bytes(
    tmp_path: Path, transcribe: Callable[..., Transcript], rounds: int
) -> None:
    """36 tokens a second; the second version stops after 15."""
    spec = tone_spec("moonshine_v2", build("moonshine_v2", tmp_path / "moonshine", DENSE_WORDS))
    melody = MELODY * rounds
    transcript = transcribe(spec, tone_audio(melody))
    assert words_of(transcript) == "".join(DENSE_WORDS[tone] for tone in melody)
    assert (transcript.gaps, transcript.warnings) == ((), ())


@pytest.mark.parametrize("kind", ["moonshine", "fire_red_asr"])
def test_fast_speech_is_not_cut_short(tone_models: Callable[..., Path], kind: str) -> None:
    """11 tokens a second; the engine stops after 6 or 8."""
    recognizer = load(tone_spec(kind, tone_models(kind)), 1)
    [heard] = recognizer.run([DecodeJob(tone_audio(MELODY * 20, tone=0.06, gap=0.03), RecognitionOptions())])
    assert heard.text.split() == [WORDS[tone] for tone in MELODY * 20]
    assert not heard.limit


@pytest.mark.parametrize("kind", ["qwen3_asr", "funasr_nano"])
@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"prompt": "A talk about the sea and those who live by it, for all."},
        {"hotwords": (Hotword(text="corymb " * 12),)},
    ],
    ids=["plain", "prompt", "hotwords"],
)
def test_prompt_audio_and_answer_share_a_cache(
    tone_models: Callable[..., Path], transcribe: Callable[..., Transcript], kind: str, request_: dict[str, Any]
) -> None:
    """512 positions; a model's folder by its path has a window of 30 s."""
    melody = [1, 2, 6, 3, 5, 4] * 10
    transcript = transcribe(tone_spec(kind, tone_models(kind)), tone_audio(melody), **request_)
    assert words_of(transcript) == "".join(WORDS[tone] for tone in melody)
    assert transcript.gaps == ()


def test_the_window_is_what_the_prompt_leaves(tone_models: Callable[..., Path]) -> None:
    spec = tone_spec("funasr_nano", tone_models("funasr_nano"))
    plain = window_of(spec)
    assert 10 < plain < 25
    hotwords = RecognitionOptions(hotwords=tuple(Hotword(text=f"corymb{number}") for number in range(8)))
    assert 2 <= window_of(spec, hotwords) < plain - 4
    validate(spec, hotwords)
    with pytest.raises(OptionNotSupportedError, match="leave no room for audio in a context of 512"):
        validate(spec, RecognitionOptions(prompt="All about it. " * 300))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("funasr_nano", {"system_prompt": "Be exact. " * 300}),
        ("funasr_nano", {"user_prompt": "Be exact. " * 300}),
        ("funasr_nano", {"hotwords": "corymb," * 80}),
        ("qwen3_asr", {"hotwords": "corymb," * 80}),
        ("qwen3_asr", {"max_total_len": 40}),
    ],
)
def test_options_of_an_entry_that_leave_no_room_are_refused(
    tone_models: Callable[..., Path], kind: str, options: dict[str, Any]
) -> None:
    with pytest.raises(OptionNotSupportedError, match="leave no room for audio"):
        validate(tone_spec(kind, tone_models(kind), options=options), RecognitionOptions())


def fail_between(path: Path, shortest: int, longest: int) -> None:
    """Make a model fail at chunks whose number of frames lies between two numbers."""
    model = onnx.load(str(path))
    scores = model.graph.output[0].name
    last = next(node for node in model.graph.node if scores in node.output)
    last.output[list(last.output).index(scores)] = "sound_logits"
    table = np.zeros(10000, np.int64)
    table[shortest:longest] = 10  # no index of a table of one
    model.graph.initializer.extend(
        [numpy_helper.from_array(table, "places"), numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    )
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["x"], ["frames"], start=1, end=2),
            helper.make_node("Gather", ["places", "frames"], ["place"]),
            helper.make_node("Gather", ["zero", "place"], ["addend"]),
            helper.make_node("Add", ["sound_logits", "addend"], [scores]),
        ]
    )
    onnx.save(model, str(path))


@pytest.fixture
def failing(tmp_path: Path) -> Callable[[int, int], ModelSpec]:
    def make(shortest: int, longest: int) -> ModelSpec:
        spec = tone_spec("zipformer_ctc", build("zipformer_ctc", tmp_path / "failing"))
        fail_between(spec.files["model"], shortest, longest)
        return spec

    return make


def test_a_chunk_that_fails_is_divided_and_decoded_again(
    failing: Callable[..., ModelSpec], transcribe: Callable[..., Transcript]
) -> None:
    melody = MELODY * 4
    transcript = transcribe(failing(400, 10000), tone_audio(melody))
    assert words_of(transcript) == "".join(WORDS[tone] for tone in melody)
    assert transcript.gaps == ()


def test_a_chunk_that_fails_whole_and_in_parts_is_a_gap(
    failing: Callable[..., ModelSpec], transcribe: Callable[..., Transcript]
) -> None:
    """Chunks of 6 s; one of them, and its parts, are of lengths that the engine refuses."""
    spec = failing(0, 250)
    transcript = transcribe(spec, tone_audio([1, 2, 3, 5, 4, 0] * 4), VadOptions(enabled=False, max_chunk=5.0))
    assert words_of(transcript)
    assert transcript.gaps
    assert {gap.reason for gap in transcript.gaps} == {"engine error"}
    assert [warning_code(warning) for warning in transcript.warnings] == ["gap"] * len(transcript.gaps)
    assert transcript.to_dict()["warning_codes"] == ["gap"] * len(transcript.gaps)
    assert Transcript.from_dict(transcript.to_dict()).gaps == tuple(
        Gap(round(gap.start, 3), round(gap.end, 3), gap.reason) for gap in transcript.gaps
    )


def test_an_engine_that_fails_at_every_chunk_fails_the_recording(
    failing: Callable[..., ModelSpec], transcribe: Callable[..., Transcript]
) -> None:
    with pytest.raises(EngineError, match="failed at a chunk"):
        transcribe(failing(0, 10000), tone_audio(MELODY))

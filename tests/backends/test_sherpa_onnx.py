"""Recognition through the backend, with the real engine: tone models of every type that can be built, and Moonshine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.backends.process.batches import split_batches
from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec
from asrcli.errors import LanguageNotSupportedError, OptionNotSupportedError
from asrcli.options import Hotword, RecognitionOptions
from tests.tone import WORDS, tone_audio, tone_spec, tone_starts

SEQUENCE = [3, 1, 1, None, 7, 0, 5, 2, 4, 6]
#: tones above 4 kHz do not exist at 8 kHz
LOW_SEQUENCE = [3, 1, 1, None, 0, 2, 4]

OFFLINE = (
    "sense_voice",
    "paraformer",
    "transducer",
    "nemo_transducer",
    "zipformer_ctc",
    "nemo_ctc",
    "wenet_ctc",
    "dolphin_ctc",
    "tdnn_ctc",
    "medasr_ctc",
    "fire_red_asr_ctc",
    "omnilingual_asr_ctc",
    "telespeech_ctc",
)


@pytest.fixture
def spec(tone_models: Callable[..., Path]) -> Callable[..., ModelSpec]:
    def make(kind: str, **fields: Any) -> ModelSpec:
        return tone_spec(kind, tone_models(kind), **fields)

    return make


def ask(recognizer: Any, *recordings: np.ndarray, **options: Any) -> list[Hypothesis]:
    return list(recognizer.run([DecodeJob(audio, RecognitionOptions(**options)) for audio in recordings]))


def words(hypothesis: Hypothesis) -> list[str]:
    return [token.text.strip() for token in hypothesis.tokens]


def sequence_for(kind: str) -> list[int | None]:
    return LOW_SEQUENCE if kind == "tdnn_ctc" else SEQUENCE


def spoken(sequence: list[int | None]) -> list[str]:
    return [WORDS[tone] for tone in sequence if tone is not None]


@pytest.mark.parametrize("kind", OFFLINE)
def test_tones_come_back_as_words_at_their_times(spec: Callable[..., ModelSpec], kind: str) -> None:
    sequence = sequence_for(kind)
    [heard] = ask(load(spec(kind), 1), tone_audio(sequence))
    assert words(heard) == spoken(sequence)
    assert heard.timed
    assert [token.start for token in heard.tokens] == pytest.approx(tone_starts(sequence), abs=0.06)


@pytest.mark.parametrize("kind", OFFLINE)
def test_joined_tokens_are_the_text(spec: Callable[..., ModelSpec], kind: str) -> None:
    [heard] = ask(load(spec(kind), 1), tone_audio(sequence_for(kind)))
    assert "".join(token.text for token in heard.tokens).strip() == heard.text
    latin = [token for token in heard.tokens[1:] if token.text.strip().isascii()]
    assert all(token.text.startswith(" ") for token in latin)


@pytest.mark.parametrize("kind", OFFLINE)
def test_a_batch_has_the_results_of_single_requests(spec: Callable[..., ModelSpec], kind: str) -> None:
    recognizer = load(spec(kind), 1)
    low = kind == "tdnn_ctc"
    sequences = [[4], [3, 1, None, 2], [], [0, 1, 2, 3, 4] * 2, [1 if low else 7], [2, 2, None, None, 2]]
    recordings = [tone_audio(sequence, seed=number) for number, sequence in enumerate(sequences)]
    together = ask(recognizer, *recordings)
    alone = [ask(recognizer, recording)[0] for recording in recordings]
    assert [words(heard) for heard in together] == [spoken(sequence) for sequence in sequences]
    assert [heard.text for heard in together] == [heard.text for heard in alone]
    for one, other in zip(together, alone, strict=True):
        assert [token.start for token in one.tokens] == pytest.approx([token.start for token in other.tokens], abs=1e-3)


def test_durations_and_scores_where_the_model_gives_them(spec: Callable[..., ModelSpec]) -> None:
    [heard] = ask(load(spec("nemo_transducer"), 1), tone_audio([3, 5]))
    for token in heard.tokens:
        assert token.end == pytest.approx(token.start + 0.08, abs=1e-3)
        assert -0.01 < token.logprob <= 0
    [heard] = ask(load(spec("sense_voice"), 1), tone_audio([3, 5]))
    assert [(token.end, token.logprob) for token in heard.tokens] == [(None, None)] * 2


def test_loud_and_soft_are_heard_alike(spec: Callable[..., ModelSpec]) -> None:
    recognizer = load(spec("sense_voice"), 1)
    for level in (0.003, 0.03, 0.9):
        assert words(ask(recognizer, tone_audio([0, 7, 3], level=level))[0]) == spoken([0, 7, 3])


@pytest.mark.parametrize("kind", ["sense_voice", "paraformer", "transducer", "nemo_transducer", "zipformer_ctc"])
def test_nothing_and_next_to_nothing(spec: Callable[..., ModelSpec], kind: str) -> None:
    recognizer = load(spec(kind), 1)
    nothing, click, silence, faulty, tones = ask(
        recognizer,
        np.zeros(0, np.float32),
        np.full(7, 0.1, np.float32),
        np.zeros(16000, np.float32),
        np.where(np.arange(16000) % 2, np.nan, np.inf).astype(np.float32),
        tone_audio([6]),
    )
    assert [heard.text for heard in (nothing, click, silence)] == ["", "", ""]
    assert isinstance(faulty, Hypothesis)
    assert words(tones) == ["ti"]


def test_times_of_a_padded_chunk_stay_inside_it(spec: Callable[..., ModelSpec]) -> None:
    audio = tone_audio([2])[: 16000 // 4]
    [heard] = ask(load(spec("nemo_transducer"), 1), audio)
    assert words(heard) == ["mi"]
    assert all(0 <= token.start <= token.end <= 0.25 for token in heard.tokens)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 60 * 16000), min_size=1, max_size=12))
def test_batches_take_each_job_once_and_are_mostly_sound(lengths: list[int]) -> None:
    batches = list(split_batches(range(len(lengths)), lengths))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[index] for index in batch) * len(batch)
        assert len(batch) == 1 or padded <= 1.25 * sum(lengths[index] for index in batch)
        assert len(batch) == 1 or padded <= 30 * 16000


# -- language, ITN, tags -----------------------------------------------------------------------------------------------


def test_tags_become_fields(spec: Callable[..., ModelSpec]) -> None:
    [heard] = ask(load(spec("sense_voice"), 1), tone_audio([3]))
    assert (heard.text, heard.language, heard.emotion, heard.event) == ("fa", "zh", "happy", "speech")


def test_the_language_of_each_request_reaches_the_model(spec: Callable[..., ModelSpec]) -> None:
    recognizer = load(spec("sense_voice"), 1)
    languages = ["en", "ja", "ko", "yue", "zh", "en", None, "ja"]
    heard = [ask(recognizer, tone_audio([1]), language=language)[0] for language in languages]
    # The tone model takes "find out" for Chinese.
    assert [one.language for one in heard] == ["en", "ja", "ko", "yue", "zh", "en", "zh", "ja"]


def test_one_call_may_ask_for_several_languages(spec: Callable[..., ModelSpec]) -> None:
    audio = tone_audio([1])
    jobs = [DecodeJob(audio, RecognitionOptions(language=language)) for language in ("en", "ja", "en", "sv", "ko")]
    english, japanese, again, refused, korean = load(spec("sense_voice"), 1).run(jobs)
    assert [one.language for one in (english, japanese, again, korean)] == ["en", "ja", "en", "ko"]
    assert isinstance(refused, LanguageNotSupportedError)


def test_few_recognisers_are_kept_and_none_is_built_twice(spec: Callable[..., ModelSpec]) -> None:
    recognizer: Any = load(spec("sense_voice"), 4)
    built: list[str | None] = []
    build = recognizer._recognizers._build

    def counted(variant: Any) -> Any:
        built.append(variant.language)
        return build(variant)

    recognizer._recognizers._build = counted
    start = threading.Barrier(8)

    def decode(number: int) -> Hypothesis:
        start.wait(timeout=30)
        return ask(recognizer, tone_audio([number % 8]), language=("en", "ja")[number % 2])[0]

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(decode, range(8)))
    assert [one.language for one in heard] == ["en", "ja"] * 4
    assert [words(one) for one in heard] == [[WORDS[number]] for number in range(8)]
    assert sorted(built) == ["en", "ja"]
    for language in ("en", "ja", "ko", "yue", "en"):
        ask(recognizer, tone_audio([0]), language=language)
    assert len(recognizer._recognizers._built) == 3
    # "yue" was the fourth and pushed out "en", the one longest unused; the default had gone before, never used.
    assert built[2:] == ["ko", "yue", "en"]


def test_itn_can_be_switched_off_for_one_request(spec: Callable[..., ModelSpec]) -> None:
    recognizer = load(spec("sense_voice"), 1)
    with_itn, without, mixed = (ask(recognizer, tone_audio([0, 1]), itn=itn)[0] for itn in (True, False, True))
    assert [one.text for one in (with_itn, without, mixed)] == ["do re", "dodo re", "do re"]
    plain = load(spec("sense_voice", options={"use_itn": False}), 1)
    assert ask(plain, tone_audio([0, 1]))[0].text == "dodo re"


def test_the_only_language_of_a_model_is_that_of_its_text(spec: Callable[..., ModelSpec]) -> None:
    recognizer = load(spec("transducer", languages=("it",)), 1)
    assert ask(recognizer, tone_audio([0]))[0].language == "it"


# -- hotwords ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def spelling(tmp_path: Path) -> Path:
    """A vocabulary of word pieces, with which hotwords in Latin letters are spelled."""
    path = tmp_path / "bpe.vocab"
    path.write_text("".join(f"▁{word}\t{-index}\n" for index, word in enumerate(WORDS)), "utf-8")
    return path


@pytest.mark.parametrize("kind", ["transducer", "nemo_transducer"])
@pytest.mark.parametrize("method", ["greedy_search", "modified_beam_search"])
def test_hotwords_are_taken_by_transducers(
    spec: Callable[..., ModelSpec], kind: str, method: str, spelling: Path
) -> None:
    model = spec(
        kind,
        files={**spec(kind).files, "bpe_vocab": spelling},
        options={"decoding_method": method, "modeling_unit": "cjkchar+bpe"},
    )
    recognizer = load(model, 1)
    hotwords = (Hotword(text="sol la", weight=40), Hotword(text="高"))
    [plain] = ask(recognizer, tone_audio(SEQUENCE))
    [favoured] = ask(recognizer, tone_audio(SEQUENCE), hotwords=hotwords)
    assert words(plain) == words(favoured) == spoken(SEQUENCE)


def test_a_hotword_wins_where_the_sound_is_in_doubt(spec: Callable[..., ModelSpec], spelling: Path) -> None:
    def chord(*tones: int) -> np.ndarray:
        return np.stack([tone_audio([tone]) for tone in tones]).mean(axis=0).astype(np.float32)

    characters = load(spec("transducer"), 1)
    assert words(ask(characters, chord(2, 7))[0]) == ["mi"]
    assert words(ask(characters, chord(2, 7), hotwords=(Hotword(text="高"),))[0]) == ["高"]
    assert words(ask(characters, chord(2, 7))[0]) == ["mi"]
    pieces = load(
        spec(
            "transducer",
            files={**spec("transducer").files, "bpe_vocab": spelling},
            options={"modeling_unit": "bpe"},
        ),
        1,
    )
    assert words(ask(pieces, chord(2, 5))[0]) == ["mi"]
    assert words(ask(pieces, chord(2, 5), hotwords=(Hotword(text="LA"), Hotword(text="so/l :9 #x")))[0]) == ["la"]
    heard = ask(pieces, chord(2, 5), hotwords=(Hotword(text="la", weight=5), Hotword(text="mi", weight=50)))[0]
    assert words(heard) == ["mi"]


def test_hotwords_that_cannot_be_spelled_are_refused(spec: Callable[..., ModelSpec]) -> None:
    [refused] = load(spec("transducer"), 1).run(
        [DecodeJob(tone_audio([0]), RecognitionOptions(hotwords=(Hotword(text="la"),)))]
    )
    assert isinstance(refused, OptionNotSupportedError)
    assert '"la" is not among its tokens' in refused.message


def test_hotwords_are_refused_where_the_type_takes_none(spec: Callable[..., ModelSpec]) -> None:
    results = load(spec("zipformer_ctc"), 1).run(
        [
            DecodeJob(tone_audio([0]), RecognitionOptions(hotwords=(Hotword(text="do"),))),
            DecodeJob(tone_audio([1]), RecognitionOptions()),
        ]
    )
    assert isinstance(results[0], OptionNotSupportedError)
    assert "takes no hotwords" in results[0].message
    assert isinstance(results[1], Hypothesis)
    assert words(results[1]) == ["re"]

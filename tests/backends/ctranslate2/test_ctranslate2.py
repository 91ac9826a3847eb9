"""Whisper with CTranslate2: words, times, languages, limits, and what is refused."""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_request, languages_of, translating, validate
from asrcli.backends.ctranslate2.check import WHISPER, detect_folder
from asrcli.backends.ctranslate2.recognizer import load
from asrcli.backends.ctranslate2.results import TokenReader, plausible, repeats
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer
from asrcli.errors import AsrcliError, MachineError, ModelError, OptionNotSupportedError
from asrcli.models.registry import Registry
from asrcli.options import Hotword, RecognitionOptions
from asrcli.runtime import Runtime
from tests.backends.limits.test_same_bytes import runs

_CLIPS = ("1089-134686-0001.flac", "1089-134686-0000.flac", "1272-128104-0000.flac", "moonshine_beckett.wav")
#: loaded models, by their spec
_LOADED: dict[str, Recognizer] = {}


def transcribe(spec: ModelSpec, samples: Samples, **request: Any) -> Hypothesis:
    """The hypothesis of one chunk."""
    recognizer = _LOADED.get(repr(spec)) or _LOADED.setdefault(repr(spec), load(spec, 1))
    (result,) = recognizer.run([DecodeJob(samples, RecognitionOptions(**request))])
    if isinstance(result, Exception):
        raise result
    return result


def test_text_words_times_confidence_and_language(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    found = transcribe(tiny_en, clip("1089-134686-0000.flac"))

    assert "turnips and carrots" in found.text
    assert found.language == "en"
    assert not found.limit
    assert "".join(token.text for token in found.tokens).strip() == found.text
    starts = [token.start for token in found.tokens]
    assert starts == sorted(starts)
    assert starts[-1] > 8.0  # of 10.4 s
    assert all(token.start <= token.end <= 10.44 and token.logprob <= 0 for token in found.tokens)


def test_a_chunk_gets_the_same_result_in_every_batch(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    recognizer = load(tiny_en, 1)
    jobs = [DecodeJob(clip(name), RecognitionOptions()) for name in _CLIPS]

    alone = [recognizer.run([job])[0] for job in jobs]

    assert recognizer.run(jobs) == alone
    assert recognizer.run(jobs[::-1])[::-1] == alone


@pytest.mark.parametrize("sound", ["digital silence", "hiss", "faint hiss", "hum"])
def test_no_words_for_sounds_without_speech(tiny_en: ModelSpec, sound: str) -> None:
    noise = np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    samples = {
        "digital silence": np.zeros(10 * SAMPLE_RATE),
        "hiss": 0.1 * noise,
        "faint hiss": 0.0005 * noise,
        "hum": 0.1 * np.sin(2 * np.pi * 100 * time),
    }[sound]

    assert transcribe(tiny_en, samples.astype(np.float32)).text == ""


def test_words_of_another_language_are_unsure(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    mandarin, english = (clip(name) for name in ("BAC009S0764W0121.wav", "1089-134686-0000.flac"))
    backwards = np.ascontiguousarray(english[::-1])

    heard = [transcribe(tiny_en, samples) for samples in (mandarin, backwards, english)]
    assert all(each.text for each in heard)
    assert [each.unsure for each in heard] == [True, True, False]


def test_chunks_of_any_length_and_value(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    for samples in (
        np.zeros(0),
        np.full(1, 0.5),
        np.full(300, np.nan),
        clip(_CLIPS[0])[:4800],
        np.full(16000, np.inf),
    ):
        assert not transcribe(tiny_en, samples.astype(np.float32)).limit


def test_prompt_spells_a_name(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    samples = clip("1089-134686-0000.flac")

    assert "carrots" in transcribe(tiny_en, samples).text
    assert "karrots" in transcribe(tiny_en, samples, prompt="Karrots, turnips, karrots and karrots.").text.lower()


def test_prompt_and_hotwords_that_exceed_the_context_are_refused(tiny_en: ModelSpec) -> None:
    check_request(tiny_en, RecognitionOptions(prompt="word " * 200))
    with pytest.raises(OptionNotSupportedError, match="at most 223"):
        check_request(tiny_en, RecognitionOptions(prompt="word " * 230))
    with pytest.raises(OptionNotSupportedError, match="at most 223"):
        check_request(tiny_en, RecognitionOptions(hotwords=tuple(Hotword(text=f"name{n}") for n in range(100))))


def test_an_english_model_supports_english_alone(tiny_en: ModelSpec) -> None:
    assert languages_of(replace(tiny_en, languages=())) == ("en",)
    with pytest.raises(AsrcliError, match="cannot translate"):
        translating(tiny_en, "en")


def test_languages_of_a_multilingual_model(multilingual: ModelSpec) -> None:
    noise = np.random.default_rng(1).standard_normal(SAMPLE_RATE).astype(np.float32)

    assert len(languages_of(multilingual)) == 99  # Cantonese came with large-v3
    assert transcribe(multilingual, noise, language="de").language == "de"
    assert transcribe(translating(multilingual, "en"), noise, language="de").language == "de"


def test_chunks_of_several_languages_in_a_batch(multilingual: ModelSpec) -> None:
    rng = np.random.default_rng(2)
    recognizer = load(multilingual, 1)
    jobs = [
        DecodeJob((rng.standard_normal(SAMPLE_RATE) * level).astype(np.float32), RecognitionOptions(language=language))
        for level, language in ((1e-3, "de"), (1.0, "fr"), (0.1, "de"), (0.5, "fr"))
    ]

    assert recognizer.run(jobs) == [recognizer.run([job])[0] for job in jobs]


def test_an_answer_that_never_ends_is_a_limit(multilingual: ModelSpec) -> None:
    """Random weights do not give the mark of the end."""
    noise = np.random.default_rng(3).standard_normal(SAMPLE_RATE).astype(np.float32)

    assert transcribe(multilingual, noise, language="de").limit


def test_guards_against_inventions_and_loops() -> None:
    assert plausible(0.02, -0.3)
    assert plausible(0.9, -0.1)
    assert plausible(0.1, -2.0)
    assert not plausible(0.7, -1.2)
    assert not plausible(0.9, -0.5)
    assert repeats("the end of the end of " * 12)
    assert not repeats("No, no, no.")
    assert not repeats("")


def test_bytes_of_one_character_make_one_token() -> None:
    class Tokenizer:
        eot = 100

        def split_tokens_on_unicode(self, ids: list[int]) -> tuple[list[str], list[list[int]]]:
            return [" a", "é"], [ids[:1], ids[1:]]

    path = [(0, 0), (0, 5), (1, 10), (2, 20), (2, 25), (3, 30)]
    tokens = TokenReader(Tokenizer()).read([1, 2, 3], path, [1.0, 0.5, 0.5], 0.5)

    assert [(token.text, token.start, token.end) for token in tokens] == [(" a", 0.0, 0.2), ("é", 0.2, 0.5)]


def _copy(spec: ModelSpec, folder: Path) -> Path:
    shutil.copytree(spec.files["model"].parent, folder)
    return folder


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "no tokenizer", "bad tokenizer", "bad config"])
def test_damaged_folders_are_refused(multilingual: ModelSpec, tmp_path: Path, damage: str) -> None:
    folder = _copy(multilingual, tmp_path / "model")
    spec = replace(multilingual, files={key: folder / path.name for key, path in multilingual.files.items()})
    model = folder / "model.bin"
    match damage:
        case "cut":
            model.write_bytes(model.read_bytes()[:100_000])
        case "empty":
            model.write_bytes(b"")
        case "foreign":
            model.write_bytes(model.read_bytes().replace(b"WhisperSpec", b"TransformerS", 1))
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
            with pytest.raises(ModelError, match=r"tokenizer\.json"):
                detect_folder(folder)
        case "bad tokenizer":
            (folder / "tokenizer.json").write_text("{}")
        case "bad config":
            (folder / "config.json").write_text("{")

    with pytest.raises(ModelError):
        load(spec, 1)


@pytest.mark.parametrize(
    ("option", "value"),
    [("compute_type", "int4"), ("beam_size", 0), ("device", "tpu"), ("colour", 1), ("task", "sing")],
)
def test_unknown_options_are_refused(multilingual: ModelSpec, option: str, value: object) -> None:
    with pytest.raises(OptionNotSupportedError, match=option):
        validate(replace(multilingual, options={option: value}), RecognitionOptions())


def test_a_gpu_that_is_not_there_is_an_error(multilingual: ModelSpec) -> None:
    import ctranslate2

    number = ctranslate2.get_cuda_device_count()
    with pytest.raises(MachineError, match=r"the device cuda(:\d+)? is not available"):
        transcribe(replace(multilingual, options={"device": f"cuda:{number}"}), np.ones(16000, np.float32))


def test_the_catalogue_has_the_models_of_faster_whisper(tmp_path: Path) -> None:
    utils = pytest.importorskip("faster_whisper.utils", exc_type=ImportError)
    entries = [entry for entry in Registry(tmp_path).entries("asr") if entry.type == WHISPER]
    repositories = {entry.download.huggingface for entry in entries}

    assert repositories <= set(utils._MODELS.values())
    assert set(utils._MODELS.values()) - repositories == {"Systran/faster-whisper-large-v1"}
    assert all(entry.size > 70e6 and entry.licence == "MIT" for entry in entries)


def test_other_folders_are_left_to_other_backends(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"something else")
    (tmp_path / "config.json").write_text(json.dumps({}))

    assert detect_folder(tmp_path) is None


def test_in_the_engine_process(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    samples = clip("1089-134686-0000.flac")
    with Runtime(tiny_en) as runtime:
        futures = [runtime.recognizer.submit(samples, RecognitionOptions()) for _ in range(3)]
        texts = {future.result(timeout=100).text for future in futures}

    assert len(texts) == 1
    assert "turnips and carrots" in texts.pop()


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(tiny_en: ModelSpec, shared: Path, tmp_path: Path) -> None:
    paths = sorted((shared / "data" / "speech").glob("*.flac"))[:6]
    model = str(tiny_en.files["model"].parent)
    one, two, four = runs(tmp_path, paths, (1, 2, 4), "-m", model, "--backend", "ctranslate2")
    assert one == two == four


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_of_a_chunk_is_kept_for_the_next(tiny_en: ModelSpec, clip: Callable[[str], Samples]) -> None:
    """Each page that the system maps again costs time: all of them took a third of it."""
    samples = clip(_CLIPS[0])
    transcribe(tiny_en, samples)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    transcribe(tiny_en, samples)

    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert pages * resource.getpagesize() < 100_000_000

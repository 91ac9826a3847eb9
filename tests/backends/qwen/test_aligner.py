"""Word times of Qwen3-ASR by the forced aligner, with a tiny one of the package's own classes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.checks import check_model
from asrcli.backends.qwen.check import detect_folder
from asrcli.backends.qwen.recognizer import load
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec
from asrcli.errors import ModelError, ModelNotInstalledError
from asrcli.options import RecognitionOptions
from asrcli.runtime import Runtime
from tests.backends.qwen import tiny_aligner
from tests.backends.qwen.test_qwen import spec_of
from tests.tone import tone_audio

SOUND = tone_audio([1, 2, 3, 4, 5, 6])
SECONDS = len(SOUND) / 16000


@pytest.fixture(scope="session")
def aligner(qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_aligner.build(tmp_path_factory.mktemp("aligner"))


@pytest.fixture(scope="module")
def recognizer(qwen: Path, aligner: Path) -> Any:
    return load(spec_of(qwen, device="cpu", batch_size=4, max_new_tokens=8, aligner=str(aligner)), 1)


#: `align(*answers)`: what Qwen3-ASR with the aligner makes of its answers to one sound
Align = Callable[..., list[Hypothesis]]


@pytest.fixture
def align(recognizer: Any, monkeypatch: pytest.MonkeyPatch) -> Align:
    """Random weights say nothing sensible, so the answers are given; the aligner that reads them is real."""

    def run(*answers: str, **request: Any) -> list[Hypothesis]:
        turn = cycle(answers)

        def infer(contexts: Sequence[str], *_: Any) -> list[str]:
            return [next(turn) for _ in contexts]

        monkeypatch.setattr(recognizer, "_infer", infer)
        found = recognizer.run([DecodeJob(SOUND, RecognitionOptions(**request))] * len(answers))
        assert all(isinstance(hypothesis, Hypothesis) for hypothesis in found), found
        return list(found)

    return run


def test_each_word_has_a_time_within_the_chunk(align: Align) -> None:
    (found,) = align("language English<asr_text>Well, hello there; it's one more day.")
    assert found.text == "Well, hello there; it's one more day."
    assert found.timed
    assert [token.text for token in found.tokens] == ["Well", "hello", "there", "it's", "one", "more", "day"]
    for token in found.tokens:
        assert token.start is not None
        assert token.end is not None
        assert 0 <= token.start <= token.end <= SECONDS


def test_a_chunk_is_aligned_alike_in_every_batch(align: Align) -> None:
    answers = [
        "language English<asr_text>One two three.",
        "language English<asr_text>A somewhat longer sentence of eight words.",
        "language French<asr_text>Oui.",
    ]
    alone = [align(answer)[0] for answer in answers]
    assert align(*answers) == alone
    assert align(*answers[::-1])[::-1] == alone


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("language Chinese<asr_text>你好，world 3。", ["你", "好", "world", "3"]),
        ("language Japanese<asr_text>今日は、雨です。", ["今日", "は", "雨", "です"]),
        ("language Korean<asr_text>안녕하세요 여러분.", None),
        ("an answer of no known language", ["an", "answer", "of", "no", "known", "language"]),
    ],
)
def test_each_writing_system_has_its_words(align: Align, answer: str, words: list[str] | None) -> None:
    (found,) = align(answer)
    assert found.timed
    spelled = [token.text for token in found.tokens]
    assert words is None or spelled == words
    assert "".join(spelled) == "".join(filter(str.isalnum, found.text))


@pytest.mark.parametrize(
    "answer",
    [
        "language Finnish<asr_text>Hyvää päivää.",  # a language that the aligner does not know
        "language English<asr_text>...",
        "language None<asr_text>",
    ],
)
def test_words_that_cannot_be_aligned_are_kept_without_times(align: Align, answer: str) -> None:
    (found,) = align(answer)
    assert found.text == answer.partition("<asr_text>")[2]
    assert found.tokens == ()


def test_chunks_in_a_batch_are_aligned_or_not_by_themselves(align: Align) -> None:
    found = align(
        "language Finnish<asr_text>Hyvää päivää.", "language None<asr_text>", "language English<asr_text>Good day."
    )
    assert [len(hypothesis.tokens) for hypothesis in found] == [0, 0, 2]
    assert [hypothesis.language for hypothesis in found] == ["fi", None, "en"]


def test_text_outlives_an_aligner_that_fails(align: Align, recognizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = recognizer._model.forced_aligner.align

    def fail_at_french(*, audio: Any, text: Any, language: Any) -> Any:
        if "French" in language:
            raise IndexError("index 7 is out of bounds")
        return real(audio=audio, text=text, language=language)

    monkeypatch.setattr(recognizer._model.forced_aligner, "align", fail_at_french)
    english, french = align("language English<asr_text>Good day.", "language French<asr_text>Bonjour.")
    assert (english.text, len(english.tokens)) == ("Good day.", 2)
    assert (french.text, french.tokens) == ("Bonjour.", ())
    assert (english.unplaced, french.unplaced) == (False, True)
    (finnish,) = align("language Finnish<asr_text>Hyvää päivää.")  # which the aligner does not know
    assert not finnish.unplaced


def test_in_the_engine_process(qwen: Path, aligner: Path) -> None:
    spec = spec_of(qwen, device="cpu", max_new_tokens=8, aligner=str(aligner))
    with Runtime(spec) as runtime:
        found = runtime.recognizer.submit(SOUND, RecognitionOptions(language="en")).result(timeout=100)
        again = runtime.recognizer.submit(SOUND, RecognitionOptions(language="en")).result(timeout=100)
    assert found == again
    assert found.timed == any(character.isalnum() for character in found.text)


# -- folders that do not fit -------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A recogniser's folder and an aligner's, without weights that could be loaded."""
    made = (tmp_path / "recogniser", tmp_path / "aligner")
    for folder, config in zip(made, ({}, {"timestamp_token_id": 151705, "timestamp_segment_time": 80}), strict=True):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_asr", **config}))
        for name in ("model.safetensors", "tokenizer_config.json", "preprocessor_config.json"):
            (folder / name).write_text("{}")
    return made


def test_an_aligner_is_no_recogniser(folders: tuple[Path, Path]) -> None:
    _, aligner = folders
    with pytest.raises(ModelError, match="places words in time and recognises none") as caught:
        detect_folder(aligner)
    assert "option aligner" in caught.value.hint
    files = {"config": aligner / "config.json", "model": aligner / "model.safetensors"}
    with pytest.raises(ModelError, match="does not describe a Qwen3-ASR model"):
        check_model(ModelSpec("qwen", "qwen_asr", files))


def test_a_recogniser_is_no_aligner(folders: tuple[Path, Path], tmp_path: Path) -> None:
    recogniser, aligner = folders
    spec = spec_of(recogniser)
    for folder in (recogniser, tmp_path):
        with pytest.raises(ModelError, match="does not hold Qwen3-ForcedAligner"):
            check_model(replace(spec, options={"aligner": str(folder)}))
    (aligner / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        check_model(replace(spec, options={"aligner": str(aligner)}))
    (aligner / "preprocessor_config.json").unlink()
    with pytest.raises(ModelNotInstalledError, match=r"preprocessor_config\.json is missing"):
        check_model(replace(spec, options={"aligner": str(aligner)}))


def test_weights_that_the_aligner_lacks_are_an_error_not_random(qwen: Path, aligner: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(aligner, tmp_path / "aligner")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "audio_tower" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"aligner holds only \d+% of the weights"):
        load(spec_of(qwen, device="cpu", aligner=str(folder)), 1)


def test_the_aligner_s_folder_may_begin_with_a_tilde(
    qwen: Path, aligner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(aligner.parent))
    assert load(spec_of(qwen, device="cpu", max_new_tokens=4, aligner=f"~/{aligner.name}"), 1)

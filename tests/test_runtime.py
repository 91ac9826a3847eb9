"""Models in engine processes: loaded once, shared, released; and what is left when one cannot be started."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.loaded_models import LoadedModels
from asrcli.backends.types import ModelSpec
from asrcli.errors import MachineError, ModelError
from asrcli.model_set import ModelSet
from asrcli.options import RecognitionOptions, SpeakerOptions, TranscribeOptions
from asrcli.runtime import Runtime, Session
from asrcli.speakers.loading import prepare
from tests.tone import WORDS, tone_audio, tone_spec


@pytest.fixture
def tones(tone_models: Callable[..., Path]) -> ModelSpec:
    return tone_spec("zipformer_ctc", tone_models("zipformer_ctc"))


@pytest.fixture
def loaded() -> Iterator[LoadedModels]:
    models = LoadedModels(2)
    yield models
    models.close()


def text_of(model: Any) -> str:
    return model.submit(tone_audio([3]), RecognitionOptions()).result(60).text


def test_a_model_is_loaded_once_and_unloaded_when_no_user_is_left(loaded: LoadedModels, tones: ModelSpec) -> None:
    first, second = loaded.acquire(tones), loaded.acquire(tones)
    assert loaded.names == [tones.name]
    assert text_of(first) == text_of(second) == WORDS[3]
    first.close()
    first.close()
    assert loaded.unload_idle(0) == []
    second.close()
    assert loaded.unload_idle(3600) == []
    assert loaded.unload_idle(0) == [tones.name]
    assert loaded.names == []
    with loaded.acquire(tones) as again:
        assert text_of(again) == WORDS[3]


def test_services_of_one_model_are_kept_apart(loaded: LoadedModels, tones: ModelSpec) -> None:
    with loaded.acquire(tones), loaded.acquire(tones, purpose="language"):
        assert loaded.names == [tones.name, f"{tones.name} (language)"]


def test_a_model_that_cannot_be_loaded_is_not_in_use(loaded: LoadedModels, tones: ModelSpec, tmp_path: Path) -> None:
    broken = ModelSpec("broken", tones.type, {**tones.files, "model": tmp_path / "none.onnx"})
    with pytest.raises(ModelError):
        loaded.acquire(broken)
    assert loaded.names == []


def test_many_threads_load_it_once(loaded: LoadedModels, tones: ModelSpec) -> None:
    models = []
    threads = [threading.Thread(target=lambda: models.append(loaded.acquire(tones))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {text_of(model) for model in models} == {WORDS[3]}
    assert len({model.service for model in models}) == 1


def test_sessions_share_models_and_release_them(loaded: LoadedModels, tones: ModelSpec) -> None:
    models = ModelSet(spec=tones, options=TranscribeOptions())
    with Session(models, loaded, wait=True) as one, Session(models, loaded, wait=True) as two:
        assert text_of(one.recognizer) == text_of(two.recognizer) == WORDS[3]
        assert loaded.unload_idle(0) == []
    assert loaded.unload_idle(0) == [tones.name]


def test_a_speaker_engine_that_cannot_be_started_ends_the_first_engine(
    tones: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        if started:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(popen(*arguments, **more))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    segmentation, embedding = (
        ModelSpec(name, "x", {"model": tmp_path / name}) for name in ("segmentation", "embedding")
    )
    speakers = prepare(segmentation, embedding, SpeakerOptions(enabled=True))
    with pytest.raises(MachineError):
        Runtime(ModelSet(spec=tones, options=TranscribeOptions(), speakers=speakers), jobs=1)
    assert started[0].poll() is not None


def test_a_lost_engine_is_reported_until_it_is_back(
    loaded: LoadedModels, tones: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with loaded.acquire(tones) as model:
        assert loaded.failure is None
        with monkeypatch.context() as without_memory:
            without_memory.setattr(subprocess, "Popen", refuse)
            os.kill(loaded.engine.process_id, 9)
            with pytest.raises(MachineError):
                text_of(model)
            with pytest.raises(MachineError):
                loaded.acquire(tones)
            assert isinstance(loaded.failure, MachineError)
    with loaded.acquire(tones) as again:
        assert text_of(again) == WORDS[3]
    assert loaded.failure is None


UNCLOSED = """
import sys, threading, time, types
from contextlib import contextmanager
from asrcli.runtime import Runtime
from tests.tone import tone_spec
from pathlib import Path

@contextmanager
def opened():
    with Runtime(tone_spec("zipformer_ctc", Path(sys.argv[1])), jobs=1) as runtime:
        yield runtime

def hold(lock):
    with lock:
        held.set()
        time.sleep(3600)

# A module's names are given up while the interpreter ends.
module = sys.modules["module"] = types.ModuleType("module")
module.unclosed = opened()
runtime = module.unclosed.__enter__()
held = threading.Event()
threading.Thread(target=hold, args=(eval(sys.argv[2]),), daemon=True).start()
held.wait()
"""


@pytest.mark.parametrize("lock", ["runtime.loaded._lock", "runtime.loaded.engines[0]._changed"])
def test_a_program_that_ends_without_closing_does_not_wait_for_its_stopped_threads(
    tone_models: Callable[..., Path], lock: str
) -> None:
    """The interpreter stops the other threads, which may hold a lock, before it ends what a generator has opened."""
    command = [sys.executable, "-c", UNCLOSED, str(tone_models("zipformer_ctc")), lock]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")

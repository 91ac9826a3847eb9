"""FunASR's toolkit itself, on models that recognise tones: through the engine process, and through the program."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.errors import LanguageNotSupportedError, MachineError, ModelError, OptionNotSupportedError
from asrcli.models.detect import detect
from asrcli.options import Hotword, RecognitionOptions
from tests.backends.limits.test_same_bytes import runs
from tests.tone import RATE, tone_audio, tone_starts

TYPES = {
    "SenseVoiceSmall": "funasr_sense_voice",
    "Paraformer": "funasr_paraformer",
    "BiCifParaformer": "funasr_paraformer",
    "SeacoParaformer": "funasr_seaco_paraformer",
}
#: a frame of the models is 60 ms, and the stack that detects an onset reaches 30 ms ahead
LATE = 0.09


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    with EngineClient(threads=2) as host:
        yield host


@pytest.fixture(scope="module")
def ask(host: Any, toolkit: Callable[[str], Path]) -> Any:
    """`ask("SenseVoiceSmall", samples, language=...)`: the hypothesis; each model is loaded once."""

    def spec(name: Any, **options: Any) -> Any:
        type_, files = detect(toolkit(name))
        assert type_ == TYPES.get(name, "funasr_fun_asr_nano")
        return ModelSpec(name=f"{name}{options}", type=type_, files=files, options={"device": "cpu", **options})

    def submit(name: Any, samples: Any, options: Any = None, **request: Any) -> Any:
        wanted = spec(name, **(options or {}))
        if not host.has(wanted.name):
            host.load(wanted.name, "funasr", wanted).result(timeout=60)
        return host.submit(wanted.name, samples, RecognitionOptions(**request))

    ask: Any = submit
    ask.spec = spec
    return ask


def spoken(sequence: Any, words: Any) -> Any:
    return [words[tone] for tone in sequence if tone is not None]


@pytest.mark.parametrize("name", TYPES)
def test_tones_are_heard_as_words(ask: Any, words: tuple[str, ...], name: Any) -> None:
    sequence = [3, 1, None, 7, 0, 0, 5]
    heard = ask(name, tone_audio(sequence)).result()
    assert heard.text.replace("高", " 高").split() == spoken(sequence, words)


@pytest.mark.parametrize("name", ["SenseVoiceSmall", "BiCifParaformer", "SeacoParaformer"])
def test_words_are_where_they_sound(ask: Any, words: tuple[str, ...], name: Any) -> None:
    sequence = [2, None, 6, 4, None, None, 7]
    heard = ask(name, tone_audio(sequence)).result()
    assert [token.text.lstrip("▁") for token in heard.tokens] == spoken(sequence, words)
    for token, start in zip(heard.tokens, tone_starts(sequence), strict=True):
        assert start - LATE <= token.start <= start + LATE
        assert token.start < token.end <= start + 0.3 + LATE


def test_a_plain_paraformer_s_times_are_left_to_us(ask: Any) -> None:
    assert ask("Paraformer", tone_audio([1, 2])).result().tokens == ()


def test_language_and_itn_reach_sense_voice(ask: Any) -> None:
    samples = tone_audio([0, 2])
    heard = ask("SenseVoiceSmall", samples).result()
    assert (heard.text, heard.language, heard.emotion, heard.event) == ("do mi", "zh", "happy", "speech")
    assert ask("SenseVoiceSmall", samples, language="ko").result().language == "ko"
    assert ask("SenseVoiceSmall", samples, itn=False).result().text == "dodo mi"
    with pytest.raises(LanguageNotSupportedError):
        ask("SenseVoiceSmall", samples, language="de").result()


def test_a_hotword_is_preferred_to_what_sounds_like_it(ask: Any) -> None:
    samples = tone_audio([0, 7, 2])
    assert ask("SeacoParaformer", samples).result().text == "do 高 mi"
    cake = (Hotword(text="糕", weight=50.0), Hotword(text="re sol"))
    assert ask("SeacoParaformer", samples, hotwords=cake).result().text == "do 糕 mi"
    assert ask("SeacoParaformer", samples, hotwords=(Hotword(text="re"),)).result().text == "do 高 mi"
    with pytest.raises(OptionNotSupportedError, match="cannot spell"):
        ask("SeacoParaformer", samples, hotwords=(Hotword(text="http://localhost/words.txt"),)).result()


@pytest.mark.parametrize("tone", [0, 3, 7])
def test_fun_asr_nano_recognises_the_words(ask: Any, words: tuple[str, ...], tone: Any) -> None:
    heard = ask("FunASRNano", tone_audio([tone] * 3)).result()
    assert (heard.text, heard.tokens, heard.language) == (words[tone], (), None)


def test_fun_asr_nano_reports_its_limit_of_tokens(ask: Any) -> None:
    tones = tone_audio([3] * 3)
    assert not ask("FunASRNano", tones).result().limit
    assert ask("FunASRNano", tones, {"max_length": 1}).result().limit


def test_fun_asr_nano_is_asked_in_its_prompt(ask: Any) -> None:
    high, low = tone_audio([7] * 3), tone_audio([0] * 3)
    cake = (Hotword(text="糕", weight=80.0),)
    assert ask("FunASRNano", high, hotwords=cake).result().text == "糕"
    assert ask("FunASRNano", high, prompt="about 糕").result().text == "糕"
    assert ask("FunASRNano", low, hotwords=cake).result().text == "do"
    english = ask("FunASRNano", high, language="en").result()
    assert (english.text, english.language) == ("high", "en")
    assert ask("FunASRNano", low, itn=False).result().text == "dodo"
    assert ask("FunASRNano", tone_audio([None])).result().text == ""
    with pytest.raises(LanguageNotSupportedError):
        ask("FunASRNano", low, language="sw").result()


def test_requests_at_once_do_not_mix(ask: Any) -> None:
    """Hotwords and language are each request's own, whichever thread runs it and whatever it is batched with."""
    samples = [tone_audio([tone, 7], seed=tone) for tone in range(7)]
    cake = (Hotword(text="糕"),)

    def both(index: Any) -> Any:
        chunk = samples[index % 7]
        favoured = ask("SeacoParaformer", chunk, hotwords=cake if index % 2 else ())
        tagged = ask("SenseVoiceSmall", chunk, language="en" if index % 2 else "ja")
        return index, favoured.result(), tagged.result()

    ask("SeacoParaformer", samples[0]).result()
    ask("SenseVoiceSmall", samples[0]).result()
    with ThreadPoolExecutor(6) as pool:
        for index, favoured, tagged in pool.map(both, range(42)):
            assert favoured.text.endswith("糕" if index % 2 else "高")
            assert tagged.language == ("en" if index % 2 else "ja")


@pytest.mark.parametrize("name", TYPES)
def test_chunks_of_any_length_and_silence_share_a_batch(ask: Any, words: tuple[str, ...], name: Any) -> None:
    sequences: list[list[int | None]] = [[1], [], [2, 3], [4, 5, 6], [None, None], [7]]
    answers = [ask(name, tone_audio(sequence)) for sequence in sequences]
    answers += [ask(name, np.zeros(length, np.float32)) for length in (1, 160, 16000)]
    heard = [answer.result().text.replace("高", " 高").split() for answer in answers]
    assert heard == [*(spoken(sequence, words) for sequence in sequences), [], [], []]


def test_what_is_no_number_is_silence(ask: Any) -> None:
    samples = tone_audio([3, 1])
    samples[: RATE // 10] = np.nan
    samples[-10:] = np.inf
    assert ask("SenseVoiceSmall", samples).result().text == "fa re"


# -- folders that are not what they should be --------------------------------------------------------------------------


@pytest.fixture
def copy(toolkit: Callable[[str], Path], tmp_path: Path) -> Any:
    return lambda name: shutil.copytree(toolkit(name), tmp_path / name)


def load(host: Any, folder: Any, type_: str = "funasr_sense_voice", **options: Any) -> Any:
    files = {"config": folder / "config.yaml", "model": folder / "model.pt"}
    spec = ModelSpec(name=str(folder), type=type_, files=files, options=options)
    return host.load(spec.name, "funasr", spec).result(timeout=60)


def test_weights_of_another_model_are_refused(host: Any, copy: Any, toolkit: Callable[[str], Path]) -> None:
    folder = copy("SenseVoiceSmall")
    shutil.copy(toolkit("Paraformer") / "model.pt", folder / "model.pt")
    with pytest.raises(ModelError, match="of the weights"):
        load(host, folder)


@pytest.mark.parametrize("content", [b"not a file of weights", b"PK\x03\x04"])
def test_damaged_weights_are_refused(host: Any, copy: Any, content: Any) -> None:
    folder = copy("SenseVoiceSmall")
    (folder / "model.pt").write_bytes(content)
    with pytest.raises(ModelError, match="cannot load"):
        load(host, folder)


def test_weights_that_run_code_are_refused(host: Any, copy: Any, tmp_path: Path) -> None:
    """A pickle may name any function; loading weights must call none."""
    folder = copy("SenseVoiceSmall")
    touched = tmp_path / "touched"
    (folder / "model.pt").write_bytes(b"cbuiltins\nopen\n(V" + str(touched).encode() + b"\nVw\ntR.")
    with pytest.raises(ModelError):
        load(host, folder)
    assert not touched.exists()


def test_a_model_that_brings_code_does_not_run_it(host: Any, copy: Any, tmp_path: Path) -> None:
    folder = copy("SenseVoiceSmall")
    for name in ("model.py", "requirements.txt", "__init__.py"):
        (folder / name).write_text(f"open({str(tmp_path / 'touched')!r}, 'w')")
    load(host, folder)
    assert not (tmp_path / "touched").exists()


def test_a_device_that_is_not_here_is_an_error_not_the_cpu(host: Any, copy: Any) -> None:
    with pytest.raises(MachineError, match="mps"):
        load(host, copy("SenseVoiceSmall"), device="mps")


# -- the program -------------------------------------------------------------------------------------------------------


@pytest.fixture
def recording(tmp_path: Path) -> Any:
    """Tones, silence, tones."""
    sequence = [3, 1, None, 7, *([None] * 8), 0, 5]
    path = tmp_path / "tones.wav"
    soundfile.write(path, tone_audio(sequence), RATE)
    return path, sequence


class Listener(socketserver.ThreadingTCPServer):
    """A proxy that no one should ask."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.asked: list[bytes] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.asked.append(request.recv(200))
        self.shutdown_request(request)


@pytest.fixture
def proxy() -> Iterator[Any]:
    with Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        yield listener
        listener.shutdown()
        thread.join()


def test_the_program_writes_what_was_played(
    run: Callable[..., subprocess.CompletedProcess[str]],
    toolkit: Callable[[str], Path],
    recording: Any,
    words: tuple[str, ...],
    proxy: Any,
) -> None:
    path, sequence = recording
    address = f"http://127.0.0.1:{proxy.server_address[1]}"
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), address)
    done = run(
        "transcribe", path, "--no-vad", "--model", toolkit("SenseVoiceSmall"), "-f", "json", "-o", "-", env=proxies
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)  # nothing but the result on stdout
    assert (result["backend"], result["model"], result["timing"]) == ("funasr", "SenseVoiceSmall", "model")
    assert (result["language"], result["segments"][0]["emotion"]) == ("zh", "happy")
    found = [word for segment in result["segments"] for word in segment["words"]]
    assert [word["text"] for word in found] == spoken(sequence, words)
    for word, start in zip(found, tone_starts(sequence), strict=True):
        assert abs(word["start"] - start) <= LATE
    assert proxy.asked == []  # and nothing asked of any hub
    lines = done.stderr.splitlines()
    assert all(line.startswith("asrcli: ") for line in lines), lines


def test_the_program_takes_an_entry_hotwords_and_the_backend_s_name(
    run: Callable[..., subprocess.CompletedProcess[str]], toolkit: Callable[[str], Path], recording: Any, tmp_path: Path
) -> None:
    path, _ = recording
    entry = {"type": "funasr_seaco_paraformer", "dir": str(toolkit("SeacoParaformer")), "options": {"device": "cpu"}}
    entry["files"] = {"config": "config.yaml", "model": "model.pt"}
    place = tmp_path / "data" / "asrcli" / "models.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"models": {"tones": entry}}))
    done = run("transcribe", path, "--no-vad", "--backend", "funasr", "--hotwords", "糕:30, do", "-f", "txt", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["fa", "re", "糕", "do", "la"]
    refused = run("transcribe", path, "--model", "tones", "--prompt", "music", "-o", "-")
    assert (refused.returncode, "no context text" in refused.stderr) == (2, True)


def test_weights_from_before_torch_1_6_load(host: Any, toolkit: Callable[[str], Path], tmp_path: Path) -> None:
    """They cannot be mapped into memory."""
    torch = pytest.importorskip("torch")
    folder = tmp_path / "old"
    shutil.copytree(toolkit("Paraformer"), folder)
    weights = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)
    torch.save(weights, folder / "model.pt", _use_new_zipfile_serialization=False)
    type_, files = detect(folder)
    old = ModelSpec(name="old", type=type_, files=files, options={"device": "cpu"})
    host.load("old", "funasr", old).result(timeout=60)
    assert host.submit("old", tone_audio([1, 2]), RecognitionOptions()).result(60).text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SenseVoiceSmall", "FunASRNano"])
def test_the_same_input_gives_the_same_bytes(toolkit: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], tone_audio([number, 2, 1] * (1 + number), seed=number), 16000)
    options = ("-m", str(toolkit(name)), "--no-vad", "--max-chunk", "4")
    one, two, four = runs(tmp_path, paths, (1, 2, 4), *options)
    assert one == two == four


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_script_for_gpus_measures_on_a_cpu(tmp_path: Path, toolkit: Callable[[str], Path]) -> None:
    del toolkit  # skips where the toolkit is not installed
    root, output = Path(__file__).parents[3], tmp_path / "gpu.json"
    command: list[str | Path] = [root / "tools/device_check.sh", "--device", "cpu", "--small", "--seconds", "20"]
    more: list[str | Path] = ["--batches", "1", "2", "--models", "Paraformer", "--output", output]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())["results"]
    assert [(row["model"], row["batch"]) for row in results] == [("Paraformer", 1), ("Paraformer", 2)]
    assert all(row["asrcli"]["failed"] == 0 and row["bare"]["speed"] > 0 for row in results)

"""Requests to a server that misbehaves: what is tried again, what is not, and what is said."""

from __future__ import annotations

import io
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.backends.remote.attempts import EncodedChunk
from asrcli.backends.remote.client import RemoteClient
from asrcli.backends.remote.recognizer import RemoteRecognizer, encode, form_fields
from asrcli.backends.types import Hypothesis
from asrcli.errors import EngineClosedError, EngineError, LanguageNotSupportedError, RemoteUnavailableError, UsageError
from asrcli.options import Hotword, RecognitionOptions
from asrcli.storage.http import RetryPolicy
from tests.backends.remote.conftest import Asked, Mimic
from tests.tone import RATE, tone_audio

QUICK = RetryPolicy(retries=3, backoff=0.01, max_wait=2.0, connect=5.0, read=20.0)
SOUND = EncodedChunk(data=b"sound", form="flac", seconds=2.0)
WELL = {"text": "do re"}


@pytest.fixture
def ask(mimic: Mimic) -> Iterator[Any]:
    """`ask()`: one chunk recognised, by a client that is in a hurry; `ask.client` is that client."""
    client = RemoteClient(mimic.url, "big", secret="sesame", policy=QUICK)

    def recognise(fields: dict[str, str] | None = None, extras: dict[str, str] | None = None) -> Hypothesis:
        return client.recognise(SOUND, fields or {}, extras or {})

    answer: Any = recognise
    answer.client = client
    yield answer
    client.close()


# -- a request ---------------------------------------------------------------------------------------------------------


def test_a_translation_is_asked_of_its_own_endpoint_without_a_language(mimic: Mimic) -> None:
    client = RemoteClient(mimic.url, "big", policy=QUICK, translate=True)
    fields, extras = form_fields(RecognitionOptions(language="zh", translate=True))
    assert client.recognise(SOUND, fields, extras).text == "do re"
    client.close()
    (asked,) = mimic.asked
    assert asked.path == "/v1/audio/translations"
    assert "language" not in asked.form


def test_a_request_has_what_the_interface_wants(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    assert ask({"language": "en", "prompt": "music"}, {"hotwords": "do, re"}).text == "do re"
    (asked,) = mimic.asked
    assert (asked.method, asked.path) == ("POST", "/v1/audio/transcriptions")
    assert asked.headers["Authorization"] == "Bearer sesame"
    assert asked.form == {
        "file": [b"sound"],
        "model": ["big"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
        "language": ["en"],
        "prompt": ["music"],
        "hotwords": ["do, re"],
    }


def test_connections_are_kept(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    for _ in range(5):
        ask()
    assert len({asked.connection for asked in mimic.asked}) == 1


@pytest.mark.parametrize("form", ["flac", "wav"])
def test_a_chunk_is_a_file_of_its_samples(form: str) -> None:
    samples = tone_audio([3, 1])
    data, rate = soundfile.read(io.BytesIO(encode(samples, form)), dtype="float32")
    assert rate == RATE
    assert np.abs(data - samples).max() <= 1 / 32768
    short, _ = soundfile.read(io.BytesIO(encode(np.full(10, np.nan, np.float32), form)))
    assert (len(short), np.abs(short).max()) == (RATE // 2, 0.0)


def test_requests_in_the_form_s_words() -> None:
    words = (Hotword(text="Hedy Lamarr", weight=30.0), Hotword(text="Zvon"))
    asked = RecognitionOptions(language="en", hotwords=words, prompt="A talk.")
    assert form_fields(asked) == (
        {"language": "en", "prompt": "A talk. Hedy Lamarr, Zvon"},
        {"vad_filter": "false", "hotwords": "Hedy Lamarr:30, Zvon"},
    )
    assert form_fields(RecognitionOptions(language="auto")) == ({}, {"vad_filter": "false"})


@pytest.mark.parametrize("secret", ["sesame\r\nX-Evil: 1", "schlüssel", "a\0b"])
def test_a_key_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(UsageError):
        RemoteClient("http://127.0.0.1:1/v1", "m", secret=secret)


# -- what is tried again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "cut",
        "reset",
        (503, b"busy"),
        (500, {"error": {"message": "oops"}}),
        (429, b"", {"Retry-After": "0"}),
        (408, b""),
    ],
    ids=str,
)
def test_what_passes_is_tried_again(
    mimic: Mimic, ask: Callable[..., Hypothesis], fault: tuple[int | dict[str, Any] | bytes, ...] | str
) -> None:
    mimic.script = [fault, fault]
    assert ask().text == "do re"
    assert len(mimic.asked) == 3


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("reset", RemoteUnavailableError, "cannot be reached"),
        ("cut", RemoteUnavailableError, "cannot be reached"),
        ((503, {"detail": "loading"}), RemoteUnavailableError, "503: loading"),
        ((429, {"error": {"message": "slow down"}}), RemoteUnavailableError, "429: slow down"),
        ((500, b"<html>oops</html>"), EngineError, "replied 500"),
    ],
    ids=str,
)
def test_patience_has_an_end(
    mimic: Mimic,
    ask: Callable[..., Hypothesis],
    fault: tuple[int, dict[str, Any] | bytes] | str,
    error: type[Any],
    said: str,
) -> None:
    mimic.otherwise = fault
    with pytest.raises(error, match=said):
        ask()
    assert len(mimic.asked) == QUICK.retries + 1


def test_a_failure_of_a_server_that_has_worked_costs_the_chunk(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    ask()
    mimic.otherwise = (503, b"")
    with pytest.raises(EngineError):
        ask()


def test_a_refused_connection_is_reported(ask: Callable[..., Hypothesis]) -> None:
    client = RemoteClient("http://127.0.0.1:9/v1", "m", policy=QUICK)
    with pytest.raises(RemoteUnavailableError, match=r"127\.0\.0\.1:9/v1 cannot be reached") as lost:
        client.recognise(SOUND, {}, {})
    assert "run the same command again" in lost.value.hint
    client.close()


def test_a_wait_that_the_server_asks_for_is_waited_by_all(mimic: Mimic, ask: Any) -> None:
    mimic.script = [(429, b"", {"Retry-After": "1"})]
    threads = [threading.Thread(target=ask)]
    threads[0].start()
    while not mimic.asked:
        threads[0].join(0.01)
    first = mimic.asked[0].at
    while not ask.client._paused_until:
        threads[0].join(0.01)
    threads += [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mimic.asked) == 5
    assert all(asked.at >= first + 0.99 for asked in mimic.asked[1:])


@pytest.mark.parametrize("value", ["-1", "soon", "9" * 30, "Wed, 21 Oct 2015 07:28:00 GMT", ""])
def test_any_wait_can_be_read(mimic: Mimic, ask: Callable[..., Hypothesis], value: str) -> None:
    mimic.script = [(503, b"", {"Retry-After": value})]
    assert ask().text == "do re"


def test_a_server_that_forbids_a_retry_is_not_asked_again(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise = (500, {"error": {"message": "crashed"}}, {"x-should-retry": "false"})
    with pytest.raises(EngineError, match="crashed"):
        ask()
    assert len(mimic.asked) == 1


# -- what is not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}), "--remote-api-key-file"),
        ((403, b"no"), "--remote-api-key-file"),
        ((404, {"error": {"message": "no model big", "param": "model"}}), "big, small"),
        ((402, b"pay"), "account"),
        ((429, {"error": {"message": "quota", "code": "insufficient_quota"}}), "account"),
        ((405, b""), "address"),
        ((400, {"error": {"message": "The model `big` does not exist", "param": "model"}}), "big, small"),
    ],
    ids=str,
)
def test_what_dooms_every_chunk_is_said_at_once(
    mimic: Mimic, ask: Callable[..., Hypothesis], answer: tuple[int, dict[str, dict[str, str]] | bytes], hint: str
) -> None:
    mimic.otherwise = answer
    with pytest.raises(RemoteUnavailableError) as refused:
        ask()
    assert hint in refused.value.hint
    assert len(mimic.posts) == (1 if answer[0] != 400 else 5)
    assert "sesame" not in str(refused.value)


def test_models_that_cannot_be_listed_are_no_second_error(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise, mimic.models = (404, b""), (200, b"<html>")
    with pytest.raises(RemoteUnavailableError) as refused:
        ask()
    assert "/v1" in refused.value.hint


@pytest.mark.parametrize(
    ("listed", "model"),
    [
        ([{"id": "one-model"}], "one-model"),
        ([{"id": "gpt-5"}, {"id": "tts-1"}, {"id": "FunAudioLLM/SenseVoiceSmall"}], "FunAudioLLM/SenseVoiceSmall"),
        ([{"id": "whisperer-llm", "task": "chat"}, {"id": "x", "task": "automatic-speech-recognition"}], "x"),
        ([{"id": "Qwen/Qwen3-ASR-0.6B"}, {"id": "whisper-large-v3"}], "Qwen/Qwen3-ASR-0.6B"),
    ],
)
def test_a_server_without_the_usual_model_is_asked_for_one_that_it_lists(
    mimic: Mimic, listed: list[dict[str, str]], model: str
) -> None:
    unknown = (404, {"error": {"message": "The model `whisper-1` does not exist", "code": "model_not_found"}})
    mimic.models = (200, {"data": listed})
    mimic.otherwise = lambda asked: (200, WELL) if asked.one("model") == model else unknown
    with RemoteRecognizer(mimic.spec(), jobs=2) as remote:
        for future in [remote.submit(tone_audio([1]), RecognitionOptions()) for _ in range(4)]:
            assert future.result().text == "do re"
        assert remote.notices == (f"the server has no model 'whisper-1': {model!r} was used (--model)",)
    assert len(mimic.asked) - len(mimic.posts) == 1
    assert sum(asked.one("model") == model for asked in mimic.posts) == 4


@pytest.mark.parametrize(
    "models", [(200, {"data": [{"id": "gpt-5"}, {"id": "tts-1"}]}), (200, {"data": 3}), (500, b""), (200, b"[]")]
)
def test_a_server_without_a_model_that_recognises_speech_is_an_error(mimic: Mimic, models: Any) -> None:
    mimic.models, mimic.otherwise = models, (404, {"error": {"message": "The model `whisper-1` does not exist"}})
    with RemoteRecognizer(mimic.spec(), jobs=1) as remote:
        with pytest.raises(RemoteUnavailableError, match="whisper-1") as refused:
            remote.submit(tone_audio([1]), RecognitionOptions()).result()
        assert ("gpt-5, tts-1" if "gpt-5" in str(models) else "/v1") in refused.value.hint
        assert remote.notices == ()
    assert len(mimic.posts) == 1


def test_a_language_that_the_server_does_not_know(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise = (400, {"error": {"message": "unsupported language", "param": "language"}})
    with pytest.raises(LanguageNotSupportedError, match="unsupported language"):
        ask()


def test_a_chunk_that_is_too_large(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise = (413, b"")
    with pytest.raises(EngineError) as refused:
        ask()
    assert "--max-chunk" in refused.value.hint


def test_we_are_not_sent_elsewhere(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise = (307, b"", {"Location": "http://evil.example/v1"})
    with pytest.raises(RemoteUnavailableError, match=r"evil\.example"):
        ask()
    assert len(mimic.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>Log in</html>", {"Content-Type": "text/html"}), "text/html"),
        ((200, b'{"text": "half', {"Content-Type": "application/json"}), "application/json"),
        ((200, b"\x00\xff", {"Content-Type": "audio/wav"}), "audio/wav"),
        ((200, {"result": "do re"}), "without a text"),
        ((204, b""), "0 bytes"),
    ],
    ids=str,
)
def test_answers_that_are_no_transcripts(
    mimic: Mimic, ask: Callable[..., Hypothesis], answer: tuple[int | bytes | dict[str, str], ...], said: str
) -> None:
    mimic.otherwise = answer
    with pytest.raises(RemoteUnavailableError, match=said):
        ask()
    assert len(mimic.asked) == 1
    mimic.otherwise = (200, WELL)
    ask()
    mimic.otherwise = answer
    with pytest.raises(EngineError, match=said) as failed:  # now it is no wrong address, but this chunk
        ask()
    assert not isinstance(failed.value, RemoteUnavailableError)


def test_an_endless_answer_ends(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise = "endless"
    with pytest.raises(EngineError, match="endless"):
        ask()


def test_a_server_that_does_not_answer(mimic: Mimic) -> None:
    client = RemoteClient(mimic.url, "m", policy=RetryPolicy(retries=1, backoff=0.01, read=0.2))
    mimic.otherwise = "hold"
    with pytest.raises(RemoteUnavailableError, match=r"did not reply in 0\.2 s \(tried 2 times\)"):
        client.recognise(SOUND, {}, {})
    client.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_certificate_must_be_vouched_for(
    secure_mimic: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with secure_mimic(context) as mimic:
        client = RemoteClient(mimic.url, "m", secret="sesame", policy=QUICK)
        with pytest.raises(RemoteUnavailableError, match="certificate is not trusted") as refused:
            client.recognise(SOUND, {}, {})
        assert "SSL_CERT_FILE" in refused.value.hint
        assert mimic.asked == []
        client.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        client = RemoteClient(mimic.url, "m", secret="sesame", policy=QUICK)
        assert client.recognise(SOUND, {}, {}).text == "do re"
        client.close()


# -- servers that know less of the interface ---------------------------------------------------------------------------


def only(
    *formats: str, words: bool = True, extras: bool = True
) -> Callable[..., tuple[int | bytes | dict[str, Any], ...]]:
    """A server that answers these formats alone."""

    def answer(asked: Asked) -> tuple[int | bytes | dict[str, Any], ...]:
        form = asked.form["response_format"][0]
        strange = set(asked.form) & {"hotwords", "vad_filter"}
        if form not in formats or ("timestamp_granularities[]" in asked.form and not words) or (strange and not extras):
            return 400, {"error": {"message": f"{form} with {sorted(asked.form)} is not supported", "param": None}}
        return (200, b"do re\n", {"Content-Type": "text/plain"}) if form == "text" else (200, WELL)

    return answer


@pytest.mark.parametrize(
    ("server", "form", "tries"),
    [
        (only("verbose_json", extras=False), "verbose_json", 2),
        (only("verbose_json", words=False, extras=False), "verbose_json", 3),
        (only("json"), "json", 4),
        (only("text"), "text", 5),
    ],
    ids=["no extras", "no words", "json", "text"],
)
def test_less_is_asked_of_a_server_that_refuses(
    mimic: Mimic,
    ask: Callable[..., Hypothesis],
    server: Callable[..., tuple[int | bytes | dict[str, Any], ...]],
    form: str,
    tries: int,
) -> None:
    mimic.otherwise = server
    extras = {"hotwords": "do", "vad_filter": "false"}
    assert ask({}, extras).text == "do re"
    assert len(mimic.asked) == tries
    assert ask({}, extras).text == "do re"
    assert len(mimic.asked) == tries + 1  # it is known now
    assert mimic.asked[-1].one("response_format") == form


def test_a_server_that_refuses_everything_is_quoted(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    mimic.otherwise = only()
    with pytest.raises(EngineError, match=r"verbose_json with .* is not supported"):
        ask()
    assert len(mimic.asked) == 5


def test_a_refusal_of_one_chunk_changes_nothing_for_the_others(mimic: Mimic, ask: Callable[..., Hypothesis]) -> None:
    ask()
    mimic.script = [(400, {"error": {"message": "audio too short"}})]
    with pytest.raises(EngineError, match="audio too short"):
        ask()
    ask()
    assert [asked.one("response_format") for asked in mimic.asked] == ["verbose_json"] * 3


# -- the recogniser ----------------------------------------------------------------------------------------------------


def test_requests_go_out_together_and_no_more_than_asked_for(mimic: Mimic, wait_until: Callable[..., None]) -> None:
    mimic.otherwise = "hold"
    futures: list[Any] = []
    with RemoteRecognizer(mimic.spec(), jobs=3) as remote:

        def feed() -> None:
            futures.extend(remote.submit(tone_audio([tone % 8]), RecognitionOptions()) for tone in range(12))

        feeder = threading.Thread(target=feed)
        feeder.start()
        wait_until(lambda: len(mimic.asked) == 3 and len(futures) == 6)
        feeder.join(0.5)
        assert (len(mimic.asked), len(futures)) == (3, 6)  # three under way, three waiting, one at the door
        mimic.go.set()
        feeder.join()
        assert {future.result().text for future in futures} == {"do re"}
    assert len(mimic.asked) == 12


def test_closing_fails_what_is_under_way(mimic: Mimic, wait_until: Callable[..., None]) -> None:
    mimic.otherwise = "hold"
    remote = RemoteRecognizer(mimic.spec(), jobs=2)
    futures = [remote.submit(tone_audio([1]), RecognitionOptions()) for _ in range(4)]
    wait_until(lambda: len(mimic.asked) == 2)
    remote.close()
    for future in futures[2:]:
        with pytest.raises(EngineError, match="closed"):
            future.result(timeout=30)
    with pytest.raises(EngineError, match="closed"):
        remote.submit(tone_audio([1]), RecognitionOptions())
    mimic.go.set()
    for future in futures[:2]:
        assert future.exception(timeout=30) is None or isinstance(future.exception(), EngineError)


def test_closing_ends_the_waits_between_attempts(mimic: Mimic, wait_until: Callable[..., None]) -> None:
    mimic.otherwise = (503, b"", {"Retry-After": "60"})
    remote = RemoteRecognizer(mimic.spec(), jobs=1)
    future = remote.submit(tone_audio([1]), RecognitionOptions())
    wait_until(lambda: bool(mimic.asked))
    remote.close()
    with pytest.raises(EngineError):
        future.result(timeout=30)


def test_each_chunk_has_its_own_request(mimic: Mimic) -> None:
    with RemoteRecognizer(mimic.spec(model="big", audio="wav"), jobs=1) as remote:
        remote.submit(tone_audio([1]), RecognitionOptions(language="en")).result()
        heard = remote.submit(tone_audio([2]), RecognitionOptions(language="zh", prompt="p")).result()
        assert remote.submit(np.zeros(0, np.float32), RecognitionOptions()).result().text == ""
    assert heard.language == "en"  # what the server heard goes before what was asked
    first, second = mimic.asked
    assert (first.one("language"), second.one("language"), second.one("prompt")) == ("en", "zh", "p")
    assert first.one("model") == "big"
    assert first.one("file")[:4] == b"RIFF"
    assert (remote.model, remote.backend, remote.window) == ("big", "remote", 30.0)


def test_without_a_name_the_usual_one_is_asked_for(mimic: Mimic) -> None:
    with RemoteRecognizer(mimic.spec(), jobs=1) as remote:
        remote.submit(tone_audio([1]), RecognitionOptions()).result()
    assert mimic.asked[0].one("model") == "whisper-1"
    assert mimic.asked[0].one("file")[:4] == b"fLaC"
    assert len(mimic.asked) == 1


# -- servers that read no FLAC -----------------------------------------------------------------------------------------


def wav_only(*refusal: Any, dialect: str | None = None) -> Callable[..., tuple[int, dict[str, Any] | bytes] | str]:
    """A server that accepts WAV alone, in one response format (None: any); other audio gets `refusal`."""

    def answer(asked: Asked) -> tuple[int, dict[str, Any] | bytes] | str:
        if asked.one("file")[:4] != b"RIFF":
            return refusal if len(refusal) > 1 else refusal[0]
        if dialect is not None and asked.one("response_format") != dialect:
            return 400, {"error": {"message": "unsupported format"}}
        return 200, WELL

    return answer


NO_FLAC = {
    "500": (500, {"error": {"message": "internal"}}),
    "501": (501, b"not implemented"),
    "400": (400, {"error": {"message": "Invalid file format"}}),
    "415": (415, b"unsupported media type"),
    "422": (422, {"detail": "cannot decode"}),
    "an error with status 200": (200, {"error": "cannot decode"}),
    "no reply": ("reset",),
}


@pytest.mark.parametrize("dialect", [None, "json"])
@pytest.mark.parametrize("refusal", NO_FLAC.values(), ids=NO_FLAC)
def test_wav_is_sent_to_a_server_that_reads_no_flac_and_remembered(
    mimic: Mimic, refusal: tuple[Any, ...], dialect: str | None
) -> None:
    mimic.otherwise = wav_only(*refusal, dialect=dialect)
    with RemoteRecognizer(mimic.spec(), jobs=1) as remote:
        for expected in (None, 1):
            before = len(mimic.posts)
            assert remote.submit(tone_audio([1]), RecognitionOptions()).result(30).text == "do re"
            assert expected in {None, len(mimic.posts) - before}
    assert mimic.posts[-1].one("file")[:4] == b"RIFF"
    assert len(mimic.posts) <= 10


def test_many_threads_find_out_together(mimic: Mimic) -> None:
    mimic.otherwise = wav_only(500, b"")
    with RemoteRecognizer(mimic.spec(), jobs=4) as remote:
        futures = [remote.submit(tone_audio([1]), RecognitionOptions()) for _ in range(24)]
        assert {future.result(30).text for future in futures} == {"do re"}
    assert len(mimic.posts) <= 24 + 4


def test_a_failure_after_flac_was_accepted_is_retried_in_flac(mimic: Mimic) -> None:
    with RemoteRecognizer(mimic.spec(), jobs=1) as remote:
        remote.submit(tone_audio([1]), RecognitionOptions()).result(30)
        mimic.script = [(500, b"")]
        assert remote.submit(tone_audio([1]), RecognitionOptions()).result(30).text == "do re"
    assert {asked.one("file")[:4] for asked in mimic.posts} == {b"fLaC"}


@pytest.mark.parametrize(("audio", "head"), [("flac", b"fLaC"), ("wav", b"RIFF")])
def test_a_format_that_the_user_names_is_kept(mimic: Mimic, audio: str, head: bytes) -> None:
    mimic.script = [(400, {"error": {"message": "no"}})] * 5
    with RemoteRecognizer(mimic.spec(audio=audio), jobs=1) as remote, pytest.raises(EngineError) as refused:
        remote.submit(tone_audio([1]), RecognitionOptions()).result(30)
    assert {asked.one("file")[:4] for asked in mimic.posts} == {head}
    assert ("--remote-audio wav" in refused.value.hint) == (audio == "flac")


def test_a_server_that_fails_for_wav_as_well_is_retried_by_the_policy(mimic: Mimic) -> None:
    mimic.otherwise = (500, {"error": {"message": "out of order"}})
    client = RemoteClient(mimic.url, "m", policy=QUICK)
    chunk = EncodedChunk(
        data=b"fLaC", form="flac", seconds=1.0, as_wav=lambda: replace(chunk, data=b"RIFF", form="wav")
    )
    with pytest.raises(EngineError, match="out of order"):
        client.recognise(chunk, {}, {})
    client.close()
    assert [asked.one("file")[:4] for asked in mimic.posts] == [b"fLaC", b"RIFF", *[b"fLaC"] * (1 + QUICK.retries)]


# -- several threads ---------------------------------------------------------------------------------------------------


def test_a_refusal_in_flight_is_asked_again_in_the_form_that_another_thread_found(
    mimic: Mimic, wait_until: Callable[..., None]
) -> None:
    """The first request is refused only after the second has succeeded with less."""
    found = threading.Event()

    def answer(asked: Asked) -> tuple[int, dict[str, Any]]:
        if asked.one("response_format") == "json":
            return 200, WELL
        if asked.one("file") == b"slow":
            found.wait(30)
        return 400, {"error": {"message": "verbose_json is not supported"}}

    mimic.otherwise = answer
    client = RemoteClient(mimic.url, "m", policy=QUICK)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(client.recognise, replace(SOUND, data=b"slow"), {}, {})
        wait_until(lambda: len(mimic.posts) == 1)
        assert client.recognise(SOUND, {}, {}).text == "do re"
        found.set()
        assert slow.result(30).text == "do re"
    client.close()
    slow_posts = [asked for asked in mimic.posts if asked.one("file") == b"slow"]
    assert [asked.one("response_format") for asked in slow_posts] == ["verbose_json", "json"]


def test_close_answers_every_future(mimic: Mimic, wait_until: Callable[..., None]) -> None:
    mimic.otherwise = "hold"
    remote = RemoteRecognizer(mimic.spec(), jobs=2)
    futures = [remote.submit(tone_audio([1]), RecognitionOptions()) for _ in range(4)]
    wait_until(lambda: len(mimic.posts) == 2)
    blocked = []

    def submit() -> None:
        try:
            blocked.append(remote.submit(tone_audio([1]), RecognitionOptions()).exception(30))
        except EngineError as error:
            blocked.append(error)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    remote.close()
    for future in futures:
        with pytest.raises(EngineClosedError):
            future.result(5)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert [type(error) for error in blocked] == [EngineClosedError] * 8

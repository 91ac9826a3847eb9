"""Status numbers, hotwords and text options of Aliyun's REST and WebSocket interfaces."""

from collections.abc import Iterable
from typing import Any

from asrcli.options import Hotword, TextOptions
from asrcli.server.errors import Problem
from asrcli.server.http.values import hotwords
from asrcli.transcript import Word

SUCCESS = 20000000

#: HTTP status -> (Aliyun's status, funasr-api's error code)
_BY_HTTP = {
    401: (40000001, "AUTHENTICATION_FAILED"),
    404: (40000003, "INVALID_PARAMETER"),
    408: (40000004, "IDLE_TIMEOUT"),
    413: (40000002, "INVALID_MESSAGE"),
    429: (40000005, "TOO_MANY_REQUESTS"),
}
_BY_CODE = {
    "not_found": (40010001, "DEFAULT_CLIENT_ERROR"),
    "invalid_audio": (40270003, "DECODE_ERROR"),
    "unsupported_sample_rate": (41010101, "UNSUPPORTED_SAMPLE_RATE"),
    "empty_audio": (40000002, "INVALID_MESSAGE"),
    "unsupported_language": (40000003, "INVALID_PARAMETER"),
    "invalid_request": (40000003, "INVALID_PARAMETER"),
    "forbidden": (40000003, "INVALID_PARAMETER"),  # clients renew their token after 40000001
}


def vocabulary(value: object) -> tuple[Hotword, ...]:
    """`vocabulary_id`: words and weights in turn, as funasr-api takes them; ids of Aliyun's own tables are ignored.
    Raises RequestError: they cannot be read.
    """
    words = value.split() if isinstance(value, str) else []
    if len(words) < 2:
        return ()
    given: object = {words[0]: words[1]} if len(words) == 2 and words[1].isdecimal() else value
    return hotwords(given, "vocabulary_id", spaced=True)


def word_tokens(words: Iterable[Word]) -> list[dict[str, Any]]:
    """funasr-api's words, with seconds from the start of the recording."""
    return [{"text": word.text, "start_time": round(word.start, 3), "end_time": round(word.end, 3)} for word in words]


def speaker_fields(speaker: str | None) -> dict[str, str]:
    """The speaker of a sentence or word, as funasr-api names it; {}: none."""
    return {} if speaker is None else {"speaker_id": speaker.replace("Speaker ", "说话人")}


def text_options(*, marks: bool, disfluency: bool) -> TextOptions:
    """Text options of `enable_punctuation_prediction` and `disfluency`."""
    return TextOptions(punctuation=None if marks else False, strip_marks=not marks, drop_fillers=disfluency)


def status_of(problem: Problem) -> tuple[int, str]:
    """Aliyun's status and funasr-api's error code of a problem."""
    if problem.status >= 500:
        return 50000000, "DEFAULT_SERVER_ERROR"
    return _BY_CODE.get(problem.code) or _BY_HTTP.get(problem.status) or (40000000, "DEFAULT_CLIENT_ERROR")

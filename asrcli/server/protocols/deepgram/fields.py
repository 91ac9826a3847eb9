"""Query parameters, words and errors of Deepgram's `/v1/listen`."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import QueryParams

from asrcli.options import RecognitionOptions
from asrcli.server.errors import Problem, RequestError
from asrcli.server.http.values import flag, hotwords, language, number
from asrcli.server.live.pcm import MAX_CHANNELS, RATES, PcmForm
from asrcli.text.steps.strip_punctuation import bare_word
from asrcli.transcript import Word

#: Deepgram's name of an encoding -> ours; others are containers
_ENCODINGS = {"linear16": "s16le", "linear32": "f32le", "mulaw": "mulaw", "alaw": "alaw"}
#: languages that mean detection
_DETECT = frozenset({"multi", "auto"})
#: without them the result would hold what the client does not want to have, or go elsewhere
_REFUSED = ("callback", "multichannel", "profanity_filter", "redact", "replace")


class ListenFields:
    """The parameters of a request. The reader methods raise RequestError: a value is not valid."""

    def __init__(self, query: QueryParams) -> None:
        self._query = query

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        found = flag(self._query.get(name), name)
        return default if found is None else found

    def check(self) -> None:
        """Refuse what would change the result and is not supported."""
        for name in _REFUSED:
            if self._query.get(name, "false").lower() != "false":
                raise RequestError(f"`{name}` is not supported.", "Send the request without it.", param=name)

    @property
    def model(self) -> str | None:
        return self._query.get("model")

    @property
    def form(self) -> PcmForm | None:
        """Of samples; None: a container."""
        encoding = _ENCODINGS.get(self._query.get("encoding", ""))
        if encoding is None:
            return None
        rate = number(self._query.get("sample_rate"), "sample_rate", RATES.start, RATES.stop - 1)
        channels = number(self._query.get("channels", 1), "channels", 1, MAX_CHANNELS)
        return PcmForm(round(rate), round(channels), encoding)

    @property
    def silence(self) -> float:
        """Seconds of a pause that ends an utterance."""
        given = self._query.get("endpointing", "true")
        if given.lower() == "true":
            return 0.5
        if given.lower() == "false":
            return 10.0
        return max(0.2, number(given, "endpointing", 0, 10_000) / 1000)

    async def recognition(self) -> RecognitionOptions:
        """What the model gets."""
        spoken = self._query.get("language")
        detects = self.flag("detect_language") or (spoken or "").lower() in _DETECT
        given = [*self._query.getlist("keyterm"), *(word.partition(":")[0] for word in self._query.getlist("keywords"))]
        return RecognitionOptions(
            language=None if detects else language(spoken),
            hotwords=await asyncio.to_thread(hotwords, [each for each in given if each.strip()], "keyterm"),
            itn=self.flag("smart_format") or self.flag("numerals"),
        )


def alternative(
    text: str, words: Iterable[Word], numbers: dict[str, int], unknown: float | None = None
) -> dict[str, Any]:
    """A transcript with its words. `numbers` are those of speakers; new ones get the next number. `unknown`: the
    confidence if the model reports none; None: it is left out.
    """
    shown = [_word(word, numbers, unknown) for word in words]
    known = [each["confidence"] for each in shown if "confidence" in each]
    sure = round(sum(known) / len(known), 4) if known else unknown
    return {"transcript": text, "words": shown} | ({} if sure is None else {"confidence": sure})


def _word(word: Word, numbers: dict[str, int], unknown: float | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "word": bare_word(word.text).lower() or word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
    }
    sure = unknown if word.confidence is None else round(word.confidence, 4)
    body |= ({} if sure is None else {"confidence": sure}) | {"punctuated_word": word.text}
    if word.speaker is not None:
        body["speaker"] = numbers.setdefault(word.speaker, len(numbers))
    return body


def metadata(request_id: str, duration: float, channels: int = 1) -> dict[str, Any]:
    """Facts about a request."""
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    common = {"transaction_key": "deprecated", "request_id": request_id, "sha256": "", "created": created}
    return common | {"duration": round(duration, 3), "channels": channels}


def model_info(name: str) -> dict[str, Any]:
    """The model that was used."""
    return {"name": name, "version": "", "arch": name}


def error_body(problem: Problem) -> dict[str, Any]:
    """The keys that clients of Deepgram read."""
    return {"err_code": problem.code, "err_msg": problem.message, "request_id": ""}

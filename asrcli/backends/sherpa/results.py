"""sherpa-onnx's result of one stream as a `Hypothesis`: text without tags, tokens with times and word boundaries."""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asrcli.backends.notes import without_notes
from asrcli.backends.sherpa.token_table import BYTE_ALPHABET, WORD_MARK
from asrcli.backends.types import TAG, Hypothesis, Token, tag_name, without_tags

#: a byte that is not UTF-8, see `_symbols`
_SURROGATE = re.compile("[\udc80-\udcff]")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
#: tokens that are no text; FunASR leaves them out as well
_NO_TEXT = re.compile(r" ?(?:<unk>|<UNK>|<blank>|<blk>|<s>|</s>|<sos/eos>|<pad>)")


@dataclass(frozen=True, slots=True)
class ResultReader:
    """How the results of one model are read."""

    tagged: bool = False
    #: Paraformer marks what continues ("hel@@ lo") instead of what begins
    joins_with_at: bool = False
    byte_bpe: bool = False
    #: the times come from the sound; Fun-ASR-Nano's engine spreads its tokens evenly over the chunk
    timed: bool = True
    #: sounds are written as notes between the words
    notes: bool = False

    def read(self, result: Any, duration: float) -> Hypothesis:
        """Convert a `sherpa_onnx.OfflineRecognitionResult`; no token ends after `duration` (s)."""
        text = _NO_TEXT.sub("", without_tags(result.text)).strip()
        event = None
        if self.notes:
            text, event = without_notes(text)
        tokens = tuple(self._tokens(result, duration))
        language = tag_name(getattr(result, "lang", ""))
        end = _segments_end(result)
        hypothesis = Hypothesis(text, tokens if text else (), language=language, event=event, end=end)
        if self.tagged:
            return replace(hypothesis, emotion=tag_name(result.emotion), event=tag_name(result.event))
        return hypothesis

    def _tokens(self, result: Any, duration: float) -> Iterable[Token]:
        try:
            symbols = _symbols(result)
        except (ValueError, KeyError):  # the text has no times
            return []
        columns = zip(
            symbols,
            _column(result.timestamps if self.timed else (), len(symbols)),
            _column(getattr(result, "durations", ()), len(symbols)),
            _column(getattr(result, "ys_log_probs", getattr(result, "ys_probs", ())), len(symbols)),
            strict=True,
        )
        tokens = [
            _token(symbol, start, length, logprob, duration)
            for symbol, start, length, logprob in columns
            if not TAG.fullmatch(symbol) and not _NO_TEXT.fullmatch(symbol)
        ]
        if self.joins_with_at:
            return _with_spaces(tokens)
        if self.byte_bpe:
            return _characters(tokens, _spelled)
        if any(_SURROGATE.search(token.text) or _BYTE.fullmatch(token.text) for token in tokens):
            return _characters(tokens, _byte_or_text)
        return tokens


def token_count(result: Any) -> int:
    """How many tokens the engine emitted, marks of time included."""
    # A segment begins and ends with a mark of time, but the last may lack its end.
    return len(_symbols(result)) + 2 * len(getattr(result, "segment_texts", ()))


def _symbols(result: Any) -> list[str]:
    """The tokens; bytes that are not UTF-8 (pieces of byte-level vocabularies) as lone surrogates."""
    try:
        return list(result.tokens)
    except UnicodeDecodeError:
        pass
    try:
        raw = str(result).encode()
    except UnicodeDecodeError as error:
        raw = error.object  # its JSON as bytes
    return list(json.loads(raw.decode("utf-8", "surrogateescape"), strict=False)["tokens"])


def _segments_end(result: Any) -> float | None:
    """Where Whisper's last segment ends, seconds from the chunk's start; None without segments."""
    starts: Sequence[float] = getattr(result, "segment_timestamps", ())
    lengths: Sequence[float] = getattr(result, "segment_durations", ())
    return starts[-1] + lengths[-1] if starts and len(starts) == len(lengths) else None


def _token(text: str, start: float | None, length: float | None, logprob: float | None, duration: float) -> Token:
    if start is not None:
        start = min(max(start, 0.0), duration)
    end = min(start + length, duration) if start is not None and length else None
    # Greedy decoders report a score that rounding may lift above certainty.
    return Token(text, start, end, min(logprob, 0.0) if logprob is not None else None)


def _column(values: Sequence[float], length: int) -> list[float | None]:
    """One number a token; None for all where the engine gave another count, and for what is no number."""
    if len(values) != length:
        return [None] * length
    return [value if math.isfinite(value) else None for value in values]


def _with_spaces(tokens: list[Token]) -> Iterable[Token]:
    """From "goes on here" to "begins here", as the engine's own text does: spaces before and after Latin words."""
    joined = True
    for index, token in enumerate(tokens):
        latin = token.text[:1].isascii()
        after_latin = index > 0 and tokens[index - 1].text[:1].isascii()
        space = index > 0 and (not joined if latin else after_latin)
        joined = token.text.endswith("@@")
        yield replace(token, text=(" " if space else "") + token.text.removesuffix("@@"))


def _characters(tokens: list[Token], to_bytes: Callable[[str], bytes]) -> Iterable[Token]:
    """Join tokens that spell bytes until they spell characters."""
    held: list[Token] = []
    spelled = b""
    for token in tokens:
        held.append(token)
        spelled += to_bytes(token.text)
        try:
            text = spelled.decode()
        except UnicodeDecodeError as error:
            if error.end == len(spelled) and error.reason == "unexpected end of data":
                continue
            text = spelled.decode("utf-8", "ignore")
        if text:
            yield replace(held[0], text=text, end=held[-1].end, logprob=_sum(held))
        held, spelled = [], b""


def _sum(tokens: list[Token]) -> float | None:
    scores = [token.logprob for token in tokens if token.logprob is not None]
    return sum(scores) if len(scores) == len(tokens) else None


def _spelled(symbol: str) -> bytes:
    """Icefall's byte alphabet; the mark of a word's beginning is a space."""
    return bytes(0x20 if character == WORD_MARK else BYTE_ALPHABET.get(character, 0x3F) for character in symbol)


def _byte_or_text(symbol: str) -> bytes:
    match = _BYTE.fullmatch(symbol)
    return bytes([int(match[1], 16)]) if match else symbol.encode("utf-8", "surrogateescape")

"""Boundaries of Chinese words, by rjieba (extra `chinese`). Without it, and in other languages, none are known."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import accumulate

from asrcli.script import is_cjk
from asrcli.text.subtitles.pieces import Piece

_CHINESE = frozenset({"zh", "yue"})


def inside_words(pieces: Sequence[Piece]) -> frozenset[int]:
    """The pieces before which a break would divide a Chinese word."""
    if not any(_is_chinese(piece) for piece in pieces) or find_spec("rjieba") is None:
        return frozenset()
    import rjieba

    texts = [(" " if piece.space else "") + piece.word.text for piece in pieces]
    boundaries = {0, *accumulate(map(len, rjieba.cut("".join(texts))))}
    out = set()
    at = 0
    for index, (piece, text) in enumerate(zip(pieces, texts, strict=True)):
        if index and not piece.space and at not in boundaries and _is_chinese(piece) and _is_chinese(pieces[index - 1]):
            out.add(index)
        at += len(text)
    return frozenset(out)


def _is_chinese(piece: Piece) -> bool:
    """Han characters, unless the language is another."""
    return (not piece.language or piece.language in _CHINESE) and is_cjk(piece.word.text[0]) and not _is_kana(piece)


def _is_kana(piece: Piece) -> bool:
    return "\u3040" <= piece.word.text[0] <= "\u30ff"

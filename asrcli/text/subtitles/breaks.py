"""Cost of ending a cue or a line between two words.

The order follows the broadcasters' guides: after a sentence, after a clause, before a conjunction or preposition;
never between an article or preposition and its noun, nor inside a name, a number, or a number and its unit.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

from asrcli.assemble.sentences import Ending, ending
from asrcli.script import CLAUSE_ENDS, CLOSERS, OPENERS, SENTENCE_ENDS, is_cjk

#: costs of a break; the unit is one more cue
SENTENCE = 0.0
CLAUSE = 1.0
BEFORE_CONJUNCTION = 2.4
BEFORE_PREPOSITION = 3.2
PLAIN = 4.0
IN_NAME = 6.0
AFTER_FUNCTION_WORD = 7.0
IN_CJK_RUN = 5.0
AFTER_CJK_PARTICLE = 3.0
#: between two kana that may be the particle は or が and what it marks, or the middle of a word
AFTER_CJK_TOPIC = 4.5
#: only where nothing else is possible: inside a word of several characters; inside a number wider than a line
IN_WORD = 500.0
GLUED = 1000.0

#: a quote may open as well as close
OPENING = OPENERS | {'"', "'"}
_ENDS = SENTENCE_ENDS | CLAUSE_ENDS | CLOSERS
#: marks that never begin a line (JIS X 4051 and GB/T 15834 agree on these)
_NEVER_FIRST = _ENDS - frozenset("\"'") | frozenset("%‰℃°ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々ゝゞ・·~～")
_NEVER_LAST = frozenset("$€£¥₩₽№#@＃￥") | OPENERS

_DIGITS = re.compile(r"[-+−]?[.,:/٫٬]*\d[\d.,:/٫٬]*")
_INITIAL = re.compile(r"[^\W\d_]\.")


def _set(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_LEXICON = json.loads(files("asrcli.text.subtitles").joinpath("lexicon.json").read_text("utf-8"))
#: by language: articles, prepositions, possessives, auxiliaries, which belong to the word after them
FUNCTION_WORDS = {language: _set(lines) for language, lines in _LEXICON["function words"].items()}
CONJUNCTIONS = {language: _set(lines) for language, lines in _LEXICON["conjunctions"].items()}
#: before a name; not separated from the number before them
TITLES, UNITS = _set(_LEXICON["titles"]), _set(_LEXICON["units"])
CJK_COUNTERS = frozenset(
    "年月日号號时時点點分秒元円块塊万萬億亿千百十个個人次名位米克斤吨里度岁歳歲天周週章条回台本枚匹件％%第"
)
HAN_NUMERALS = frozenset("零〇一二三四五六七八九十百千万萬亿億两兩第")
#: after these a phrase of Chinese usually ends
CJK_PARTICLES = frozenset("的了着过吗呢吧啊呀嘛地得")


@lru_cache(maxsize=65536)
def price(before: str, after: str, space: bool, language: str) -> float:
    """The cost of a break between two neighbouring words, without pauses; `space`: a space is written between them;
    `language` "": English word lists are used.
    """
    if glued(before, after, space):
        return GLUED
    end = ending(before, after)
    if end is not Ending.NONE:
        return SENTENCE if end is Ending.SENTENCE else CLAUSE
    if is_cjk(before[-1]) or is_cjk(after[0]):
        return _cjk_price(before, after)
    return _word_price(before, after, language)


def glued(before: str, after: str, space: bool) -> bool:
    """Whether a break is a last resort: inside a word, number, quantity, or between title and name."""
    last, first = before[-1], after[0]
    if not space and (first in _NEVER_FIRST or last in _NEVER_LAST or not (is_cjk(last) or is_cjk(first))):
        return True
    if last in _NEVER_LAST and last not in OPENING:
        return True
    if _joins_number(before, after):
        return True
    word = before.lstrip("".join(OPENING))
    initial = _INITIAL.fullmatch(word) is not None and word[0].isupper() and first.isupper()
    return space and (initial or word.lower() in TITLES)


def _joins_number(before: str, after: str) -> bool:
    core = before.lstrip("".join(OPENING) + "$€£¥₩₽~≈<>")
    if not _DIGITS.fullmatch(core):
        if before[-1].isdigit() and after[0] in CJK_COUNTERS:
            return True  # 用ChatGPT140 万次: Latin letters and digits form one word
        return before[-1] in HAN_NUMERALS and after[0] in HAN_NUMERALS | CJK_COUNTERS
    if core[-1] in ",.:/" and not after[0].isdigit():
        return False  # the mark closes a clause
    tail = after.rstrip("".join(_ENDS))
    return after[0].isdigit() or tail in UNITS or tail.lower() in UNITS or after[0] in CJK_COUNTERS


def _cjk_price(before: str, after: str) -> float:
    last, first = before[-1], after[0]
    if not (is_cjk(last) and is_cjk(first)):
        return BEFORE_PREPOSITION  # between a Latin word and Chinese or Japanese text
    if _katakana(last) and _katakana(first):
        return IN_WORD
    if _hiragana(last) or _hiragana(first):
        return _kana_price(last, first)
    return AFTER_CJK_PARTICLE if last in CJK_PARTICLES else IN_CJK_RUN


def _kana_price(last: str, first: str) -> float:
    """Japanese: a change from hiragana to another script usually begins a phrase; an ending belongs to its stem."""
    if last == "を" or not _hiragana(first):
        return AFTER_CJK_PARTICLE
    return AFTER_CJK_TOPIC if last in "はが" else AFTER_FUNCTION_WORD


def _word_price(before: str, after: str, language: str) -> float:
    words = FUNCTION_WORDS.get(language, FUNCTION_WORDS["en"])
    conjunctions = CONJUNCTIONS.get(language, CONJUNCTIONS["en"])
    last, first = _bare(before), _bare(after)
    if last in words or last in conjunctions:
        return AFTER_FUNCTION_WORD
    if first in conjunctions:
        return BEFORE_CONJUNCTION
    if _core(before)[:1].isupper() and _core(after)[:1].isupper() and language != "de":
        return IN_NAME
    if first in words:
        return BEFORE_PREPOSITION
    return PLAIN


def _core(text: str) -> str:
    return text.strip("\"'“”‘’«»()[]")


def _bare(text: str) -> str:
    return _core(text).lower()


def _hiragana(char: str) -> bool:
    return "\u3041" <= char <= "\u309f"


def _katakana(char: str) -> bool:
    return "\u30a0" <= char <= "\u30ff"

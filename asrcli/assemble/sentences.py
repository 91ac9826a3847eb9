"""Where sentences and clauses end."""

import re
from enum import IntEnum

from asrcli.script import CLAUSE_ENDS, CLOSERS, SENTENCE_ENDS

#: what may follow a full stop
_AFTER_MARKS = "".join(CLOSERS) + " "
#: abbreviations (lower case, without their full stop) that a name follows
_BEFORE_NAMES = re.compile(
    r"mr|mrs|ms|mx|dr|prof|rev|fr|sr|st|mt|ft|gen|col|capt|lt|sgt|maj|cmdr|adm|gov|sen|rep|pres|hon|messrs|mme|mlle"
    r"|vs|cf|approx|hr|frl|bzw|ca|evtl|ggf"
)
#: and those that a number follows
_BEFORE_NUMBERS = re.compile(
    r"no|nos|nr|vol|vols|p|pp|fig|figs|eq|ch|sec|art|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec"
)
#: after these, a capital letter starts a new sentence
_OF_TIME = frozenset({"a.m", "p.m"})
_INITIALS = re.compile(r"^(?:[^\W\d_]\.)+$")


class Ending(IntEnum):
    """How strongly a word's punctuation divides it from the next."""

    NONE = 0
    CLAUSE = 1
    SENTENCE = 2


def ending(word: str, following: str) -> Ending:
    """How a word ends, given the next one ("" if there is none or it is not known yet)."""
    bare = word.rstrip(_AFTER_MARKS)
    if not bare:
        return Ending.NONE
    last = bare[-1]
    if last in CLAUSE_ENDS:
        return Ending.CLAUSE
    if last not in SENTENCE_ENDS:
        return Ending.NONE
    if last == "." and _is_abbreviation(bare, following):
        return Ending.NONE
    if last in "….?!" and following[:1].islower():
        # "What?" he asked. Well... maybe.
        return Ending.CLAUSE
    return Ending.SENTENCE


def _is_abbreviation(word: str, following: str) -> bool:
    """Whether the full stop at the end of a word marks an abbreviation and no end."""
    if not following:
        return False
    bare = word.lstrip("\"'“‘«([{")
    stem = bare.rstrip(".").lower()
    if _BEFORE_NAMES.fullmatch(stem):
        return True
    if _BEFORE_NUMBERS.fullmatch(stem) and following[0].isdigit():
        return True
    if stem in _OF_TIME:
        return not following[0].isupper()
    # J. Smith, e.g. this, the U.S. economy. "It was I." is the one sentence that ends in a lone letter.
    return bool(_INITIALS.match(bare)) and stem != "i"

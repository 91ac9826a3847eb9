"""Hotwords for sherpa-onnx: phrases for the beam search, or context in a prompt."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from asrcli.backends.sherpa.token_table import TokenTable
from asrcli.errors import OptionNotSupportedError
from asrcli.options import Hotword

#: sherpa-onnx's default score of a token and the FunASR weight that we take for it
_SCORE, _WEIGHT = 1.5, 20.0

#: "/" separates phrases; a word that begins with one of the others is read as a score, a threshold or a name
_RESERVED = re.compile(r"[/\s]+|(?:^|(?<=\s))[:#@]+")
_UNITS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\S", re.ASCII)


def beam_phrases(hotwords: Sequence[Hotword], tokens: TokenTable) -> str:
    """The argument of `create_stream`: phrases separated by "/", each with its score a token.

    Letters are written in the case that the vocabulary is written in.
    """
    phrases = []
    for hotword in hotwords:
        text = _in_case_of(_clean(hotword.text), tokens)
        if text:
            phrases.append(f"{text} :{_SCORE * hotword.weight / _WEIGHT:.3f}")
    return "/".join(phrases)


def prompt_phrases(hotwords: Sequence[Hotword], context: str) -> str:
    """The stream option `hotwords` of models that take a prompt: phrases separated by commas."""
    texts = [*(hotword.text for hotword in hotwords), context]
    return ",".join(cleaned for text in texts if (cleaned := _clean(text.replace(",", " "))))


def check_beam(hotwords: Sequence[Hotword], options: Mapping[str, Any], tokens: TokenTable) -> None:
    """Check that each hotword can be spelled in the model's tokens; the engine would boost an incomplete one. Raises
    OptionNotSupportedError: a unit of a hotword is not in the vocabulary.
    """
    if "bpe" in options.get("modeling_unit", ""):
        return  # its `bpe_vocab` spells anything
    for hotword in hotwords:
        for unit in _UNITS.findall(_in_case_of(_clean(hotword.text), tokens)):
            if unit not in tokens.symbols:
                raise OptionNotSupportedError(
                    f'The model cannot favour the hotword "{hotword.text}": "{unit}" is not among its tokens.',
                    "Leave it out; for a model with word pieces set the options modeling_unit and bpe_vocab.",
                )


def _clean(text: str) -> str:
    return " ".join(_RESERVED.sub(" ", text).split())


def _in_case_of(text: str, tokens: TokenTable) -> str:
    letters = {
        character for symbol in tokens.symbols if "<" not in symbol for character in symbol if "A" <= character <= "z"
    }
    if letters and all(letter.isupper() for letter in letters if letter.isalpha()):
        return text.upper()
    if letters and all(letter.islower() for letter in letters if letter.isalpha()):
        return text.lower()
    return text

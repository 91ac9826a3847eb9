"""`tokens.txt`, the vocabulary of a model, and the byte-level alphabets that some of them use."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from asrcli.errors import ModelError

#: Lines of a symbol, a space and its number. Other forms are right, too.
_USUAL = re.compile(rb"(?:\S*+ \d++(?:\r?\n|\Z))++")
#: SentencePiece's mark of a word's beginning
WORD_MARK = "▁"


@dataclass(frozen=True, slots=True)
class TokenTable:
    """A vocabulary."""

    symbols: frozenset[str]
    #: number of symbols
    size: int
    #: the one with the highest number
    last: str
    #: the one with the lowest number
    first: str = ""

    @property
    def byte_bpe(self) -> bool:
        """Symbols spell UTF-8 bytes in icefall's alphabet (`BYTE_ALPHABET`) instead of characters."""
        alphabet = BYTE_ALPHABET.keys()
        spelled = [symbol.removeprefix(WORD_MARK) for symbol in self.symbols]
        # The alphabet begins with ASCII, which any vocabulary may be made of; what marks it is the rest.
        return all(character in alphabet for symbol in spelled for character in symbol) and any(
            character >= "ƀ" for symbol in spelled for character in symbol
        )


def read_tokens(path: Path) -> TokenTable:
    """Read a vocabulary. Raises ModelError: a line is not "symbol id" (the engine would end its process)."""
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


def check_tokens(path: Path) -> None:
    """Check a vocabulary as `read_tokens`, in a tenth of its time."""
    data = path.read_bytes()
    first = data.split(b"\n", 1)[0].rstrip()
    if _USUAL.fullmatch(data) is None or not first.endswith(b" 0") or first.startswith(b"\xef\xbb\xbf"):
        read_tokens(path)


@lru_cache(maxsize=16)
def _read(path: Path, _mtime: int, _size: int) -> TokenTable:
    symbols: dict[int, str] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        # A line of one column is the id of the space.
        *symbol, identifier = line.split() or [b"0"]
        if len(symbol) > 1 or not identifier.lstrip(b"-").isdigit():
            shown = line.decode("utf-8", "replace").strip()
            raise ModelError(
                f'{path}, line {number}: "{shown}" is not a symbol and its number.',
                "The model's tokens.txt is damaged or another file; download it again.",
            )
        symbols[int(identifier)] = symbol[0].decode("utf-8", "replace") if symbol else " "
    if not symbols:
        raise ModelError(f"{path} holds no tokens.", "The model's tokens.txt is damaged; download it again.")
    if symbols.get(0, "").startswith("\ufeff"):
        raise ModelError(f"{path} begins with a byte-order mark.", "Save it as UTF-8 without one.")
    if min(symbols) > 0:
        raise ModelError(
            f"{path} begins with token {min(symbols)}, not 0: each word would be another one.",
            "It belongs to another program: take the tokens.txt of the model.",
        )
    return TokenTable(frozenset(symbols.values()), len(symbols), symbols[max(symbols)], symbols[min(symbols)])


def _byte_alphabet() -> dict[str, int]:
    # Printable ASCII is unchanged; the other bytes, in order, take the letters from U+0100 on that have no
    # compatibility form (icefall, `byte_utils.py`).
    printable = range(0x20, 0x7F)
    letters = (chr(code) for code in range(0x100, 0x200) if not unicodedata.decomposition(chr(code)).startswith("<"))
    table = {chr(byte) if byte in printable else next(letters): byte for byte in range(256)}
    return {**table, "⁇": 0x20}


#: character -> byte
BYTE_ALPHABET: dict[str, int] = _byte_alphabet()

"""`--partial`: the sentence that is being spoken, in the last line of a terminal."""

import shutil
import sys
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Self

from rich.cells import cell_len

from asrcli.cli.framework.console import plain
from asrcli.cli.report.progress import Lines

_CLEAR = "\r\x1b[K"
_MORE = "... "


class GrowingLine(Lines):
    """The lines of `Lines`, and below them the growing sentence. A context manager: it is cleared at the end."""

    _shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.show("")

    def show(self, text: str) -> None:
        """Replace the sentence; "" clears it."""
        line = _tail(plain(text), shutil.get_terminal_size().columns - 1)
        if line != self._shown:
            self._shown = line
            sys.stderr.write(_CLEAR + (self.console.style(line, "dim") if line else ""))
            sys.stderr.flush()

    def before(self, emit: Callable[[int, str | bytes], None]) -> Callable[[int, str | bytes], None]:
        """A receiver of results that clears the sentence first: stdout may be the same terminal."""

        def write(index: int, text: str | bytes) -> None:
            if text:
                self.show("")
            emit(index, text)

        return write

    def say(self, text: str) -> None:
        self.show("")
        super().say(text)

    def always(self, *texts: Any) -> None:
        self.show("")
        super().always(*texts)


def _tail(text: str, width: int) -> str:
    """The end of a text that fits into so many cells."""
    if cell_len(text) <= width:
        return text
    widths = accumulate(cell_len(char) for char in reversed(text))
    fitting = sum(each <= width - len(_MORE) for each in widths)
    return _MORE + text[len(text) - fitting :]

"""How a download shows itself: a bar on a terminal, lines elsewhere, events with `--log-json`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asrcli.cli.framework.console import Console
from asrcli.storage.http import Progress


@contextmanager
def download_progress(console: Console, name: str) -> Iterator[Progress]:
    """A progress callback for the download of a model; nothing is shown before it is first called."""
    if console.quiet:
        yield lambda _done, _total: None
    elif sys.stderr.isatty() and not console.log_json:
        with _bar(name) as progress:
            yield progress
    else:
        yield _lines(console, name)


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    from tqdm import tqdm

    bars: list[Any] = []

    def progress(done: int, total: int | None) -> None:
        if not bars:  # what an earlier run brought does not count as speed
            bars.append(tqdm(desc=name, total=total, initial=done, unit="B", unit_scale=True))
        bars[0].total = total
        bars[0].update(done - bars[0].n)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.close()


def _lines(console: Console, name: str) -> Progress:
    shown = -1

    def progress(done: int, total: int | None) -> None:
        # Every tenth of a known length, every 50 MB of an unknown one.
        nonlocal shown
        step = done // (50 * 10**6) if total is None else 10 * done // max(total, 1)
        if step == shown:
            return
        shown = step
        if console.log_json:
            console.event("download", model=name, bytes=done, total=total)
        elif total is None:
            console.notice(f"{name}: {done / 1e6:.0f} MB")
        else:
            console.notice(f"{name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return progress

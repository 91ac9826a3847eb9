"""The signal that a closed terminal sends."""

import signal


def hangup_signal() -> tuple[signal.Signals, ...]:
    """SIGHUP; none under nohup, where it stays ignored, and on Windows, which has none."""
    number = getattr(signal, "SIGHUP", None)
    return () if number is None or signal.getsignal(number) is signal.SIG_IGN else (number,)

"""Times as text, rounded (not truncated) to the resolution of a format."""


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def centiseconds(seconds: float) -> int:
    return round(seconds * 100)


def clock(seconds: float) -> str:
    """`01:02:03.456`; hours may have more digits."""
    minutes, millis = divmod(milliseconds(seconds), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{millis // 1000:02}.{millis % 1000:03}"


def short_clock(seconds: float) -> str:
    """`1:02:03`, whole seconds; hours only from one hour on."""
    minutes, rest = divmod(milliseconds(seconds) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def fixed(seconds: float) -> str:
    """`3723.456`, never in exponents."""
    return f"{milliseconds(seconds) / 1000:.3f}"

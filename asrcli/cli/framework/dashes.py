"""Files whose names begin with a dash, among a command's arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import takewhile
from typing import Any


def check_file_names(params: Iterable[Any], arguments: Iterable[str]) -> None:
    """Refuse names of files that would be read as options. Raises UsageError.

    `transcribe *.wav` also gives the program a file "-dash.wav". Read as `-d ash.wav`, nothing would say that this
    recording was left out.
    """
    params = list(params)
    if not any(param.param_type_name == "argument" for param in params):
        return
    options = {name for param in params for name in (*param.opts, *param.secondary_opts)}
    for text in takewhile("--".__ne__, arguments):
        if text.startswith("-") and text != "-" and text not in options and os.path.lexists(text):
            from asrcli.errors import UsageError

            raise UsageError(f"{text!r} is a file here, but would be read as options.", f"Write {f'./{text}'!r}.")

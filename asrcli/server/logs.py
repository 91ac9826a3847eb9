"""Logs for operators: one event a line, as text or JSON. Never audio, texts, prompts or keys.

The fields of a request are collected in a context variable: its id when it arrives, model and durations when it is
served. `MetricsMiddleware` logs them with the status at its end.
"""

import json
import logging
import sys
import threading
import time
import traceback
from contextvars import ContextVar
from typing import Any

from asrcli.server.log_writer import ThreadedHandler

_LOGGERS = ("asrcli.server", "uvicorn", "asyncio", "")
_log = logging.getLogger("asrcli.server.access")

#: fields of the current request
_fields: ContextVar[dict[str, Any] | None] = ContextVar("fields", default=None)


def start_request() -> None:
    """Start to collect the fields of a request."""
    _fields.set({})


def add_fields(**values: Any) -> None:
    """Add fields to the log line of the current request; None is left out."""
    fields = _fields.get()
    if fields is not None:
        fields.update({name: value for name, value in values.items() if value is not None})


def log_request(kind: str, seconds: float, **values: Any) -> None:
    """Log the current request at its end."""
    add_fields(**values, seconds=round(seconds, 4))
    _log.info(kind, extra={"fields": _fields.get()})


def configure(level: str, *, as_json: bool) -> None:
    """Send the logs of the server and of its libraries to stderr."""
    handler = ThreadedHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if as_json else _TextFormatter())
    for name in _LOGGERS:  # "": of all libraries, which would print lines of other forms
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level.upper() if name == "asrcli.server" else max(logging.WARNING, _number(level)))
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_error


def _log_thread_error(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "?"
    error = failure.exc_value
    logging.getLogger("asrcli.server").error("unexpected error in the thread %s: %r", name, error, exc_info=error)


def _number(level: str) -> int:
    return int(logging.getLevelName(level.upper()))


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    if fields is not None:
        return dict(fields)
    request_id = (_fields.get() or {}).get("request_id")
    return {"request_id": request_id} if request_id else {}


class _JsonFormatter(logging.Formatter):
    """In the form of the events of `--log-json`."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "schema": "asrcli/event/1",
            "event": record.getMessage() if hasattr(record, "fields") else "log",
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
        }
        if not hasattr(record, "fields"):
            event |= {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            event["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(event | _fields_of(record), default=str)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = " ".join(f"{name}={_shown(value)}" for name, value in _fields_of(record).items())
        line = " ".join(filter(None, [when, record.levelname, _one_line(record.getMessage()), fields]))
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)

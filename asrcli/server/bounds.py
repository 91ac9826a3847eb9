"""Bounds on what clients can make the server hold. Those that operators set are in `settings`; these are fixed."""

from __future__ import annotations

#: jobs that wait to be run
MAX_WAITING_JOBS = 1000
#: hotwords of one request, characters of one of them, and characters of them all as sent
MAX_HOTWORDS, MAX_HOTWORD_LENGTH, MAX_HOTWORDS_TEXT = 1000, 100, 128 << 10
#: pairs of `POSTPROCESS_HOTWORDS`
MAX_REPLACEMENTS = 200
#: characters of a WebSocket's text frame that holds JSON
MAX_TEXT_FRAME = 1 << 20

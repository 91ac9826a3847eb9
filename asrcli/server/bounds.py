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
#: bytes of a message with a result: clients refuse larger ones
MAX_RESULT = 1 << 20
#: bytes of one WebSocket message: some FunASR clients send whole recordings in one
MAX_MESSAGE = 16 << 20
#: bytes of the first message of a connection that has not sent a valid key, and seconds until it
MAX_FIRST_MESSAGE, FIRST_MESSAGE_TIMEOUT = 16 << 10, 10.0
#: bytes of all WebSocket messages that are being received
MAX_MESSAGES = 256 << 20
#: open connections, and those of one address other than this machine's
MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ADDRESS = 2048, 512
#: recordings that are fetched from addresses at a time; as many again wait
MAX_FETCHES = 8

"""Bounds on what clients can make the server hold. Those that operators set are in `settings`; these are fixed."""

#: jobs that wait to be run, and those of one client (a key; without keys, an address)
MAX_WAITING_JOBS, MAX_WAITING_JOBS_OF_CLIENT = 1000, 750
#: hotwords of one request, characters of one of them, and characters of them all as sent
MAX_HOTWORDS, MAX_HOTWORD_LENGTH, MAX_HOTWORDS_TEXT = 1000, 100, 128 << 10
#: recordings for each worker that have been read and wait for their last chunks at a time: enough for full batches
MAX_AWAITED = 8
#: results of jobs that are rendered in another format at a time
MAX_RENDERINGS = 2
#: pairs of `POSTPROCESS_HOTWORDS`
MAX_REPLACEMENTS = 200
#: characters of a model's name; longer ones are not looked up
MAX_NAME = 200
#: bytes of the form fields of one request (up to four voice clips of 2.5 MB), and of all requests
MAX_FIELDS, MAX_ALL_FIELDS = 16 << 20, 64 << 20
#: bytes of the form fields of a request, and of a WebSocket message, that are received although others hold all memory
ALWAYS_RECEIVED = 64 << 10
#: bytes of one field, other than the clips of known speakers
MAX_FIELD = 1 << 20
#: parts of a form, fields of a URL-encoded one, and bytes of a part's header and of a form's Content-Type
MAX_PARTS, MAX_URL_FIELDS, MAX_PART_HEADER = 256, 2560, 8 << 10
#: bytes of a JSON body with base64, and such bodies in memory at a time
MAX_JSON, MAX_IN_MEMORY = 64 << 20, 4
#: characters of a WebSocket's text frame that holds JSON
MAX_TEXT_FRAME = 1 << 20
#: bytes of a message with a result: clients refuse larger ones
MAX_RESULT = 1 << 20
#: bytes of one WebSocket message: some FunASR clients send whole recordings in one
MAX_MESSAGE = 16 << 20
#: bytes of the first message of a connection that has not sent a valid key, and seconds until it
MAX_FIRST_MESSAGE, FIRST_MESSAGE_TIMEOUT = 16 << 10, 10.0
#: bytes of all WebSocket messages that are not finished: being received, waiting, in work; twice `MAX_MESSAGE` of it is
#: kept for the copies that are made of a complete one
MAX_MESSAGES = 192 << 20
#: bytes of the first line of a Wyoming event, of its data, and of its payload, which is not kept
MAX_WYOMING_HEAD, MAX_WYOMING_DATA, MAX_WYOMING_PAYLOAD = 64 << 10, 256 << 10, 16 << 20
#: seconds in which `LEAST_SENT` bytes of an incomplete WebSocket message, of a form with as many bytes of fields, or of
#: a body whose place is needed must arrive
MESSAGE_TIMEOUT, LEAST_SENT = 30.0, 256 << 10
#: bytes of a request's head
MAX_HEAD = 16 << 10
#: bytes of heads, chunks and WebSocket frames that are parsed at a time, and of a body that are read or sent at a time
MAX_READ, MAX_BODY_READ = 8 << 10, 256 << 10
#: bytes of a WebSocket that the kernel receives ahead: Linux makes it twice as many, as half is for its own use
MAX_UNREAD = 128 << 10
#: frames, and bytes of frames, kept for a session that is busy; then its client has to wait
MAX_HELD, MAX_HELD_BYTES = 64, 2 << 20
#: open connections, and those of one address other than this machine's and its proxies'
MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ADDRESS = 2048, 512
#: recordings that are fetched from addresses at a time, and addresses that are looked up; as many again wait
MAX_FETCHES = 8
#: characters of the address of a job's recording or webhook
MAX_ADDRESS = 4096
#: bytes of the options of a job, which are stored with it
MAX_JOB_FIELDS = 256 << 10
#: webhooks that are notified at a time, and notices that are sent, to be repeated or waiting
MAX_NOTIFIED, MAX_NOTICES = 8, 1000
#: bytes of log lines that are not written yet
MAX_LOG = 4 << 20
#: seconds for a request's head, from the connection or its first byte, and for the rest of a Wyoming event
HEAD_TIMEOUT = 30.0
#: seconds for which the rest of a refused WebSocket message is received and dropped, and in which clients must send or
#: read once the server ends
LINGER = 5.0
#: seconds in which a client must read `LEAST_READ` bytes of what waits for it
WRITE_TIMEOUT, LEAST_READ = 60.0, 4096


def table() -> list[tuple[str, str]]:
    """The bounds as docs/serving.md lists them: what is bounded and what exceeds it gets, value."""
    of_address = f"{MAX_CONNECTIONS_OF_ADDRESS} of one address other than this machine's and its proxies'"
    parts = f"{MAX_PARTS} with {_size(MAX_PART_HEADER)} of header; {MAX_URL_FIELDS} if URL-encoded"
    hotwords = f"{MAX_HOTWORDS} of {MAX_HOTWORD_LENGTH} characters, {_size(MAX_HOTWORDS_TEXT)} of text"
    first = f"{_size(MAX_FIRST_MESSAGE)} within {FIRST_MESSAGE_TIMEOUT:g} s"
    messages = f"{_size(MAX_MESSAGES)}, and {_size(ALWAYS_RECEIVED)} of each; the oldest incomplete one is closed"
    pace = f"{_size(LEAST_SENT)} in {MESSAGE_TIMEOUT:g} s"
    wyoming = ", ".join(map(_size, (MAX_WYOMING_HEAD, MAX_WYOMING_DATA, MAX_WYOMING_PAYLOAD)))
    return [
        ("open connections; 503", f"{MAX_CONNECTIONS}, and {of_address}"),
        ("head of a request, with its path, query and headers; 400", _size(MAX_HEAD)),
        ("head of a request, a Wyoming event; the connection is closed", f"{HEAD_TIMEOUT:g} s"),
        ("a client that does not read; the connection is closed", f"{WRITE_TIMEOUT:g} s without {_size(LEAST_READ)}"),
        ("a form field, other than the clips of known speakers; 413", _size(MAX_FIELD)),
        ("form fields of a request; 413", _size(MAX_FIELDS)),
        ("form fields of all requests; 429", f"{_size(MAX_ALL_FIELDS)}, and {_size(ALWAYS_RECEIVED)} of each"),
        (f"the rest of a form with {_size(LEAST_SENT)} of fields; 408", pace),
        ("an upload while others find no place; 408", pace),
        ("the Content-Type of a form; 400 or the protocol's error", _size(MAX_PART_HEADER)),
        ("parts of a form; 400", parts),
        ("JSON with base64; its `code` 1", f"{_size(MAX_JSON)}, {MAX_IN_MEMORY} in memory at a time"),
        ("hotwords of a request; 400 or the protocol's error", hotwords),
        ("replacements of `POSTPROCESS_HOTWORDS`; its error", f"{MAX_REPLACEMENTS} of {MAX_HOTWORD_LENGTH} characters"),
        ("the name of a model; 404", f"{MAX_NAME} characters"),
        ("jobs waiting to be run; 429", f"{MAX_WAITING_JOBS}, and {MAX_WAITING_JOBS_OF_CLIENT} of one key or address"),
        ("recordings that are read and wait for their last chunks; others wait", f"{MAX_AWAITED} for each worker"),
        ("results of jobs being rendered; others wait", str(MAX_RENDERINGS)),
        ("recordings being fetched; 429", f"{MAX_FETCHES}, and as many waiting"),
        ("addresses of jobs and webhooks being looked up; 429", f"{MAX_FETCHES}, and as many waiting"),
        ("the address of a job's recording or webhook; 400", f"{MAX_ADDRESS} characters"),
        ("options of a job; 413", _size(MAX_JOB_FIELDS)),
        ("webhooks being notified; others wait", f"{MAX_NOTIFIED}; {MAX_NOTICES} in memory"),
        ("a WebSocket message; closed with 1009", _size(MAX_MESSAGE)),
        ("all WebSocket messages being received or in work; closed with 1013", messages),
        ("the rest of a WebSocket message; closed with 1008", pace),
        ("the first WebSocket message without a valid key; closed", first),
        ("a JSON message; the protocol's error", _size(MAX_TEXT_FRAME)),
        ("first line, data and payload of a Wyoming event; its `error`", wyoming),
        ("frames kept for a busy session; the client waits", f"{MAX_HELD}, {_size(MAX_HELD_BYTES)}"),
        ("bytes of a WebSocket that the kernel holds; the client waits", _size(MAX_UNREAD)),
        ("a message with a result to FunASR's clients; it is divided", _size(MAX_RESULT)),
        ("log lines while stderr is not read; they are dropped and counted", _size(MAX_LOG)),
    ]


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"

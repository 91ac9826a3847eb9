"""The WebSocket routes. The first frame of a connection decides its protocol; the path is only the default.

funasr-api serves Aliyun's protocol on a path named after FunASR, and two protocols share port 10095
(docs/protocols.md).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket

from asrcli.server.bounds import FIRST_MESSAGE_TIMEOUT
from asrcli.server.http.connection import (
    GOING_AWAY,
    INTERNAL_ERROR,
    POLICY,
    UNAUTHORISED,
    Connection,
    EndingError,
    GoneError,
    IdleError,
)
from asrcli.server.http.json_text import read_object
from asrcli.server.live.service import LiveService, SessionContext
from asrcli.server.logs import add_fields
from asrcli.server.protocols.aliyun.qwen import QwenSession
from asrcli.server.protocols.aliyun.websocket import AliyunSession
from asrcli.server.protocols.deepgram.websocket import DeepgramSession
from asrcli.server.protocols.funasr.realtime import COMMANDS, RealtimeSession
from asrcli.server.protocols.funasr.websocket import FunasrSession
from asrcli.server.protocols.openai.realtime import OpenAiRealtimeSession


class ProtocolSession(Protocol):
    """One connection in one protocol."""

    async def run(self) -> None:
        """Serve it to its end. Raises GoneError or IdleError: the client has left, or was idle for too long;
        EndingError: the server ends; all results were sent.
        """


_log = logging.getLogger("asrcli.server")

_ALIYUN = "aliyun"
_FUNASR = "funasr"
_DEEPGRAM = "deepgram"
_OPENAI = "openai-realtime"
_QWEN = "qwen"
_REALTIME = "realtime"

#: protocol of a path, if the first frame does not decide
PATHS = {
    "/": _FUNASR,
    "/v1/listen": _DEEPGRAM,
    "/v1/realtime": _OPENAI,
    "/ws/v1": _ALIYUN,
    "/ws/v1/asr": _ALIYUN,
    "/ws/v1/asr/funasr": _ALIYUN,
    "/ws/v1/asr/qwen": _QWEN,
}
#: the server sends the first message, or only the path decides
_DECIDED = frozenset({_DEEPGRAM, _OPENAI})
#: subprotocols that clients offer besides their keys; one of them must be accepted
_SUBPROTOCOLS = ("binary", "realtime", "token", "bearer")
#: characters in which the first word of a command ends
_LONGEST_COMMAND = 64
_FUNASR_FIELDS = frozenset({"mode", "is_speaking", "chunk_size", "wav_name"})


_SESSIONS: dict[str, Callable[[SessionContext], ProtocolSession]] = {
    _ALIYUN: AliyunSession,
    _DEEPGRAM: DeepgramSession,
    _FUNASR: FunasrSession,
    _OPENAI: OpenAiRealtimeSession,
    _QWEN: QwenSession,
    _REALTIME: RealtimeSession,
}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.live = LiveService(app.state.settings, app.state.pool, app.state.metrics)
    try:
        yield
    finally:
        app.state.live.close()


router = APIRouter(lifespan=_lifespan)


@router.websocket("/")
@router.websocket("/v1/listen")
@router.websocket("/v1/realtime")
@router.websocket("/ws/v1")
@router.websocket("/ws/v1/asr")
@router.websocket("/ws/v1/asr/funasr")
@router.websocket("/ws/v1/asr/qwen")
async def connect(websocket: WebSocket) -> None:
    """Any live protocol."""
    offered = websocket.scope.get("subprotocols", ())
    # Chrome closes a connection whose offer is not accepted; clients without an offer must not get one.
    await websocket.accept(subprotocol=next((each for each in _SUBPROTOCOLS if each in offered), None))
    state = websocket.app.state
    connection = Connection(websocket, state.settings.idle_timeout)
    try:
        await _serve(connection, PATHS[websocket.scope["path"].rstrip("/") or "/"])
    except GoneError:
        pass
    except EndingError:
        await connection.close(GOING_AWAY, "server shutdown")
    except IdleError:
        await connection.close(POLICY, "idle for too long")
    except Exception as error:  # noqa: BLE001 -- the client must get a reason, and the log a traceback
        _log.error("unexpected error in a WebSocket session: %r", error, exc_info=error)
        await connection.close(INTERNAL_ERROR, "internal error")
    finally:
        await connection.close()


async def _serve(connection: Connection, usual: str) -> None:
    context = SessionContext.of(connection)
    if not context.authorised and usual != _ALIYUN:
        await connection.close(UNAUTHORISED, "missing or wrong API key")
        return
    if usual in _DECIDED:
        add_fields(websocket=usual)
        await _SESSIONS[usual](context).run()
        return
    frame = await _first_frame(connection, authorised=context.authorised)
    if frame is None:
        await connection.close(UNAUTHORISED, "missing or wrong API key")
        return
    connection.push_back(frame)
    protocol = await _protocol_of(frame) or usual
    if not context.authorised and protocol != _ALIYUN:
        await connection.close(UNAUTHORISED, "missing or wrong API key")
        return
    add_fields(websocket=protocol)
    await _SESSIONS[protocol](context).run()


async def _first_frame(connection: Connection, *, authorised: bool) -> str | bytes | None:
    """The first frame; None if a client without a valid key sends none in time."""
    if authorised:
        return await connection.receive()
    try:
        return await asyncio.wait_for(connection.receive(), FIRST_MESSAGE_TIMEOUT)
    except TimeoutError:
        return None


async def _protocol_of(frame: str | bytes) -> str | None:
    if isinstance(frame, bytes):
        return None
    body = await read_object(frame)
    if body is None:
        word = frame[:_LONGEST_COMMAND].strip().partition(":")[0].upper()
        return _REALTIME if word in COMMANDS else None
    if "header" in body:
        return _ALIYUN
    if "type" in body:
        return _QWEN
    return _FUNASR if body.keys() & _FUNASR_FIELDS else None

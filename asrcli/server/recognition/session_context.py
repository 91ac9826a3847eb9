"""What a live protocol is given: its connection, and what of the server it needs."""

from __future__ import annotations

from dataclasses import dataclass

from asrcli.server.http.connection import Connection
from asrcli.server.live.service import LiveService
from asrcli.server.recognition.transcription import TranscriptionService


@dataclass(frozen=True, slots=True)
class SessionContext:
    """One connection's."""

    connection: Connection
    live: LiveService
    #: for whole recordings
    files: TranscriptionService
    #: who takes turns with others
    client: str
    #: registry name of the model that the client asked for in its URL; None: the default
    model: str | None = None
    authorised: bool = True

    @classmethod
    def of(cls, connection: Connection) -> SessionContext:
        """The context of an accepted WebSocket."""
        websocket = connection.websocket
        state = websocket.app.state
        return cls(
            connection,
            state.live,
            state.service,
            websocket.scope["state"]["client"],
            websocket.query_params.get("model") or None,
            websocket.scope["state"]["authorised"],
        )

"""What clients send to the WebSocket protocols and to the Wyoming port, as JSON Schema: in `/openapi.json` under
`x-websockets` and `x-wyoming`, and for tests.
"""

from pathlib import Path
from typing import Any

from asrcli.models.yaml_file import load_yaml

_FRAMES = load_yaml(Path(__file__).with_suffix(".yaml"))
#: protocol -> its path and its frames by name, the one that ends a recording under "end"
WEBSOCKETS: dict[str, Any] = _FRAMES["websockets"]
#: of Deepgram's `/v1/listen`, for recordings as well
LISTEN_QUERY: dict[str, Any] = WEBSOCKETS["deepgram"]["query"]
#: type of a Wyoming event -> its data
WYOMING: dict[str, Any] = _FRAMES["wyoming"]

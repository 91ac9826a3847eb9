"""Web pages: `/` transcribes in the browser, `/docs` describes the API, `/ws/v1/asr/test` shows the live protocols.

They load nothing from other servers: a private server may have no internet access. Swagger UI's two files are those of
the fastapi-offline package.

Pages hold no data of the server. Without a key they are answered with status 401 and ask for the key themselves, so
that their scripts can send it with WebSockets, too.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from asrcli import __version__
from asrcli.server.errors import NotFoundError
from asrcli.server.http.auth import challenge

router = APIRouter(include_in_schema=False)

_HERE = Path(__file__).parent
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_ASSETS = {file.name: file for file in (_HERE / "assets").iterdir() if file.suffix in _TYPES}
_SWAGGER = {"swagger-ui-bundle.js", "swagger-ui.css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    # Only the server's own files, no inline scripts or styles, no embedding in frames.
    "content-security-policy": _POLICY,
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
#: Swagger UI writes styles and images into the page
_DOCS_HEADERS = _HEADERS | {
    "content-security-policy": _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
        "img-src 'self'", "img-src 'self' data:"
    )
}


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> FileResponse:
    """The page."""
    return _document(request, "index.html")


@router.api_route("/ws/v1/asr/test", methods=["GET", "HEAD"])
async def tester(request: Request) -> FileResponse:
    """The live protocols, frame by frame."""
    return _document(request, "tester.html")


@router.get("/page/assets/{name}")
async def asset(name: str) -> FileResponse:
    """Scripts and styles; without a key, as they are the same in every installation."""
    file = _ASSETS.get(name)
    if file is None:
        raise NotFoundError("The file does not exist.")
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=_HEADERS)


@router.get("/docs")
async def docs() -> FileResponse:
    """The API documentation."""
    return FileResponse(_HERE / "docs.html", headers=_DOCS_HEADERS)


@router.get("/docs/assets/{name}")
async def docs_asset(name: str) -> FileResponse:
    """Swagger UI's own files."""
    package = find_spec("fastapi_offline")
    if name not in _SWAGGER or package is None or package.origin is None:
        raise NotFoundError("The file does not exist.")
    file = Path(package.origin).parent / "static" / name
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=_HEADERS | {"cache-control": "max-age=86400"})


@router.get("/page/settings")
def settings(request: Request) -> dict[str, Any]:
    """Data for the page's script."""
    pool = request.app.state.pool
    models = [
        {"id": entry.name, "languages": list(entry.languages), "description": entry.description}
        for entry in pool.installed()
    ]
    return {
        "version": __version__,
        "models": models,
        "diarization": pool.can_diarize(),
        "keyed": bool(request.app.state.keys),
        "max_upload": request.app.state.settings.max_upload,
    }


def _document(request: Request, name: str) -> FileResponse:
    if request.state.authorised:
        return FileResponse(_HERE / name, headers=_HEADERS)
    return FileResponse(_HERE / name, 401, headers=_HEADERS | challenge(request.scope))

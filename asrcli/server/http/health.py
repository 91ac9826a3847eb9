"""Whether the server lives, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

router = APIRouter(tags=["Operation"])


@router.get("/health", summary="Whether the server lives")
@router.head("/health", include_in_schema=False)
@router.get("/healthz", include_in_schema=False)
async def health(request: Request) -> dict[str, str]:
    """Always 200, for everybody; "loading" until the preloaded models are in memory."""
    return {"status": "loading" if request.app.state.loading else "ok"}


@router.get("/metrics", summary="Figures for Prometheus")
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    found = request.app.state.metrics
    return Response(found.render(), media_type=found.content_type)

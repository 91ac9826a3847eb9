"""The web pages of the server."""

from asrcli.server.page.router import router

__all__ = ["router"]

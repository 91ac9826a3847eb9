"""What people see of the server in a browser."""

from asrcli.server.page.router import router

__all__ = ["router"]

"""Languages by code and by name, as clients write them."""

from __future__ import annotations

from asrcli.language_names import language_code, language_name

__all__ = ["language_code", "language_name"]

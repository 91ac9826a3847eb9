"""`python -m asrcli` is the console script."""

from __future__ import annotations

from asrcli.cli.main import main

if __name__ == "__main__":
    main()

"""``python -m runatlas``."""

from __future__ import annotations

from runatlas.cli.main import main

if __name__ == "__main__":
    main(prog_name="runatlas")

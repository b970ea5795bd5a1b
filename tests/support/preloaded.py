"""What forked processes have from the beginning: imported once, by the one that forks them, and nothing opened.

They do not go through it for garbage: what one process only reads, all of them share.
"""

from __future__ import annotations

import gc
import importlib

from runatlas.server.app import make_dialects
from runatlas.server.routing import Application
from runatlas.server.settings import ServerSettings

for _name in (
    *("runatlas.server.process", "runatlas.api", "runatlas.backends.local", "runatlas.backends.native"),
    *(f"runatlas.cli.{name}" for name in ("main", "serve", "keys", "fsck", "verify", "import_", "api.command")),
    *("uvicorn.protocols.http.h11_impl", "uvicorn.lifespan.on", "uvicorn.loops.asyncio", "anyio._backends._asyncio"),
    *("sqlalchemy.dialects.postgresql.psycopg", "psycopg", "encodings.idna", "argon2", "rich.progress", "rich.table"),
):
    importlib.import_module(_name)

# What Litestar imports and works out when the first application is made.
Application(
    [handler for dialect in make_dialects(ServerSettings("unused")) for handler in dialect.handlers()],
    logging_config=None,
    openapi_config=None,
)
gc.collect()
gc.freeze()

"""How a server is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from runatlas.server.wire.body_limit import Limits
from runatlas.settings import is_loopback

if TYPE_CHECKING:
    from runatlas.server.pages.report.maker import ReportMaker

__all__ = ["ServerSettings"]


@attrs.frozen
class ServerSettings:
    """What the command line sets; the defaults suit one person on one machine.

    Attributes:
        location: A directory, or a ``postgresql://`` URL.
        blobs_dir: Where blobs lie beside a PostgreSQL database.
        makes_store: Whether the store is made if there is none.
        host: The address to bind.
        port: The port to bind; 0 takes a free one.
        origin: The ``http(s)://`` origin that links begin with, behind a proxy; ``None`` takes each request's own.
        threads: How many requests may work at the same time; further ones wait.
        upload_threads: How many uploads may run at the same time, beside those; a caller gets a quarter of them.
        connections: How many connections may be open; a caller may have a third as many requests under way.
        head_s: How long the head of a request may take to arrive.
        stall_s: How long a client may take for the next ``stall_bytes`` of what it sends or reads.
        stall_bytes: What it has to move in that time.
        work_s: How long a request may keep the store at work reading; one that writes ten times as long.
        limits: How large request bodies may be.
        protocols: Which protocols it speaks; the first one has the paths that belong to none.
        pages: Whether it has pages for people.
        reports: What makes the reports of pages; without it there are none.
        owner_key: Whoever presents it is the directory's owner, and nobody else gets in; ``None`` asks for accounts.
        evaluates: Whether it evaluates the policies that projects hold when they are due.
        keep_alive_s: How long an idle connection is kept.
        shutdown_s: How long running requests may take to end when the server stops.
    """

    location: str | Path
    blobs_dir: Path | None = None
    makes_store: bool = attrs.field(default=True, kw_only=True)
    host: str = "127.0.0.1"
    port: int = 5170
    origin: str | None = None
    threads: int = 16
    upload_threads: int = 128
    connections: int = 2000
    head_s: float = 15.0
    stall_s: float = 30.0
    stall_bytes: int = 30 * 1024
    work_s: float = 30.0
    limits: Limits = attrs.field(factory=Limits)
    protocols: tuple[str, ...] = ("native", "chachaml", "swanlab", "syvain", "matyan")
    pages: bool = True
    reports: ReportMaker | None = attrs.field(default=None, repr=False)
    owner_key: str | None = attrs.field(default=None, repr=False)
    evaluates: bool = True
    keep_alive_s: int = 120
    shutdown_s: int = 10

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

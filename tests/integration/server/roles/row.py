"""A row of the table of roles: a route, how it is asked, and what each caller gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from integration.server.roles.world import Answer, Request, World

__all__ = [
    "ADMINISTRATOR",
    "ALONE",
    "ANYONE",
    "BLIND",
    "CALLERS",
    "GIVEN",
    "MANAGE",
    "MANAGE_WORKSPACE",
    "NOBODY",
    "NOT_YOURS",
    "OK",
    "OWN",
    "PUBLIC",
    "PURGE",
    "READ",
    "READ_WORKSPACE",
    "RESTORE",
    "SEE_WORKSPACE",
    "WRITE",
    "WRITE_WORKSPACE",
    "Access",
    "Door",
    "Make",
    "Row",
    "bearer",
    "no_credentials",
    "refused",
]

CALLERS = ("vito", "vera", "mia", "olga", "stan", "boss", "token", "other")
"""VISITOR, VIEWER, MEMBER and OWNER of the private workspaces; a stranger; an administrator who is a stranger too;
whoever has an ingestion key of the private run, or of another one beside it."""
BLIND = ("vito", "stan", "boss")
"""Who may not see the private projects."""
NOBODY = ("nobody", "wrong", "revoked", "expired", "stopped")
"""No key at all, one that was never made, a revoked one, an ingestion key that is over, and a revoked one."""

ALONE = (*BLIND, "vera", "mia")
"""Who may not see what is in olga's own workspace by a protocol that knows the caller's own only."""

OK = 0


@attrs.frozen
class Access:
    """The status that each caller gets, ``OK`` for what the route answers when all is well.

    Attributes:
        by_name: Of everyone, those without a valid key included.
        told: Who is told of private things by design: administrators, and whoever was given an address.
    """

    by_name: Mapping[str, int]
    told: frozenset[str] = frozenset()

    def with_tokens(self, own: int, other: int) -> Access:
        """Return the same with what ingestion keys get."""
        return self.but(token=own, other=other)

    def but(self, **statuses: int) -> Access:
        """Return the same with other statuses for some."""
        return attrs.evolve(self, by_name={**self.by_name, **statuses})


EVERYONE = frozenset((*CALLERS, *NOBODY))


def _access(vito: int, vera: int, mia: int, olga: int, stan: int, boss: int | None = None) -> Access:
    statuses = dict(zip(CALLERS, (vito, vera, mia, olga, stan, stan if boss is None else boss, 401, 401), strict=True))
    return Access({**statuses, **dict.fromkeys(NOBODY, 401)}, frozenset() if boss is None else frozenset({"boss"}))


ANYONE = _access(OK, OK, OK, OK, OK)
ADMINISTRATOR = _access(403, 403, 403, 403, 403, OK)
NOT_YOURS = _access(404, 404, 404, 404, 404, OK)
READ = _access(404, OK, OK, OK, 404)
WRITE = _access(404, 403, OK, OK, 404)
MANAGE = _access(404, 403, 403, OK, 404)
OWN = _access(404, 404, 404, OK, 404)
"""Of protocols that know the caller's own workspace only: what lies in olga's is nobody else's."""
SEE_WORKSPACE = _access(OK, OK, OK, OK, 404)
READ_WORKSPACE = _access(403, OK, OK, OK, 404)
WRITE_WORKSPACE = _access(403, 403, OK, OK, 404)
MANAGE_WORKSPACE = _access(403, 403, 403, OK, 404)
RESTORE = _access(404, 404, OK, OK, 404)
PURGE = _access(404, 404, 403, OK, 404, OK)
PUBLIC = Access(dict.fromkeys(EVERYONE, OK), EVERYONE)
GIVEN = attrs.evolve(ANYONE, told=EVERYONE)
"""A thing whose name is as long as a secret: whoever knows it was told."""


def refused(status: int) -> Access:
    """Everyone is refused: what gives leave is not a key, and it is missing or wrong."""
    return Access(dict.fromkeys(EVERYONE, status))


Make = Callable[[World, str], Request]


@attrs.frozen
class Row:
    """A route, and one way to ask it.

    Attributes:
        route: ``METHOD /path/{name}`` as the application has it; ``SOCKET`` is the method of a WebSocket.
        make: Makes the request for a caller; things that it needs are made first, by olga.
        success: The statuses of ``OK``.
        nothing: What somebody gets who has nothing and sees nothing of others: JSON, or bytes; ``None`` where that is
            not asked.
        note: Tells apart the rows of one route.
        is_question: Whether it may be asked again and answers the same, of what is not there too.
    """

    route: str
    access: Access
    make: Make
    success: frozenset[int] = frozenset({200})
    nothing: Any = None
    note: str = ""
    is_question: bool = False

    @property
    def method(self) -> str:
        """The method."""
        return self.route.partition(" ")[0]

    def allows(self, name: str, status: int) -> bool:
        """Tell whether a caller should get that status."""
        expected = self.access.by_name[name]
        return status in self.success if expected == OK else status == expected

    def expects(self, name: str) -> str:
        """Tell which status a caller should get."""
        expected = self.access.by_name[name]
        return "/".join(map(str, sorted(self.success))) if expected == OK else str(expected)


def _as_it_is(_: World, __: str, request: Request) -> Request:
    return request


@attrs.frozen
class Door:
    """A protocol in the table.

    Attributes:
        rows: Every route of it.
        carry: Makes the headers that carry a key; the caller's name tells which session.
        is_failure: Tells whether a body is a failure of that status in the protocol's own form.
        malformed: Headers with which nobody is known.
        blind: Who may not see the private things that this protocol reaches.
        is_json: Whether bodies are JSON, and failures challenge for a key.
        fill: Puts into a request what only its caller can know, such as the token of a form.
    """

    name: str
    rows: tuple[Row, ...]
    carry: Callable[[World, str], dict[str, str]]
    is_failure: Callable[[int, Any], bool]
    malformed: Callable[[World], tuple[dict[str, str], ...]]
    blind: tuple[str, ...] = BLIND
    is_json: bool = True
    fill: Callable[[World, str, Request], Request] = _as_it_is

    def headers(self, world: World, name: str) -> dict[str, str]:
        """Return what a caller sends along."""
        return {} if name == "nobody" else self.carry(world, name)

    def send(self, world: World, name: str, request: Request, method: str) -> Answer:
        """Ask as somebody."""
        return world.send(method, self.fill(world, name, request), self.headers(world, name))

    def tells(self, answer: Answer) -> bool:
        """Tell whether an answer is a failure as this protocol writes it."""
        try:
            return self.is_failure(answer.status, answer.json() if self.is_json else answer.body)
        except (KeyError, TypeError, ValueError):
            return False


def bearer(world: World, name: str) -> dict[str, str]:
    """Carry a key as most protocols do."""
    return {"Authorization": f"Bearer {world.keys[name]}"}


def no_credentials(world: World) -> tuple[dict[str, str], ...]:
    """Headers that hold no key; the session of another protocol is none."""
    told = ({"Authorization": text} for text in ("Bearer ", "Basic %%%", "Basic Og==", "Digest a"))
    return (*told, {"Cookie": f"sid={world.sessions['olga']}"})

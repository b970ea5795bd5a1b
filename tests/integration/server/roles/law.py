"""What holds of every row of the table of roles, for everyone who asks."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from integration.server.roles.row import CALLERS, NOBODY, OK, Door, Row
from integration.server.roles.world import LAB, MINGLED, Answer, Request, World

__all__ = ["Law"]

MEMBERS = ("vito", "vera", "mia", "olga")
HIDDEN = (LAB, "olga", MINGLED)
"""The workspaces whose contents are private."""
TWICE = ("nobody", "revoked", *CALLERS)
"""Those who also ask for what is not there."""
HEADING = ("nobody", "vito", "stan", "olga")
"""Those who also ask with ``HEAD``."""
_SHOWN = 200


@attrs.frozen
class Law:
    """A row, asked by everyone; each method tells what is wrong, one line a caller."""

    world: World
    door: Door
    row: Row

    def broken(self) -> list[str]:
        """Ask, and return everything that is wrong."""
        by_name = self.row.access.by_name
        denied = [name for name in (*NOBODY, *CALLERS) if by_name[name] != OK]
        allowed = [name for name in (*NOBODY, *CALLERS) if by_name[name] == OK]
        found = [*self._denied(denied)] if denied else []
        for name in allowed:
            found += self._allowed(name)
        if self.row.nothing is not None:
            found += self._nothing()
        return found

    def _told(self, name: str, expected: str, answer: Answer) -> str:
        got = f"{answer.status} {answer.body[:_SHOWN].decode('utf-8', 'replace')}"
        return f"{' '.join([self.row.route, self.row.note]).strip()} asked by {name}: expected {expected}, got {got}"

    def _ask(self, name: str, request: Request, method: str = "") -> Answer:
        return self.door.send(self.world, name, request, method or self.row.method)

    def _denied(self, names: list[str]) -> Iterator[str]:
        """Nobody of these gets in; none of what they ask is done; and they learn nothing by asking."""
        request = self.row.make(self.world, "olga")
        for name in names:
            before = self.world.keeping.read()
            answer = self._ask(name, request)
            yield from self._status(name, answer)
            yield from self._failure(name, answer)
            yield from self._marks(name, request, answer)
            yield from self._head(name, request)
            if name in TWICE and (answer.status != 403 or name not in ("vera", "mia")):
                yield from self._ghosts(name, request, answer)
            if self.world.keeping.read() != before:
                yield self._told(name, "that nothing is written", answer)
        for headers in self.door.malformed(self.world):
            answer = self.world.send(self.row.method, request, headers)
            if not self.row.allows("nobody", answer.status):
                yield self._told(f"{headers}", self.row.expects("nobody"), answer)

    def _allowed(self, name: str) -> Iterator[str]:
        request = self.row.make(self.world, name)
        before = self.world.keeping.read()
        answer = self._ask(name, request)
        yield from self._status(name, answer)
        yield from self._head(name, request)
        after = self.world.keeping.read()
        if name not in self.row.access.told:
            yield from self._marks(name, request, answer)
            if name in (*self.door.blind, "vera") and before.within(HIDDEN) != after.within(HIDDEN):
                yield self._told(name, "that nothing private changes", answer)
            if name in self.door.blind and (self.row.method == "GET" or self.row.is_question):
                yield from self._ghosts(name, request, answer)

    def _nothing(self) -> Iterator[str]:
        answer = self._ask("ned", self.row.make(self.world, "ned"))
        wanted = self.row.nothing
        if (answer.body if isinstance(wanted, bytes) else answer.json()) != wanted:
            yield self._told("ned, who has nothing", repr(wanted), answer)

    def _status(self, name: str, answer: Answer) -> Iterator[str]:
        if not self.row.allows(name, answer.status):
            yield self._told(name, self.row.expects(name), answer)

    def _failure(self, name: str, answer: Answer) -> Iterator[str]:
        """What is refused is told in the protocol's own words, also to who opens a socket."""
        if not self.door.tells(answer):
            yield self._told(name, f"a failure as {self.door.name} writes it", answer)
        if answer.status == 401 and self.door.is_json and "www-authenticate" not in answer.headers:
            yield self._told(name, "a challenge", answer)

    def _marks(self, name: str, request: Request, answer: Answer) -> Iterator[str]:
        """No name, id or content of what is private is in an answer, but what was in the request."""
        if name not in (*self.door.blind, *NOBODY) and self.row.access.by_name[name] != 404:
            return
        said = f"{request.path} {request.options}"
        marks = self.world.marks() if name in MEMBERS else {LAB, *self.world.marks()}
        found = sorted(mark for mark in marks if mark in answer.text and mark not in said)
        if found:
            yield self._told(name, f"nothing of {found}", answer)

    def _head(self, name: str, request: Request) -> Iterator[str]:
        if self.row.method == "GET" and name in HEADING:
            answer = self._ask(name, request, "HEAD")
            if answer.body or not self.row.allows(name, answer.status):
                yield self._told(name, f"of HEAD {self.row.expects(name)} and no body", answer)

    def _ghosts(self, name: str, request: Request, answer: Answer) -> Iterator[str]:
        """What may not be seen answers like what is not there: a project of a workspace, and a workspace."""
        is_member = name in MEMBERS and answer.status != 404
        for sees_workspace in (True,) if is_member or answer.status < 400 else (True, False):
            asked, used = self.world.ghost(request, sees_workspace=sees_workspace)
            if asked == request:
                continue
            told = self._ask(name, asked)
            text = told.text
            for fake, real in used.items():
                text = text.replace(fake, real)
            if text != answer.text:
                yield self._told(name, f"what there is of nothing, {told.status} {told.body[:_SHOWN]!r}", answer)

"""Policies of clean-up as a file that lies under version control: TOML with a ``[[policy]]`` table for each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import attrs

from runatlas.errors import shortened
from runatlas.model.ids import ProjectPath
from runatlas.model.policy import Policy, make_policy
from runatlas.model.syntax import FilterSyntaxError, point_at
from runatlas.model.text import did_you_mean
from runatlas.terminal import counted

__all__ = ["NamedPolicy", "PolicyFileError", "PolicyMistake", "parse_policy_file"]

TEXT_MAX = 1_000_000

_TOLD = 20
_ANY = "pin == False"
"""A filter that lets any other field of a policy be looked at alone."""

_POLICY_FIELDS = tuple(field.name for field in attrs.fields(Policy))
_FIELDS = ("name", "project", *_POLICY_FIELDS)
_LINE = re.compile(r"[^\n]*\n?")
_HEADER = re.compile(r"[ \t]*\[\[[ \t]*policy[ \t]*\]\]")
_KEY = re.compile(r"""[ \t]*(?P<quote>["']?)(?P<key>[A-Za-z0-9_-]+)(?P=quote)[ \t]*=[ \t]*""")
_LONG = ('"""', "'''")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class PolicyMistake(NamedTuple):
    """One mistake in a file of policies.

    Attributes:
        line, column: Where in it, from 1.
        reason: What is wrong, and what would be right.
        text: The line.
    """

    line: int
    column: int
    reason: str
    text: str


class PolicyFileError(ValueError):
    """A file of policies that cannot be used.

    Attributes:
        mistakes: All of them, from top to bottom.
        line, column, reason: Those of the first.
    """

    def __init__(self, source: str, mistakes: Sequence[PolicyMistake]) -> None:
        told = [
            f"{source}, line {mistake.line}, column {mistake.column}: {mistake.reason}\n"
            + point_at(mistake.text, mistake.column)
            for mistake in mistakes[:_TOLD]
        ]
        if len(mistakes) > _TOLD:
            told.append(f"{source}: {counted(len(mistakes) - _TOLD, 'more mistake')}")
        super().__init__("\n".join(told))
        self.source = source
        self.mistakes = tuple(mistakes)
        self.line, self.column, self.reason, _ = mistakes[0]

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.source, self.mistakes)


@attrs.frozen
class NamedPolicy:
    """A policy of a file.

    Attributes:
        name: What it is called by; no two of a file have one name.
        project: The project whose runs it looks at.
    """

    name: str
    project: ProjectPath
    policy: Policy


def parse_policy_file(data: bytes, *, source: str) -> tuple[NamedPolicy, ...]:
    """Read the policies of a file.

    Args:
        data: What is in the file.
        source: What errors call it.

    Returns:
        Its policies, in their order.

    Raises:
        PolicyFileError: It is no TOML, or says something that no policy has; every mistake is told with its line and
            column.

    Example:
        >>> text = b'[[policy]]\\nname = "crashed"\\nproject = "team/vision"\\nolder_than = "2w"\\n'
        >>> [(item.name, item.policy.older_than) for item in parse_policy_file(text, source="clean.toml")]
        [('crashed', '2w')]
    """
    return _Document(data, source).policies()


class _Document:
    """The file, with the places of its keys: TOML's reader tells values only."""

    def __init__(self, data: bytes, source: str) -> None:
        self._source = source
        self._text = ""
        if len(data) > TEXT_MAX:
            raise self._error(self._mistake(0, f"{len(data):,} bytes are too many, {TEXT_MAX:,} are allowed"))
        try:
            self._text = data.decode()
        except UnicodeDecodeError as error:
            self._text = data[: error.start].decode()
            raise self._error(self._mistake(len(self._text), "this is no UTF-8")) from None
        self._tables = self._load()
        self._headers: list[int] = []
        self._keys: dict[tuple[int, str], tuple[int, int]] = {}
        self._find_keys()

    def _error(self, *mistakes: PolicyMistake) -> PolicyFileError:
        return PolicyFileError(self._source, sorted(mistakes))

    def _mistake(self, offset: int, reason: str) -> PolicyMistake:
        before = self._text[:offset]
        start = before.rfind("\n") + 1
        text = self._text[start:].partition("\n")[0]
        return PolicyMistake(before.count("\n") + 1, offset - start + 1, shortened(reason), text)

    def _load(self) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            at = _AT.search(str(error))
            reason = f"this is no TOML: {_AT.sub('', str(error))}"
            offset = len(self._text)
            if at is not None and at[1] is not None:
                lines = self._text.split("\n")[: int(at[1]) - 1]
                offset = sum(len(line) + 1 for line in lines) + int(at[2]) - 1
            raise self._error(self._mistake(offset, reason)) from None
        except RecursionError:
            raise self._error(self._mistake(0, "this is nested too deeply")) from None
        return loaded

    def _find_keys(self) -> None:
        """Note where each header is, and the key and the value of each field; what lies in long texts is neither."""
        open_with = ""
        for line in _LINE.finditer(self._text):
            rest, start = line[0], line.start()
            if not open_with:
                found = _KEY.match(rest)
                if _HEADER.match(rest):
                    self._headers.append(start + rest.index("["))
                elif found:
                    place = (len(self._headers) - 1, found["key"])
                    self._keys.setdefault(place, (start + found.start("key"), start + found.end()))
            for mark in _LONG:
                if open_with in {"", mark} and rest.count(mark) % 2:
                    open_with = "" if open_with else mark

    def policies(self) -> tuple[NamedPolicy, ...]:
        """Make the policies."""
        mistakes = []
        for key in self._tables:
            if key != "policy":
                hint = did_you_mean(key, ["policy"]) or "; a file has [[policy]] tables only"
                mistakes.append(self._mistake(self._offset_of_name(key), f"there is no {key!r} here{hint}"))
        tables = self._tables.get("policy", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            where = self._offset_of_name("policy")
            raise self._error(*mistakes, self._mistake(where, "a policy begins with [[policy]], in two brackets"))
        if not tables and not mistakes:
            mistakes.append(self._mistake(0, "there is no policy in it; one begins with [[policy]]"))
        names = [table.get("name") for table in tables]
        for index, table in enumerate(tables):
            mistakes += self._mistakes(index, table)
            if isinstance(names[index], str) and names[index].strip() and names[index] in names[:index]:
                where = self._place(index, "name")[1]
                mistakes.append(self._mistake(where, f"name: there are two policies {names[index]!r}"))
        if mistakes:
            raise self._error(*mistakes)
        return tuple(map(_named_policy, tables))

    def _mistakes(self, index: int, table: dict[str, Any]) -> list[PolicyMistake]:
        """Find all mistakes of one policy: each field is looked at alone, and then all of them together."""
        found = [
            self._mistake(self._place(index, key)[0], f"a policy has no {key!r}{_hint(key)}")
            for key in table
            if key not in _FIELDS
        ]
        for key in ("name", "project"):
            if key not in table:
                found.append(self._mistake(self._place(index, "")[0], f"the policy has no {key}"))
            elif not isinstance(table[key], str) or not table[key].strip():
                where = self._place(index, key)[1]
                found.append(self._mistake(where, f"{key}: expected text that is not empty"))
            elif key == "project":
                found += self._tried(index, key, None, partial(_project, table))
        said = {key: value for key, value in table.items() if key in _POLICY_FIELDS}
        for key, value in said.items():
            is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
            for part in [[item] for item in value] if is_list else [value]:
                alone = {key: part} if key in {"where", "older_than"} else {"where": _ANY, key: part}
                found += self._tried(index, key, part, partial(make_policy, **alone))
        return found or self._tried(index, "", None, partial(make_policy, **said))

    def _tried(self, index: int, key: str, value: object, read: Callable[[], object]) -> list[PolicyMistake]:
        """Return the mistake that reading a value tells of, at its place: in a filter, of a list at the item."""
        try:
            read()
        except FilterSyntaxError as error:
            start = self._place(index, key)[1]
            place = self._text.find(error.text, start)
            offset = start if place < 0 else place + error.place - 1
            return [self._mistake(offset, f"{error.argument}: {error.reason}")]
        except (TypeError, ValueError) as error:
            start = self._place(index, key or str(error).partition(":")[0])[1]
            # Of a list the quotation mark before the item.
            place = self._text.find(value[0], start) - 1 if isinstance(value, list) and value else -1
            return [self._mistake(max(start, place), str(error))]
        return []

    def _place(self, index: int, key: str) -> tuple[int, int]:
        """Return where a key and its value are; of one that was written in another way, where the policy begins."""
        header = self._headers[index] if index < len(self._headers) else self._offset_of_name("policy")
        return self._keys.get((index, key), (header, header))

    def _offset_of_name(self, name: str) -> int:
        found = re.search(rf"^[ \t\[\"']*{re.escape(name)}", self._text, re.MULTILINE)
        return 0 if found is None else found.end() - len(name)


def _hint(key: str) -> str:
    return did_you_mean(key, _FIELDS) or f"; it has {', '.join(_FIELDS)}"


def _project(table: dict[str, Any]) -> ProjectPath:
    return ProjectPath.named(table["project"], argument="project")


def _named_policy(table: dict[str, Any]) -> NamedPolicy:
    said = {key: value for key, value in table.items() if key in _POLICY_FIELDS}
    return NamedPolicy(table["name"], _project(table), make_policy(**said))

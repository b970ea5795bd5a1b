"""Policies of clean-up as a file that lies under version control: TOML with a ``[[policy]]`` table for each."""

from __future__ import annotations

import re
import sys
from typing import Any

import attrs

from runatlas.errors import shortened
from runatlas.model.filter_field import did_you_mean
from runatlas.model.filter_text import FilterSyntaxError
from runatlas.model.ids import ProjectPath
from runatlas.model.policy import Policy, make_policy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["NamedPolicy", "PolicyFileError", "parse_policy_file"]

TEXT_MAX = 1_000_000

_FIELDS = ("name", "project", *(field.name for field in attrs.fields(Policy)))
_LINE = re.compile(r"[^\n]*\n?")
_HEADER = re.compile(r"[ \t]*\[\[[ \t]*policy[ \t]*\]\]")
_KEY = re.compile(r"""[ \t]*(?P<quote>["']?)(?P<key>[A-Za-z0-9_-]+)(?P=quote)[ \t]*=[ \t]*""")
_LONG = ('"""', "'''")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class PolicyFileError(ValueError):
    """A file of policies that cannot be used.

    Attributes:
        line, column: Where in it, from 1.
    """

    def __init__(self, source: str, line: int, column: int, reason: str) -> None:
        super().__init__(f"{source}, line {line}, column {column}: {reason}")
        self.source = source
        self.line = line
        self.column = column
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.source, self.line, self.column, self.reason)


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
        PolicyFileError: It is no TOML, or says something that no policy has; the sentence names line and column.

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
            raise self._error(0, f"{len(data):,} bytes are too many, {TEXT_MAX:,} are allowed")
        try:
            self._text = data.decode()
        except UnicodeDecodeError as error:
            self._text = data[: error.start].decode()
            raise self._error(len(self._text), "this is no UTF-8") from None
        self._tables = self._load()
        self._headers: list[int] = []
        self._keys: dict[tuple[int, str], tuple[int, int]] = {}
        self._find_keys()

    def _error(self, offset: int, reason: str) -> PolicyFileError:
        before = self._text[:offset]
        return PolicyFileError(
            self._source, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, shortened(reason)
        )

    def _load(self) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            at = _AT.search(str(error))
            reason = f"this is no TOML: {_AT.sub('', str(error))}"
            if at is None or at[1] is None:
                raise self._error(len(self._text), reason) from None
            raise PolicyFileError(self._source, int(at[1]), int(at[2]), shortened(reason)) from None
        except RecursionError:
            raise self._error(0, "this is nested too deeply") from None
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
        for key in self._tables:
            if key != "policy":
                hint = did_you_mean(key, ["policy"]) or "; a file has [[policy]] tables only"
                raise self._error(self._offset_of_name(key), f"there is no {key!r} here{hint}")
        tables = self._tables.get("policy", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._error(self._offset_of_name("policy"), "a policy begins with [[policy]], in two brackets")
        if not tables:
            raise self._error(0, "there is no policy in it; one begins with [[policy]]")
        made: dict[str, NamedPolicy] = {}
        for index, table in enumerate(tables):
            policy = self._make(index, table)
            if policy.name in made:
                raise self._error(self._place(index, "name")[1], f"name: there are two policies {policy.name!r}")
            made[policy.name] = policy
        return tuple(made.values())

    def _make(self, index: int, table: dict[str, Any]) -> NamedPolicy:
        given = dict(table)
        for key in given:
            if key not in _FIELDS:
                hint = did_you_mean(key, _FIELDS) or f"; it has {', '.join(_FIELDS)}"
                raise self._error(self._place(index, key)[0], f"a policy has no {key!r}{hint}")
        for key in ("name", "project"):
            if key not in given:
                raise self._error(self._place(index, "")[0], f"the policy has no {key}")
            if not isinstance(given[key], str) or not given[key].strip():
                raise self._error(self._place(index, key)[1], f"{key}: expected text that is not empty")
        name, project = given.pop("name"), given.pop("project")
        try:
            return NamedPolicy(name, ProjectPath.parse(project, argument="project"), make_policy(**given))
        except FilterSyntaxError as error:
            start = self._place(index, error.argument)[1]
            place = self._text.find(error.text, start)
            offset = start if place < 0 else place + error.place - 1
            raise self._error(offset, f"{error.argument}: {error.reason}") from None
        except (TypeError, ValueError) as error:
            raise self._error(self._place(index, str(error).partition(":")[0])[1], str(error)) from None

    def _place(self, index: int, key: str) -> tuple[int, int]:
        """Return where a key and its value are; of one that was written in another way, where the policy begins."""
        header = self._headers[index] if index < len(self._headers) else self._offset_of_name("policy")
        return self._keys.get((index, key), (header, header))

    def _offset_of_name(self, name: str) -> int:
        found = re.search(rf"^[ \t\[\"']*{re.escape(name)}", self._text, re.MULTILINE)
        return 0 if found is None else found.end() - len(name)

"""Keys that lie in files: the one that ``runatlas login`` writes, and ``~/.netrc``."""

from __future__ import annotations

import json
import logging
import netrc
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

__all__ = ["Credential", "CredentialFile", "NetrcFile"]

_LOG = logging.getLogger(__name__)
_PRIVATE = stat.S_IRUSR | stat.S_IWUSR
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
NETRC_LOGIN = "runatlas"
"""The login that marks an entry of ``~/.netrc`` as ours, so that it also tells the host."""


@attrs.frozen
class Credential:
    """A server and the key for it.

    Attributes:
        host: An origin, as ``settings`` normalises it.
        key: The API key; ``None`` for a server that needs none. Never part of ``repr``.
        username: Whose key it is, as the server said at login.
    """

    host: str
    key: str | None = attrs.field(default=None, repr=False)
    username: str = ""


@attrs.frozen
class CredentialFile:
    """The file of ``runatlas login``: readable by its owner only, one key a server, one server current."""

    path: Path

    @classmethod
    def standard(cls, environ: Mapping[str, str], home: Path) -> CredentialFile:
        """Return the file in ``$XDG_CONFIG_HOME/runatlas``, else in ``~/.config/runatlas``."""
        configured = environ.get("XDG_CONFIG_HOME", "")
        # The XDG specification: a relative path is invalid and is to be ignored.
        base = Path(configured) if Path(configured).is_absolute() else home / ".config"
        return cls(base / "runatlas" / "credentials.json")

    def current(self) -> Credential | None:
        """Return the credential of the last login, ``None`` when there is none.

        Raises:
            ValueError: The file cannot be read; the sentence says what to do.
        """
        document = self._read()
        host = document["current"]
        return self._credential(document, host) if host is not None else None

    def find(self, host: str) -> Credential | None:
        """Return the credential of one server.

        Raises:
            ValueError: The file cannot be read.
        """
        document = self._read()
        return self._credential(document, host) if host in document["hosts"] else None

    def save(self, credential: Credential) -> None:
        """Keep a credential, as the current one; the file is replaced as a whole.

        Raises:
            OSError: The file cannot be written.
        """
        document = self._read() if self._is_readable() else _empty()
        document["current"] = credential.host
        document["hosts"][credential.host] = {"key": credential.key, "username": credential.username}
        self._write(document)

    def remove(self, host: str | None = None) -> Credential | None:
        """Forget a server, ``None`` for the current one; another login becomes current if there is one.

        Returns:
            What was forgotten, ``None`` when there was nothing.

        Raises:
            ValueError: The file cannot be read.
            OSError: The file cannot be written.
        """
        document = self._read()
        removed = document["current"] if host is None else host
        if removed not in document["hosts"]:
            return None
        credential = self._credential(document, removed)
        del document["hosts"][removed]
        if document["current"] == removed:
            document["current"] = next(reversed(document["hosts"]), None)
        if document["hosts"]:
            self._write(document)
        else:
            self.path.unlink(missing_ok=True)
        return credential

    def _is_readable(self) -> bool:
        try:
            self._read()
        except ValueError:
            return False
        return True

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            hosts, current = _checked(document["hosts"]), document["current"]
        except (FileNotFoundError, NotADirectoryError):
            return _empty()
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read: {error.strerror}; check its rights") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{self.path} is damaged; run 'runatlas login' again, or delete the file"
            raise ValueError(message) from error
        self._warn_of_rights()
        return {"version": 1, "current": current if current in hosts else None, "hosts": hosts}

    def _warn_of_rights(self) -> None:
        if os.name == "posix" and self.path.stat().st_mode & _OTHERS:
            _LOG.warning("%s can be read by others; run: chmod 600 %s", self.path, self.path)

    def _credential(self, document: dict[str, Any], host: str) -> Credential:
        entry = document["hosts"][host]
        return Credential(host, entry["key"], str(entry.get("username", "")))

    def _write(self, document: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        # mkstemp makes the file 0600 from the start: at no moment can another user read the key.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".credentials-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2)
                file.write("\n")
            Path(name).chmod(_PRIVATE)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _checked(hosts: Any) -> dict[str, Any]:
    for entry in hosts.values():
        if not isinstance(entry["key"], str | None):
            raise TypeError("a key is no text")
    return dict(hosts)


def _empty() -> dict[str, Any]:
    return {"version": 1, "current": None, "hosts": {}}


@attrs.frozen
class NetrcFile:
    """``~/.netrc``: keys by host name.

    A machine is a host name, ``name:port`` or a whole origin. An entry whose login is ``runatlas`` names the server
    to use when nothing else does. A file that does not parse is passed over with a warning: it belongs to others too.
    """

    path: Path

    @classmethod
    def standard(cls, environ: Mapping[str, str], home: Path) -> NetrcFile:
        """Return ``$NETRC``, else ``~/.netrc`` (``~/_netrc`` where that is the one there is)."""
        if environ.get("NETRC"):
            return cls(Path(environ["NETRC"]).expanduser())
        dotted, underlined = home / ".netrc", home / "_netrc"
        return cls(underlined if not dotted.is_file() and underlined.is_file() else dotted)

    def key_for(self, machines: tuple[str, ...]) -> str | None:
        """Return the password of the first of these machines that has an entry; the default entry never counts."""
        entries = self._entries()
        return next((entries[machine][1] for machine in machines if machine in entries), None)

    def own_machine(self) -> tuple[str, str] | None:
        """Return machine and key of the first entry whose login is ``runatlas``."""
        for machine, (login, key) in self._entries().items():
            if login == NETRC_LOGIN:
                return machine, key
        return None

    def _entries(self) -> dict[str, tuple[str, str]]:
        if not self.path.is_file():
            return {}
        try:
            hosts = netrc.netrc(str(self.path)).hosts
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
            _LOG.warning("%s cannot be read as a netrc file, and is passed over", self.path)
            return {}
        return {machine: (login, key or "") for machine, (login, _, key) in hosts.items() if machine != "default"}

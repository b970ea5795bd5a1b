"""Where an ``Api`` finds its data, and with which key.

Read from, in this order: arguments, ``runatlas login``, ``~/.netrc``, the environment (``RUNATLAS_API_HOST`` and
``RUNATLAS_API_KEY``, then ``SWANLAB_…``), and else the embedded store: ``RUNATLAS_DIR``, the nearest ``.runatlas``
directory upwards from the working directory, or ``~/.runatlas``. Nothing here touches the network.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

import attrs

from runatlas.credential import CredentialFile, NetrcFile

__all__ = ["ConnectionSettings", "embedded_directory", "is_here", "is_loopback", "parse_host", "resolve"]

TIMEOUT_S = 60.0
STORE_NAME = ".runatlas"

_SCHEMES = {"http": 80, "https": 443}
_HOSTNAME = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_])?\.?|\[[0-9A-Fa-f:.]+\]")
_BARE_HOST = re.compile(r"[0-9A-Za-z.-]+:\d{1,5}(?:/.*)?")
_KEY = re.compile(r"[\x21-\x7e]+")
_ON = {"1", "true", "yes", "on"}
_OFF = {"0", "false", "no", "off"}
_PREFIXES = ("RUNATLAS", "SWANLAB")


@attrs.frozen
class ConnectionSettings:
    """Where the data is: a server (``host``) or a directory, never both.

    Attributes:
        host: ``scheme://name[:port][/prefix]``, without credentials.
        key: The API key; ``None`` where none is needed. Never part of ``repr``.
        directory: An absolute path.
        source: What decided, for people: ``"argument"``, ``"runatlas login"``, a file or a variable.
        timeout_s: How long one call may take, retries and all.
        cache: Whether reads may be answered from memory.
    """

    host: str | None = None
    key: str | None = attrs.field(default=None, repr=False)
    directory: Path | None = None
    source: str = "argument"
    timeout_s: float = TIMEOUT_S
    cache: bool = True

    @property
    def location(self) -> str:
        """The host, or the directory as text."""
        return self.host if self.host is not None else str(self.directory)


def resolve(
    location: str | os.PathLike[str] | None = None,
    *,
    host: str | None = None,
    key: str | None = None,
    directory: str | os.PathLike[str] | None = None,
    timeout_s: float | None = None,
    cache: bool | None = None,
    is_told: bool = False,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> ConnectionSettings:
    """Settle where the data is.

    Args:
        location: A directory, or the URL of a server; the URL may carry ``user:KEY@``.
        host: The URL of a server.
        key: An API key.
        directory: A directory. At the most one of ``location``, ``host`` and ``directory`` may be given.
        timeout_s: How long one call may take; ``None`` asks ``RUNATLAS_HTTP_TIMEOUT``, else 60.
        cache: Whether reads may be answered from memory; ``None`` asks ``RUNATLAS_CACHE``, else yes.
        is_told: Whether it is a file that names the host, which somebody else may have written: a key then counts
            only if it was kept for that host.
        environ: The environment; ``None`` means this process's.
        cwd: The working directory; ``None`` means this process's.
        home: The home directory; ``None`` means the user's.

    Returns:
        The settings.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument, variable or file is not usable; the sentence names it and says what is right.

    Example:
        >>> resolve("http://ann:SECRET@127.0.0.1:5170/", environ={}).host
        'http://127.0.0.1:5170'
    """
    places = _Places(
        os.environ if environ is None else environ,
        Path.cwd() if cwd is None else cwd,
        Path.home() if home is None else home,
        is_told,
    )
    host, directory = _one_location(location, host, directory)
    return attrs.evolve(
        _settle(places, host, directory, None if key is None else _check_key(key, "api_key")),
        timeout_s=_timeout(timeout_s, places.environ),
        cache=_cache(cache, places.environ),
    )


def embedded_directory() -> Path:
    """Return where the embedded store is, whatever servers are known.

    Returns:
        ``RUNATLAS_DIR``, the nearest ``.runatlas`` upwards, or ``~/.runatlas``.
    """
    return _embedded(_Places(os.environ, Path.cwd(), Path.home()))[0]


@attrs.frozen
class _Places:
    """Everything outside of the arguments that has a say."""

    environ: Mapping[str, str]
    cwd: Path
    home: Path
    is_told: bool = False

    def key_for(self, origin: str) -> str | None:
        stored = CredentialFile.standard(self.environ, self.home).find(origin)
        if stored is not None and stored.key:
            return stored.key
        parts = urlsplit(origin)
        # How a netrc entry may name a server, the most exact first.
        machines = tuple(dict.fromkeys((origin, parts.netloc, parts.hostname or "")))
        return NetrcFile.standard(self.environ, self.home).key_for(machines) or self.environment_key(origin)

    def environment_host(self) -> tuple[str, str | None, str] | None:
        """Return origin, key inside the URL and name of the variable."""
        for prefix in _PREFIXES:
            name = f"{prefix}_API_HOST"
            if self.environ.get(name):
                return (*parse_host(self.environ[name], argument=name), name)
        return None

    def environment_key(self, origin: str | None) -> str | None:
        """Return the key variable that may be sent to ``origin``: one whose own host variable names no other."""
        for prefix in _PREFIXES:
            key = self.environ.get(f"{prefix}_API_KEY")
            belongs = self.environ.get(f"{prefix}_API_HOST")
            if key and not belongs and self.is_told:
                raise ValueError(
                    f"{prefix}_API_KEY: it belongs to no host, and is not sent to one that only a file names; if it is "
                    f"that of {origin}, say so by {prefix}_API_HOST or --host"
                )
            if key and (not belongs or parse_host(belongs, argument=f"{prefix}_API_HOST")[0] == origin):
                return _check_key(key, f"{prefix}_API_KEY")
        return None


def _settle(
    places: _Places, host: str | None, directory: str | os.PathLike[str] | None, key: str | None
) -> ConnectionSettings:
    if directory is not None:
        if key is not None:
            raise ValueError("api_key: a directory needs none; pass a host with it, or leave it out")
        return ConnectionSettings(directory=_directory(directory, places, "dir"))
    if host is not None:
        origin, own = parse_host(host, argument="host")
        if key is not None and own is not None and key != own:
            raise ValueError("api_key: it differs from the key inside the host's URL; give one of them")
        return ConnectionSettings(origin, key or own or places.key_for(origin))
    return _found(places, key)


def _found(places: _Places, key: str | None) -> ConnectionSettings:
    """Settle it without a location among the arguments."""
    login = CredentialFile.standard(places.environ, places.home).current()
    if login is not None:
        return ConnectionSettings(login.host, key or login.key, source="runatlas login")
    netrc = NetrcFile.standard(places.environ, places.home)
    own = netrc.own_machine()
    if own is not None:
        machine = own[0] if "://" in own[0] else f"https://{own[0]}"
        origin, _ = parse_host(machine, argument=str(netrc.path))
        return ConnectionSettings(origin, key or own[1], source=str(netrc.path))
    named = places.environment_host()
    if named is not None:
        origin, inside, name = named
        found = key or inside or places.key_for(origin)
        return ConnectionSettings(origin, found, source=name)
    if key is not None:
        raise ValueError("api_key: it belongs to no host; pass host='https://…' too, or set RUNATLAS_API_HOST")
    if places.environ.get("RUNATLAS_API_KEY"):
        raise ValueError("RUNATLAS_API_KEY: it belongs to no host; set RUNATLAS_API_HOST='https://…' too")
    directory, source = _embedded(places)
    return ConnectionSettings(directory=directory, source=source)


def _embedded(places: _Places) -> tuple[Path, str]:
    named = places.environ.get("RUNATLAS_DIR")
    if named:
        return _directory(named, places, "RUNATLAS_DIR"), "RUNATLAS_DIR"
    for parent in (places.cwd, *places.cwd.parents):
        if (parent / STORE_NAME).is_dir():
            return parent / STORE_NAME, "the nearest .runatlas"
    return places.home / STORE_NAME, "~/.runatlas"


def _one_location(
    location: str | os.PathLike[str] | None, host: str | None, directory: str | os.PathLike[str] | None
) -> tuple[str | None, str | os.PathLike[str] | None]:
    given = {"location": location, "host": host, "dir": directory}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"{named[1]}: {named[0]} says already where the data is; give one of them")
    for name, value in given.items():
        kinds = (str,) if name == "host" else (str, os.PathLike)
        if value is not None and not isinstance(value, kinds):
            raise TypeError(
                f"{name}: expected a string{'' if name == 'host' else ' or a path'}, got {type(value).__name__}"
            )
        if value is not None and not os.fspath(value).strip():
            raise ValueError(f"{name}: it is empty; leave it out, or say where the data is")
    if not isinstance(location, str):
        return host, location if location is not None else directory
    if "://" in location:
        if location.lower().startswith("file://"):
            return None, _file_path(location)
        return location, None
    if _BARE_HOST.fullmatch(location):
        raise ValueError(
            f"location: {location!r} may be a server or a directory; write 'http://{location}' or './{location}'"
        )
    return None, location


def _file_path(location: str) -> str:
    parts = urlsplit(location)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise ValueError(f"location: {location!r} is no local directory; write 'file:///path/to/it'")
    return url2pathname(parts.path)


def _directory(value: str | os.PathLike[str], places: _Places, argument: str) -> Path:
    text = os.fspath(value)
    if text == "~" or text.startswith("~/"):
        text = str(places.home) + text[1:]
    path = Path(os.path.normpath(places.cwd / text))
    if path.exists() and not path.is_dir():
        raise ValueError(f"{argument}: {str(path)!r} is a file; name the directory of a store")
    return path


def parse_host(host: str, *, argument: str = "host") -> tuple[str, str | None]:
    """Normalise the URL of a server, and take the key out of it.

    Args:
        host: ``http(s)://[user:KEY@]name[:port][/prefix]``.
        argument: What to call it in messages.

    Returns:
        The URL without credentials, trailing slash and standard port, and the key (the password, percent-decoded).

    Raises:
        ValueError: It has another form; the sentence says what is right, and never shows a key.

    Example:
        >>> parse_host("HTTPS://Tracking.example.org:443/")
        ('https://tracking.example.org', None)
    """
    shown = re.sub(r"//[^/@]*@", "//***@", host)
    text = host.strip()
    scheme = text.partition("://")[0].lower()
    if scheme in {"postgresql", "postgres", "sqlite"}:
        raise ValueError(f"{argument}: a database is opened by 'runatlas serve'; write the URL of that server")
    if "://" not in text or scheme not in _SCHEMES:
        raise ValueError(f"{argument}: {shown!r} is no URL of a server; write {_example(text)!r}")
    try:
        parts = urlsplit(text)
        port = parts.port
        name = parts.hostname or ""
    except ValueError as error:
        raise ValueError(f"{argument}: {shown!r} is no URL of a server: {error}") from None
    name = f"[{name}]" if ":" in name else name
    if not _HOSTNAME.fullmatch(name):
        raise ValueError(f"{argument}: {shown!r} names no host; write 'http://name:port'")
    if parts.query or parts.fragment or re.search(r"[\s\\]", parts.path):
        raise ValueError(f"{argument}: {shown!r} must end with the host, the port or a path")
    if port is not None and port != _SCHEMES[scheme]:
        name = f"{name}:{port}"
    return f"{scheme}://{name}{parts.path.rstrip('/')}", _key_inside(parts, shown, argument)


def _key_inside(parts: SplitResult, shown: str, argument: str) -> str | None:
    if parts.username is None:
        return None
    if not parts.password:
        raise ValueError(f"{argument}: {shown!r} has a user but no key; write 'http://user:KEY@name:port'")
    return _check_key(unquote(parts.password), argument)


def _example(text: str) -> str:
    rest = text.partition("://")[2] if "://" in text else text
    rest = rest.rpartition("@")[2].strip("/") or "name:port"
    return f"http://{rest}" if ":" in rest or is_here(rest) else f"https://{rest}"


def is_loopback(name: str) -> bool:
    """Tell whether a host name or address is this machine's loopback; nothing is looked up.

    Example:
        >>> is_loopback("localhost"), is_loopback("127.0.0.5"), is_loopback("[::1]"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    name = name.strip("[]").lower().rstrip(".")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_here(name: str) -> bool:
    """Tell whether a client reaches this machine by a host name: also by one below ``localhost``."""
    return is_loopback(name) or name.lower().rstrip(".").endswith(".localhost")


def _check_key(key: object, argument: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{argument}: expected a string, got {type(key).__name__}")
    if not _KEY.fullmatch(key):
        raise ValueError(f"{argument}: a key has no blanks, line ends or letters beyond ASCII, and is not empty")
    return key


def _timeout(value: float | None, environ: Mapping[str, str]) -> float:
    name = "timeout"
    if value is None:
        text = environ.get("RUNATLAS_HTTP_TIMEOUT")
        if not text:
            return TIMEOUT_S
        name = "RUNATLAS_HTTP_TIMEOUT"
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{name}: {text!r} is no number of seconds, such as 60") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}: expected a number of seconds, got {type(value).__name__}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name}: expected a number of seconds above 0, got {value}")
    return float(value)


def _cache(value: bool | None, environ: Mapping[str, str]) -> bool:
    if value is not None:
        if not isinstance(value, bool):
            raise TypeError(f"cache: expected True or False, got {type(value).__name__}")
        return value
    text = environ.get("RUNATLAS_CACHE", "on").strip().lower() or "on"
    if text not in _ON | _OFF:
        raise ValueError(f"RUNATLAS_CACHE: {text!r} is neither on nor off")
    return text in _ON

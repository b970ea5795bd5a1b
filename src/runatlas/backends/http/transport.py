"""One request over a pooled connection: no retries, no redirects, no cookies, and nothing read from the environment
but proxies and certificates.

The pool of ``requests`` is used without its ``Session``, which reads ``~/.netrc`` and follows redirects on its own:
both could send a key where it does not belong.
"""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import attrs
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from runatlas.errors import ConnectionFailedError, RequestError, TimeoutError_
from runatlas.settings import is_here

__all__ = ["BrokenRequest", "Call", "Throttle", "Transport", "when_sent"]

CONCURRENCY = 8
"""How many requests of one client are under way at the most."""

_CONNECT_S = 10.0
_PIECE = 1 << 20


@attrs.frozen(repr=False)
class Call:
    """A request, ready to be sent.

    Attributes:
        what: The request in a few words, for messages: method and URL, without secrets.
        body: Bytes, or a file; its length must be among the headers.
        start: Where in the file the body begins.
    """

    method: str
    url: str
    what: str
    headers: Mapping[str, str]
    body: bytes | BinaryIO | None = None
    start: int = 0


class BrokenRequest(Exception):
    """No whole answer came.

    Attributes:
        error: What to tell the caller.
        sent: Whether the server may have got the request, and acted on it.
        is_final: Whether another try cannot help.
    """

    def __init__(self, error: RequestError, *, sent: bool = True, is_final: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.sent = sent
        self.is_final = is_final


class Throttle:
    """What share of a server all threads of one client take: few requests at once, and none in a pause it asks for."""

    def __init__(self, *, clock: Callable[[], float], concurrency: int = CONCURRENCY) -> None:
        self._clock = clock
        self._slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._resume_at = 0.0

    @contextmanager
    def slot(self, timeout_s: float) -> Iterator[None]:
        """Hold one of the places.

        Raises:
            TimeoutError_: None became free in that time.
        """
        if not self._slots.acquire(timeout=timeout_s):
            raise TimeoutError_("no connection became free in time; other requests of this Api take all of them")
        try:
            yield
        finally:
            self._slots.release()

    def pause(self, seconds: float) -> None:
        """Let no request begin for that long, whoever makes it: the server is busy for all of them."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._clock() + seconds)

    def pause_left(self) -> float:
        """Return how many seconds of the pause are left, 0 when there is none."""
        with self._lock:
            return max(0.0, self._resume_at - self._clock())


class _Sending(threading.local):
    """What this thread calls when a request of its is sent."""

    sent: Callable[[], None] | None = None


_sending = _Sending()


@contextmanager
def when_sent(sent: Callable[[], None]) -> Iterator[None]:
    """Call ``sent`` whenever this thread has sent a request and begins to wait for the answer.

    Not where a proxy is between.
    """
    _sending.sent = sent
    try:
        yield
    finally:
        _sending.sent = None


class _Watched:
    """A connection of which a thread hears when its request is sent."""

    def getresponse(self) -> Any:
        if _sending.sent is not None:
            _sending.sent()
        return super().getresponse()  # type: ignore[misc]


class _Connection(_Watched, urllib3.connection.HTTPConnection): ...


class _SecureConnection(_Watched, urllib3.connection.HTTPSConnection): ...


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Transport:
    """A pool of connections to one server; thread-safe, and a forked child gets its own."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._process = 0
        self._adapter: HTTPAdapter | None = None
        self._verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True

    def close(self) -> None:
        """Close idle connections."""
        if self._adapter is not None and self._process == os.getpid():
            self._adapter.close()

    @contextmanager
    def open(self, call: Call, timeout_s: float) -> Iterator[requests.Response]:
        """Send a request; its answer's body is not read yet.

        Args:
            call: The request.
            timeout_s: How long the connection may be silent.

        Yields:
            The answer; its connection goes back to the pool at the end.

        Raises:
            BrokenRequest: No answer came.
        """
        with _translated(call.what, timeout_s):
            response = self._pool().send(
                _prepared(call),
                stream=True,
                timeout=(min(timeout_s, _CONNECT_S), timeout_s),
                verify=self._verify,
                proxies={} if is_here(urlsplit(call.url).hostname or "") else get_environ_proxies(call.url),
            )
        try:
            yield response
        finally:
            response.close()

    def pieces(self, call: Call, response: requests.Response, timeout_s: float) -> Iterator[bytes]:
        """Read a body as it comes, decompressed.

        Raises:
            BrokenRequest: It broke off.
        """
        with _translated(call.what, timeout_s):
            while piece := response.raw.read1(_PIECE, decode_content=True):
                yield piece

    def read(self, call: Call, response: requests.Response, deadline: float, most: int) -> bytes:
        """Read a whole body; what is too long of a refusal is left out.

        Args:
            call: The request.
            response: Its answer.
            deadline: When it has to be whole, on the clock.
            most: How many bytes it may have.

        Raises:
            BrokenRequest: It broke off, is too long, or was not whole at the deadline, however steadily it trickles.
        """
        found, size = [], 0
        for piece in self.pieces(call, response, max(0.0, deadline - self._clock())):
            found.append(piece)
            size += len(piece)
            if size > most:
                if response.status_code >= 300:
                    break
                message = f"{call.what}: the answer has more than {most} bytes, which none has"
                raise BrokenRequest(RequestError(message), is_final=True)
            if self._clock() > deadline:
                message = f"{call.what}: the answer had not come whole when time was up"
                raise BrokenRequest(TimeoutError_(message), is_final=True)
        return found[0] if len(found) == 1 else b"".join(found)

    def _pool(self) -> HTTPAdapter:
        # A connection shared with the parent process would mix up both processes' answers.
        if self._adapter is None or self._process != os.getpid():
            self._adapter = HTTPAdapter(pool_connections=4, pool_maxsize=2 * CONCURRENCY, max_retries=0)
            self._adapter.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
            self._process = os.getpid()
        return self._adapter


def _prepared(call: Call) -> requests.PreparedRequest:
    if not isinstance(call.body, bytes | None):
        call.body.seek(call.start)
    prepared = requests.PreparedRequest()
    prepared.method = call.method
    prepared.url = call.url
    prepared.headers = CaseInsensitiveDict(call.headers)
    prepared.body = call.body  # type: ignore[assignment]
    prepared.hooks = {"response": []}
    return prepared


@contextmanager
def _translated(what: str, timeout_s: float) -> Iterator[None]:
    """Turn what requests and urllib3 raise into a ``BrokenRequest``."""
    try:
        yield
    except (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError) as error:
        raise BrokenRequest(TimeoutError_(f"{what}: no connection in time"), sent=False) from error
    except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise BrokenRequest(TimeoutError_(f"{what}: no answer within {timeout_s:.3g} s"), is_final=True) from error
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
        message = f"{what}: the TLS connection failed ({_reason(error)}); check the certificate, or REQUESTS_CA_BUNDLE"
        raise BrokenRequest(ConnectionFailedError(message), sent=False, is_final=True) from error
    except requests.exceptions.ProxyError as error:
        message = f"{what}: the proxy failed ({_reason(error)}); check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
        raise BrokenRequest(ConnectionFailedError(message), sent=False) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _broken(what, error) from error


def _broken(what: str, error: Exception) -> BrokenRequest:
    chain = tuple(_chain(error))
    if any(isinstance(item, (urllib3.exceptions.NewConnectionError, ConnectionRefusedError)) for item in chain):
        message = f"{what}: the server cannot be reached ({_reason(error)})"
        return BrokenRequest(ConnectionFailedError(message), sent=False)
    if any(isinstance(item, (http.client.IncompleteRead, urllib3.exceptions.InvalidChunkLength)) for item in chain):
        return BrokenRequest(RequestError(f"{what}: the connection broke in the middle of the answer"))
    if any(isinstance(item, urllib3.exceptions.DecodeError) for item in chain):
        return BrokenRequest(RequestError(f"{what}: the answer's compression is damaged"))
    return BrokenRequest(ConnectionFailedError(f"{what}: the connection broke ({_reason(error)})"))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it wraps: requests and urllib3 keep the inner one in various places."""
    while error is not None:
        yield error
        wrapped = (getattr(error, "reason", None), *error.args, error.__cause__)
        error = next((item for item in wrapped if isinstance(item, BaseException)), None)


def _reason(error: Exception) -> str:
    *_, cause = _chain(error)
    text = str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
    return " ".join(text.split())[:200]

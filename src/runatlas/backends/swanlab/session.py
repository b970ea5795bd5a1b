"""Requests to a SwanLab server: a login by key, and the session it begins with every request."""

from __future__ import annotations

import attrs

from runatlas.backends.http.answer import Answer
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.session import Request, Session
from runatlas.backends.swanlab.document import Document
from runatlas.errors import ApiStatusError, AuthenticationError, RequestError
from runatlas.process.fork import ProcessLock

__all__ = ["SwanlabSession"]


@attrs.frozen(repr=False)
class _Login:
    token: str
    user: Document


class SwanlabSession(Session):
    """Logs in at the first request, and once more whenever the server no longer knows the session."""

    def __init__(self, host: str, key: str | None = None, *, policy: RetryPolicy | None = None) -> None:
        """Describe the server.

        Args:
            host: ``scheme://name[:port]``.
            key: An API key; a SwanLab server answers nobody without one.
            policy: When to try again.
        """
        # Its servers take no compressed bodies.
        super().__init__(host, key, policy=policy, compress=False)
        self._lock = ProcessLock()
        self._login: _Login | None = None

    def send(self, request: Request) -> Answer:
        """Ask, with a session; see ``Session.send``."""
        login = self._logged_in()
        try:
            return super().send(_signed(request, login))
        except AuthenticationError:
            return super().send(_signed(request, self._logged_in(instead_of=login)))

    def user(self) -> Document:
        """Return what the login tells of the caller: ``username`` and ``name``."""
        return self._logged_in().user

    def is_there(self) -> bool:
        """Tell whether a server of this protocol answers."""
        try:
            answer = super().send(Request("GET", "/api", accept="*/*"))
        except (ApiStatusError, RequestError):
            return False
        return answer.body.strip() == b"OK"

    def _is_own(self, answer: Answer) -> bool:
        """Tell whether an error is in the words of a SwanLab server."""
        document = answer.document()
        return isinstance(document.get("code"), str) and isinstance(document.get("message"), str)

    def _credentials(self) -> dict[str, str]:
        """Send no key: the session says who asks."""
        return {}

    def _logged_in(self, instead_of: _Login | None = None) -> _Login:
        with self._lock:
            if self._login is None or self._login is instead_of:
                self._login = self._log_in()
            return self._login

    def _log_in(self) -> _Login:
        if self._key is None:
            raise AuthenticationError(f"the SwanLab server {self.host} needs an API key: pass api_key, or log in")
        request = Request("POST", "/api/login/api_key", headers={"Authorization": self._key})
        told = Document.of(super().send(request), "login")
        return _Login(told.text("sid"), told.inner("userInfo"))


def _signed(request: Request, login: _Login) -> Request:
    return attrs.evolve(request, headers={**request.headers, "Cookie": f"sid={login.token}"})

"""A SwanLab server as a backend: everything it can do, and a clear word on what it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runatlas.backends.contract import Backend
from runatlas.backends.http.cache import AnswerCache
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.operation import Operation, complete
from runatlas.backends.swanlab.accounts import Accounts
from runatlas.backends.swanlab.client import SwanlabClient, unsupported
from runatlas.backends.swanlab.links import Links
from runatlas.backends.swanlab.logs import Logs
from runatlas.backends.swanlab.media import Media
from runatlas.backends.swanlab.projects import Projects
from runatlas.backends.swanlab.recording import Recording
from runatlas.backends.swanlab.run_writer import RunWriter
from runatlas.backends.swanlab.runs import Runs
from runatlas.backends.swanlab.series import Series
from runatlas.backends.swanlab.session import SwanlabSession
from runatlas.settings import ConnectionSettings

__all__ = ["SwanlabBackend"]


class SwanlabBackend(Backend):
    """A SwanLab server, in the cloud or self-hosted. Making one makes no request.

    What the server has no request for raises ``NotSupportedError``. Filters and orders that its rules cannot say are
    applied here, to runs that are read whole. A deletion is for good: these servers keep no trash.
    """

    def __init__(
        self, host: str, key: str | None = None, *, policy: RetryPolicy | None = None, cache: bool = True
    ) -> None:
        """Describe the server.

        Args:
            host: ``scheme://name[:port]``; ``/api`` behind it, as SwanLab's own settings have it, is left out.
            key: An API key.
            policy: When to try again; its clock also ages what is kept.
            cache: Whether reads may be answered from memory for a while.
        """
        policy = policy or RetryPolicy()
        self._session = SwanlabSession(host.rstrip("/").removesuffix("/api"), key, policy=policy)
        self._client = client = SwanlabClient(self._session, AnswerCache(clock=policy.clock) if cache else None)
        self._accounts = Accounts(client)
        self._projects = Projects(client, self._accounts)
        self._links = Links(client)
        self._runs = Runs(client, self._projects, policy)
        self._series = Series(client, self._runs, self._links, policy)
        self._media = Media(client, self._runs, self._series, self._links)
        self._logs = Logs(client, self._runs, self._links)
        self._recording = Recording(client, self._projects, self._runs, self._series, self._media, self._logs)
        self._run_writer = RunWriter(client, self._projects, self._runs, self._series, self._logs, self._recording)

    @classmethod
    def from_settings(cls, settings: ConnectionSettings) -> SwanlabBackend:
        """Make one of settings that name a host."""
        return cls(
            str(settings.host), settings.key, policy=RetryPolicy(total_s=settings.timeout_s), cache=settings.cache
        )

    @property
    def location(self) -> str:
        """The server's URL."""
        return self._session.host

    @property
    def web_url(self) -> str:
        """The server's URL."""
        return self._session.host

    def close(self) -> None:
        self._session.close()
        self._recording.close()

    def forget(self, path: str | None = None) -> None:
        self._runs.forget()
        self._client.forget("/".join((path or "").removeprefix("/").split("/")[:2]))

    def answers(self) -> bool:
        """Ask the server whether it is one of SwanLab's; needs no key."""
        return self._session.is_there()


_PARTS = {
    "_accounts": Accounts,
    "_projects": Projects,
    "_links": Links,
    "_runs": Runs,
    "_series": Series,
    "_media": Media,
    "_logs": Logs,
    "_recording": Recording,
    "_run_writer": RunWriter,
}
"""What answers the operations of the contract: each has those that are methods of its name."""

_LACKING = {
    "update_user": ("way to change an account from outside", "change it on its pages"),
    "update_workspace": ("way to change a workspace from outside", "change it on its pages"),
    "set_member": ("way to change a workspace's members from outside", "change them on its pages"),
    "update_project": ("way to change a project from outside", "change it on its pages"),
    "create_key": ("way to make a key from outside", "make it on its pages"),
    "list_keys": ("list of keys from outside", "see its pages"),
    "revoke_key": ("way to revoke a key from outside", "revoke it on its pages"),
    "reset_password": ("way to help who forgot a password from outside", "do it on its pages"),
    "list_artifacts": ("list of a run's saved files", ""),
    "run_imports": ("way to take many runs at once", "make them one by one"),
    "cleaning": ("policies of clean-up", "filter its runs and delete those"),
    "policies": ("policies of clean-up", "filter its runs and delete those"),
    "plan_data_deletion": ("way to delete data of a run alone", ""),
    "trash": ("trash", "what is deleted there is gone"),
    "updates": ("plans of changes", "change runs at once, one by one"),
    "transfers": ("way to move and copy runs or to rename projects and metrics from outside", "do it on its pages"),
    "purging": ("trash", "what is deleted there is gone"),
    "changes": ("journal of changes", "what is changed there stays changed"),
    "usage": ("figures of the room that runs take", ""),
    "folders": ("folders", ""),
    "annotations": ("notes on runs", ""),
    "catalog": ("catalog of metrics with their counts", "list the run's columns"),
    "ingestion_keys": ("keys for one run", ""),
    "registry": ("registry of models", ""),
}
"""What these servers do not have, and what to do instead; by the operation, or by the service of all of a kind."""


def _answer(item: Operation) -> Callable[..., Any] | None:
    """Make the method of an operation: the part that has it answers, or it is refused with what to do instead."""
    name = item.name
    part = next((part for part, kind in _PARTS.items() if hasattr(kind, name)), None)
    lacking = _LACKING.get(name) or _LACKING.get(item.service)

    def hand_over(self: SwanlabBackend, *given: Any, **named: Any) -> Any:
        return getattr(getattr(self, str(part)), name)(*given, **named)

    def refuse(_: SwanlabBackend, *__: Any, **___: Any) -> Any:
        raise unsupported(*lacking or ())

    if part is not None:
        return hand_over
    return None if lacking is None else refuse


complete(SwanlabBackend, Backend, _answer)

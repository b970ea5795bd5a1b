"""The schedule: policies are evaluated when due, by a server or by who is told to, and old sessions are removed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from runatlas.errors import StoreError
from runatlas.model.held_policy import EvaluationRecord
from runatlas.server.services.services import Services

__all__ = ["Schedule", "evaluate_due"]

_log = logging.getLogger(__name__)

_LOOK_S = 10.0
_SWEEP_S = 3600.0


def evaluate_due(services: Services) -> Iterator[EvaluationRecord]:
    """Evaluate every policy that is due, each once, whoever else does so at the same time.

    An evaluation that fails, for whatever reason, is noted in the log of its project, and ends none of the others.

    Args:
        services: Those of the store.

    Yields:
        What each evaluation did, the longest due first.

    Raises:
        StoreError: The database failed; what was not begun by then is due the next time.
    """
    for due in services.policies.list_due():
        begun = services.policies.begin(due)
        if begun is None:
            continue
        try:
            record = services.policies.evaluate(begun)
        except StoreError:
            raise
        except Exception as error:
            _log.exception("the policy %r of %s/%s was not evaluated", due.record.name, due.workspace, due.project)
            record = services.policies.fail(begun, error)
        yield record


class Schedule:
    """Evaluates what is due, on a thread of its own, until the store is closed; once an hour old sessions go.

    Args:
        services: Those of the store.

    Attributes:
        failures: How many evaluations failed, and looks for what is due, but for those that wait for the store.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runatlas-schedule", daemon=True)
        self.failures = 0
        services.store.at_close(self.close)

    def start(self) -> None:
        """Begin, with what is due by now."""
        self._thread.start()

    def close(self) -> None:
        """Let the evaluation that goes on end, and no other begin; a second call does nothing."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self.failures:
            _log.warning("failures in evaluating policies, each told above: %d", self.failures)

    def _work(self) -> None:
        swept_at = -_SWEEP_S
        while True:
            try:
                for record in evaluate_due(self._services):
                    self.failures += record.outcome == "failed"
                    if self._closing.is_set():
                        break
                if time.monotonic() - swept_at >= _SWEEP_S:
                    self._services.sessions.forget_over()
                    swept_at = time.monotonic()
            except StoreError as error:
                _log.warning("policies that are due wait: %s", error)
            except Exception:
                self.failures += 1
                _log.exception("policies that are due wait")
            if self._closing.wait(_LOOK_S):
                return

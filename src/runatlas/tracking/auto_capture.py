"""What a run records by itself: terminal lines, the machine, the environment."""

from __future__ import annotations

import time

from runatlas.model.run import RunPatch
from runatlas.model.series import Context
from runatlas.tracking.environment import read_environment
from runatlas.tracking.recorder import Recorder
from runatlas.tracking.system_metrics import SystemProbe
from runatlas.tracking.terminal_capture import TerminalCapture
from runatlas.tracking.worker import Worker, describe

__all__ = ["AutoCapture"]

_STOP_S = 5.0


class AutoCapture:
    """Watches the process and its machine for a recorder.

    Args:
        recorder: Where to.
        terminal: Whether terminal lines are wanted.
        environment: Whether code, packages, command line and environment are wanted.
        interval_s: Seconds between two samples of the machine; ``None`` for none.
    """

    def __init__(self, recorder: Recorder, *, terminal: bool, environment: bool, interval_s: float | None) -> None:
        self._recorder = recorder
        self._interval_s = interval_s
        self._probe: SystemProbe | None = None
        self._capture = TerminalCapture() if terminal else None
        self._workers: list[Worker] = []
        if environment:
            self._workers.append(Worker("runatlas-environment", self._describe, self._on_fault))
        if interval_s is not None:
            self._workers.append(Worker("runatlas-system", self._sample, self._on_fault))

    def start(self) -> None:
        """Start to watch."""
        if self._capture is not None:
            self._recorder.capture = self._capture
            self._capture.start()
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Stop; a description of the environment that was begun is finished."""
        if self._capture is not None:
            self._capture.stop()
        for worker in self._workers:
            worker.stop(_STOP_S)
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def forked(self) -> None:
        """Watch only what is printed in a forked child: its parent goes on watching the machine."""
        self._workers = []
        self._probe = None

    def _describe(self) -> float:
        self._recorder.put(RunPatch(profile=read_environment()))
        return -1.0

    def _sample(self) -> float:
        if self._probe is None:
            self._probe = SystemProbe()
        for reading in self._probe.read():
            context: Context = () if reading.gpu is None else (("gpu", reading.gpu),)
            self._recorder.put((time.time(), reading.values, None, None, context))
        return self._interval_s or -1.0

    def _on_fault(self, error: BaseException) -> None:
        hint = "; pip install 'runatlas[system]'" if isinstance(error, ImportError) else ""
        self._recorder.losses.warn("observer", f"the machine cannot be watched: {describe(error)}{hint}")

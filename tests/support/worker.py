"""What other processes do with a store; they get pickled arguments and answer through pipes."""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from support.database import Location
from support.recording import Recorder, line


def record_at_once(location: Location, barrier: Barrier, number: int, batches: int) -> None:
    """Open a store in the same moment as others, make it if nobody did, and record a run."""
    barrier.wait(60)
    services = location.services()
    try:
        recorder = Recorder.of(services, f"project-{number}")
        run = recorder.run(f"run-{number}")
        for batch in range(batches):
            recorder.append(run, line("own", 10, start=batch * 10), writer="w", sequence=batch)
    finally:
        services.close()


def record_shared(location: Location, run: str, number: int, batches: int) -> None:
    """Append to a run beside others."""
    services = location.services()
    try:
        recorder = Recorder.of(services)
        path = recorder.project.run(run)
        for batch in range(batches):
            recorder.append(
                path, line("shared", 5, start=(number * batches + batch) * 5), writer=f"w{number}", sequence=batch
            )
    finally:
        services.close()


def record_until_killed(location: Location, run: str, told: Connection) -> None:
    """Append batch by batch, and tell the number of each that was acknowledged."""
    recorder = Recorder.of(location.services())
    path = recorder.project.run(run)
    sequence = 0
    while True:
        recorder.append(path, line("a", 7, start=sequence * 7), line("b", 7), writer="w", sequence=sequence)
        told.send(sequence)
        sequence += 1

from __future__ import annotations

import math

import pytest

from runatlas.tracking.system_metrics import SystemProbe, validate_interval


def test_a_sample_of_the_machine() -> None:
    probe = SystemProbe()
    machine, *gpus = probe.read()
    probe.close()

    assert machine.gpu is None
    assert {"__system__cpu", "__system__memory_percent", "__system__p_memory_percent", "__system__disk_percent"} <= set(
        machine.values
    )
    assert {"__system__network_sent_mib_per_s", "__system__disk_read_mib_per_s"} <= set(machine.values)
    assert all(math.isfinite(value) and value >= 0 for value in machine.values.values())
    assert 0 < machine.values["__system__memory_percent"] <= 100
    assert [reading.gpu for reading in gpus] == list(range(len(gpus)))


@pytest.mark.parametrize(("interval", "expected"), [(None, None), (1, 1.0), (0.1, 0.1), (86_400, 86_400.0)])
def test_an_interval_that_fits(interval: object, expected: float | None) -> None:
    assert validate_interval(interval) == expected


@pytest.mark.parametrize(
    ("interval", "error"), [(0, ValueError), (1e6, ValueError), ("1", TypeError), (True, TypeError)]
)
def test_an_interval_that_does_not(interval: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="system_tracking_interval"):
        validate_interval(interval)

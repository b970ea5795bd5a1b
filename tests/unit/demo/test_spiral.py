"""The networks of the demonstration really learn."""

from __future__ import annotations

import numpy as np
import pytest

from runatlas.demo.spiral import Dataset, Network, make_spirals
from runatlas.demo.sweep import DivergedError, Trial, train, trials


def test_spirals_are_drawn_again_from_the_same_seed() -> None:
    first, again, other = make_spirals(50, seed=1), make_spirals(50, seed=1), make_spirals(50, seed=2)
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.points, other.points)
    assert first.points.shape == (50, 2)
    assert set(first.labels) == {0.0, 1.0}


def test_without_noise_the_spirals_are_each_other_turned_by_half() -> None:
    data = make_spirals(500, seed=3, noise=0.0)
    radius = np.hypot(*data.points.T)
    turned = data.points * np.where(data.labels == 1, -1.0, 1.0)[:, None]
    angle = radius * 2.25 * np.pi
    assert np.allclose(turned, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))


def test_a_step_goes_down_the_gradient() -> None:
    """One step of length h along the negative gradient lowers the loss by h times the gradient's squared length."""
    data = make_spirals(200, seed=1)
    rate = 1e-6
    network = Network(8, np.random.default_rng(0))
    before, _ = network.measure(data)
    length = network.step(data, rate)
    after, _ = network.measure(data)
    assert before - after == pytest.approx(rate * length**2, rel=1e-3)


def test_measures_are_of_all_points() -> None:
    data = make_spirals(100, seed=1)
    network = Network(4, np.random.default_rng(0))
    loss, accuracy = network.measure(data)
    parts = [network.measure(Dataset(data.points[i::4], data.labels[i::4])) for i in range(4)]
    assert loss == pytest.approx(np.mean([part[0] for part in parts]))
    assert accuracy == pytest.approx(np.mean([part[1] for part in parts]))


def test_the_sweep_has_a_dozen_different_trials() -> None:
    found = trials()
    assert len({trial.name for trial in found}) == 12
    assert {trial.kind for trial in found} == {"narrow", "wide"}


def test_a_good_trial_learns_the_same_each_time() -> None:
    logs: list[list[tuple[int, dict[str, float]]]] = [[], []]
    for log in logs:
        train(Trial(0.1, 32, 0), lambda step, metrics, log=log: log.append((step, metrics)))  # type: ignore[misc]
    assert logs[0] == logs[1]
    assert [step for step, _ in logs[0]] == list(range(0, 2001, 10))
    assert logs[0][0][1]["val_acc"] < 0.7
    assert logs[0][-1][1]["val_acc"] > 0.95


def test_a_trial_with_too_long_steps_is_stopped() -> None:
    logged: list[float] = []
    with pytest.raises(DivergedError, match=r"the loss on the training points is \d+\.\d+ at step \d+"):
        train(Trial(3.0, 32, 0), lambda _, metrics: logged.append(metrics["train_loss"]))
    assert logged[-1] > 2.0

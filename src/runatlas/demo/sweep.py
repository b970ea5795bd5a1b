"""A sweep over learning rate, width and seed: a dozen small networks, a few of which diverge."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from runatlas.demo.spiral import Dataset, Network, make_spirals

__all__ = ["DivergedError", "Trial", "train", "trials"]

_STEPS = 2000
_EVERY = 10
_BATCH = 64
_DIVERGED = 2.0

_RATES = (0.003, 0.1, 3.0)
_WIDTHS = (8, 32)
_SEEDS = (0, 1)


class DivergedError(ArithmeticError):
    """The loss grows instead of falling."""


@attrs.frozen
class Trial:
    """One point of the sweep."""

    learning_rate: float
    width: int
    seed: int

    @property
    def kind(self) -> str:
        """``narrow`` or ``wide``."""
        return "narrow" if self.width < _WIDTHS[-1] else "wide"

    @property
    def name(self) -> str:
        """Tells it from the others; fit to be an id."""
        return f"{self.kind}-lr{self.learning_rate:g}-seed{self.seed}"

    @property
    def labels(self) -> tuple[str, ...]:
        """What it is called among others."""
        return (self.kind, "baseline") if self.learning_rate == _RATES[0] else (self.kind,)

    @property
    def config(self) -> dict[str, Any]:
        """Everything that settles how it turns out."""
        return {
            "lr": self.learning_rate,
            "seed": self.seed,
            "model": {"kind": "mlp", "width": self.width},
            "steps": _STEPS,
            "batch": _BATCH,
        }


def trials() -> list[Trial]:
    """Return all trials of the sweep."""
    return [Trial(*point) for point in itertools.product(_RATES, _WIDTHS, _SEEDS)]


def train(trial: Trial, log: Callable[[int, dict[str, float]], None]) -> Network:
    """Train one network.

    Args:
        trial: How.
        log: Told a step and its metrics every 10 steps.

    Returns:
        The trained network.

    Raises:
        DivergedError: The loss on the training points is far above that of guessing.
    """
    random = np.random.default_rng(trial.seed)
    training, validation = make_spirals(400, seed=1), make_spirals(400, seed=2)
    network = Network(trial.width, random)
    length = 0.0
    for step in range(_STEPS + 1):
        if step % _EVERY == 0:
            train_loss, train_accuracy = network.measure(training)
            val_loss, val_accuracy = network.measure(validation)
            metrics = {
                "train_loss": train_loss,
                "train_acc": train_accuracy,
                "val_loss": val_loss,
                "val_acc": val_accuracy,
                "gradient_length": length,
            }
            log(step, metrics)
            if step > _EVERY and not train_loss < _DIVERGED:
                raise DivergedError(f"the loss on the training points is {train_loss:.2f} at step {step}")
        chosen = random.integers(0, len(training.labels), _BATCH)
        length = network.step(Dataset(training.points[chosen], training.labels[chosen]), trial.learning_rate)
    return network

"""A toy problem that needs a network: which of two interleaved spirals a point of the plane belongs to."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset", "Network", "make_spirals"]

Floats: TypeAlias = NDArray[np.float64]

_TURNS = 2.25
_MOMENTUM = 0.9


@attrs.frozen(eq=False)
class Dataset:
    """Points and the spiral of each.

    Attributes:
        points: Shape (n, 2), about -1 to 1.
        labels: Shape (n,), 0 or 1.
    """

    points: Floats
    labels: Floats


def make_spirals(count: int, *, seed: int, noise: float = 0.08) -> Dataset:
    """Draw points of two spirals.

    Args:
        count: How many.
        seed: The same seed draws the same points.
        noise: Standard deviation of what is added to each coordinate.
    """
    random = np.random.default_rng(seed)
    angle = np.sqrt(random.random(count)) * _TURNS * np.pi
    labels = random.integers(0, 2, count).astype(np.float64)
    turned = angle + np.pi * labels
    points = np.stack([angle * np.cos(turned), angle * np.sin(turned)], axis=1) / (_TURNS * np.pi)
    return Dataset(points + random.normal(0.0, noise, points.shape), labels)


class Network:
    """Two hidden layers of tanh and one output, trained by gradient descent with momentum on the cross-entropy.

    Args:
        width: Units of each hidden layer.
        random: Draws the first weights.
    """

    def __init__(self, width: int, random: np.random.Generator) -> None:
        scale = 1.0 / np.sqrt(width)
        self._parameters: list[Floats] = [
            random.normal(0.0, 3.0, (2, width)),
            random.normal(0.0, 1.0, width),
            random.normal(0.0, scale, (width, width)),
            np.zeros(width),
            random.normal(0.0, scale, (width, 1)),
            np.zeros(1),
        ]
        self._velocities = [np.zeros_like(parameter) for parameter in self._parameters]

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return sum(parameter.size for parameter in self._parameters)

    def measure(self, data: Dataset) -> tuple[float, float]:
        """Return the mean cross-entropy and the accuracy (0 to 1) on a dataset."""
        logits = self._forward(data.points)[2]
        loss = np.mean(np.logaddexp(0.0, logits) - data.labels * logits)
        return float(loss), float(np.mean((logits > 0) == data.labels))

    def step(self, batch: Dataset, learning_rate: float) -> float:
        """Take one step down the gradient of a batch; return the gradient's length."""
        gradients = self._gradients(batch)
        for index, gradient in enumerate(gradients):
            self._velocities[index] = _MOMENTUM * self._velocities[index] - learning_rate * gradient
            self._parameters[index] = self._parameters[index] + self._velocities[index]
        return float(np.sqrt(sum(float(np.sum(gradient * gradient)) for gradient in gradients)))

    def _forward(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        w1, b1, w2, b2, w3, b3 = self._parameters
        first = np.tanh(points @ w1 + b1)
        second = np.tanh(first @ w2 + b2)
        return first, second, (second @ w3 + b3)[:, 0]

    def _gradients(self, batch: Dataset) -> list[Floats]:
        _, _, w2, _, w3, _ = self._parameters
        first, second, logits = self._forward(batch.points)
        # tanh form of the logistic function: no overflow, however large the logits have grown.
        error = ((0.5 * (1.0 + np.tanh(0.5 * logits)) - batch.labels) / len(batch.labels))[:, None]
        second_error = error @ w3.T * (1.0 - second * second)
        first_error = second_error @ w2.T * (1.0 - first * first)
        return [
            batch.points.T @ first_error,
            first_error.sum(axis=0),
            first.T @ second_error,
            second_error.sum(axis=0),
            second.T @ error,
            error.sum(axis=0),
        ]

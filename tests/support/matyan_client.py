"""Matyan's own client."""

from __future__ import annotations

from support.client_environment import ClientEnvironment, client_environment

__all__ = ["matyan_environment"]

_NEEDED = ("numpy<3", "pillow<13", "plotly<7", "pandas<3", "tbparse==0.0.9", "tensorboard<3", "tqdm<5")


def matyan_environment() -> ClientEnvironment:
    """Return the environment of its last version, with what its objects and its conversion need."""
    return client_environment("matyan-0.3.0", "matyan-client==0.3.0", *_NEEDED)

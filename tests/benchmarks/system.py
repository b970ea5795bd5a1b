"""The systems that are measured: what each needs, without importing any of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CLIENTS", "SYSTEMS", "System"]


@dataclass(frozen=True)
class System:
    """One way to one system.

    Attributes:
        package: The distribution whose version is shown, and whose environment it runs in.
        adapter: Module and class under ``benchmarks.adapters``; importing it imports the package.
        requirements: What its virtual environment gets, beside the checkout for RunAtlas itself.
        module: What a user imports.
        script: A program that tracks one value; ``""`` if it takes a server.
        stores: The name of the system that makes its stores: itself, or the one that writes the same files.
        served: Whether it goes through HTTP.
        variables: Environment variables; ``{directory}`` becomes the store's.
    """

    package: str
    adapter: str
    requirements: tuple[str, ...]
    module: str
    stores: str
    script: str = ""
    served: bool = False
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether it is RunAtlas, not a peer."""
        return self.package == "runatlas"

    def load(self) -> type[Any]:
        """Import the adapter, in the system's own environment."""
        module, _, name = self.adapter.partition(":")
        found: type[Any] = getattr(importlib.import_module(f"benchmarks.adapters.{module}"), name)
        return found


_RUNATLAS: dict[str, Any] = {
    "package": "runatlas",
    "module": "runatlas",
    "stores": "runatlas",
    "requirements": (),
    "variables": {"RUNATLAS_DIR": "{directory}"},
}
_MLFLOW: dict[str, Any] = {
    "package": "mlflow",
    "module": "mlflow",
    "stores": "mlflow",
    "requirements": ("mlflow>=3.17,<=3.18",),
    "variables": {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": "sqlite:///{directory}/mlflow.db"},
}

SYSTEMS: dict[str, System] = {
    "runatlas": System(
        adapter="runatlas_store:EmbeddedAdapter",
        script="import runatlas; run = runatlas.Run(); run.log({'loss': 0.5}); run.close()",
        **_RUNATLAS,
    ),
    "runatlas-http": System(adapter="runatlas_store:ServedAdapter", served=True, **_RUNATLAS),
    "mlflow": System(
        adapter="mlflow_store:MlflowAdapter",
        script="import mlflow; mlflow.start_run(); mlflow.log_metric('loss', 0.5); mlflow.end_run()",
        **_MLFLOW,
    ),
    "mlflow-http": System(adapter="mlflow_store:MlflowServerAdapter", served=True, **_MLFLOW),
    "aim": System(
        "aim",
        "aim_store:AimAdapter",
        ("aim==3.29.1",),
        module="aim",
        stores="aim",
        script="from aim import Repo, Run; Repo.from_path('.', init=True); r = Run(); r.track(0.5, 'loss'); r.close()",
    ),
    "trackio": System(
        "trackio",
        "trackio_store:TrackioAdapter",
        ("trackio==0.43.0",),
        module="trackio",
        stores="trackio",
        script="import trackio; trackio.init(project='bench'); trackio.log({'loss': 0.5}); trackio.finish()",
        variables={"TRACKIO_DIR": "{directory}", "HF_HUB_OFFLINE": "1"},
    ),
    "tensorboard": System(
        "tensorboard",
        "tensorboard_store:TensorboardAdapter",
        ("tensorboard==2.21.0", "setuptools<81"),
        module="tensorboard.summary",
        stores="tensorboard",
        script="from tensorboard.summary import Writer; w = Writer('.'); w.add_scalar('loss', 0.5, 0); w.close()",
    ),
    "wandb": System(
        "wandb",
        "wandb_store:WandbAdapter",
        ("wandb==0.31.0",),
        module="wandb",
        stores="wandb",
        script="import wandb; run = wandb.init(project='bench'); run.log({'loss': 0.5}); run.finish()",
        variables={"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"},
    ),
    "swanlab": System(
        "swanlab",
        "swanlab_store:SwanlabAdapter",
        ("swanlab==0.10.3",),
        module="swanlab",
        stores="swanlab",
        script="import swanlab; swanlab.init(project='b', mode='offline'); swanlab.log({'a': 0.5}); swanlab.finish()",
    ),
}
"""Every system by its name."""

CLIENTS: dict[str, System] = {
    "runatlas client": System(adapter="runatlas_client:RunatlasClient", served=True, **_RUNATLAS),
    "swanlab client": System(
        "swanlab", "swanlab_client:SwanlabClient", ("swanlab==0.10.3",), "swanlab", "runatlas", served=True
    ),
}
"""Clients that read from one ``runatlas serve``, by name: ours, and SwanLab's."""

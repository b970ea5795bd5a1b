"""Configs and labels of runs that were read: who would change them is told how, and nothing else is different."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from support.place import Place

import runatlas
from runatlas.entities.run import Run

yaml: Any = importlib.import_module("yaml")
"""Litestar needs it, so it is there; it has no types."""

PATH = "my-team/my-project/abc123"
CONFIG = {"lr": 0.01, "param_2": 7, "net": {"depth": 18, "stages": [{"width": 4}, [1, 2]]}}

CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "set": (lambda run: run.config.__setitem__("lr", 1), 'update(config={"lr": …})'),
    "delete": (lambda run: run.config.__delitem__("lr"), 'update(config_removed=["lr"])'),
    "update": (lambda run: run.config.update({"lr": 1}), 'update(config={"lr": …})'),
    "update by name": (lambda run: run.config.update(lr=1), 'update(config={"lr": …})'),
    "pop": (lambda run: run.config.pop("lr", None), 'update(config_removed=["lr"])'),
    "popitem": (lambda run: run.config.popitem(), "update(config="),
    "clear": (lambda run: run.config.clear(), "update(config="),
    "setdefault": (lambda run: run.config.setdefault("seed", 1), 'update(config={"seed": …})'),
    "merge": (lambda run: run.config.__ior__({"seed": 1}), 'update(config={"seed": …})'),
    "nested": (lambda run: run.config["net"].__setitem__("depth", 1), 'update(config={"net.depth": …})'),
    "nested by get": (lambda run: run.config.get("net").update(depth=1), 'update(config={"net.depth": …})'),
    "nested by values": (lambda run: [*run.config.values()][-1].clear(), 'update(config={"net": …})'),
    "nested by items": (lambda run: dict(run.config.items())["net"].clear(), 'update(config={"net": …})'),
    "list": (lambda run: run.config["net"]["stages"].append(1), 'update(config={"net.stages": …})'),
    "in a list": (lambda run: run.config["net"]["stages"][0].update(width=1), 'update(config={"net.stages": …})'),
    "of a list": (lambda run: [*run.config["net"]["stages"]][1].sort(), 'update(config={"net.stages": …})'),
    "profile": (lambda run: run.profile["config"].update(lr=1), 'update(config={"lr": …})'),
    "labels": (lambda run: run.labels.append("x"), "run.update(labels=[…]), or labels_added"),
    "labels extended": (lambda run: run.labels.__iadd__(["x"]), "run.update(labels=[…])"),
    "a label set": (lambda run: run.labels.__setitem__(0, "x"), "run.update(labels=[…])"),
    "a label removed": (lambda run: run.labels.remove("cv"), "run.update(labels=[…])"),
}


@pytest.fixture(scope="module")
def run() -> Run:
    with runatlas.Run("r", mode="disabled", config=CONFIG, tags=["baseline", "cv"]) as run:
        pass
    return run


@pytest.mark.parametrize("name", CHANGES)
def test_who_would_change_what_was_read_is_told_how(run: Run, name: str) -> None:
    change, advice = CHANGES[name]
    with pytest.raises(TypeError) as told:
        change(run)
    assert advice in str(told.value)
    assert (run.config, run.labels) == (CONFIG, ["baseline", "cv"])


def test_runs_and_projects_of_an_api_say_it_too(place: Place) -> None:
    listed = place.api.run(PATH)
    with pytest.raises(TypeError, match=r"run\.update\(config="):
        listed.config["lr"] = 5
    with pytest.raises(TypeError, match=r"run\.update\(labels="):
        listed.labels.append("x")
    with pytest.raises(TypeError, match=r"project\.update\(labels=\[…\]\);"):
        place.api.project("my-team/my-project").labels.append("x")
    assert listed.json() == json.loads(json.dumps(listed.json()))


def test_a_run_that_is_written_says_it_and_takes_what_its_documents_say() -> None:
    with runatlas.Run(mode="disabled", config=CONFIG, capture_terminal_logs=False) as written:
        with pytest.raises(TypeError, match=r'run\.update\(config=\{"lr": …\}\)'):
            written.config["lr"] = 5
        with pytest.raises(TypeError, match=r'run\.update\(config=\{"net\.depth": …\}\)'):
            written["net"]["depth"] = 5
        with pytest.raises(TypeError, match=r"run\.update\(labels="):
            written.tags.append("x")
        written["lr"], written["net.depth"] = 5, 6
        written.update(config={"seed": 1})
        written.add_tag("x")
        assert (written["lr"], written.config["net"]["depth"], written["seed"], written.tags) == (5, 6, 1, ["x"])
        written["again"] = written.config
        assert written["again"]["net"]["depth"] == 6


def test_it_reads_like_any_dict_and_list(run: Run) -> None:
    config = run.config

    assert isinstance(config, dict)
    assert isinstance(run.labels, list)
    assert config == CONFIG == dict(config) == {**config} == dict(**config) == config | {}
    assert (list(config), list(config.items()), list(config.values())) == (
        list(CONFIG),
        list(CONFIG.items()),
        list(CONFIG.values()),
    )
    assert (config.get("lr"), config.get("no"), config.get("no", 3), "net" in config, len(config)) == (
        0.01,
        None,
        3,
        True,
        3,
    )
    assert repr(config) == repr(CONFIG)
    assert [*reversed(config["net"]["stages"])] == [[1, 2], {"width": 4}]
    assert (run.labels + ["x"], run.labels[:1], sorted(run.labels)) == (  # noqa: RUF005 - what is tried
        ["baseline", "cv", "x"],
        ["baseline"],
        ["baseline", "cv"],
    )
    with pytest.raises(KeyError, match=r"^'no'$"):
        config["no"]
    with pytest.raises(KeyError, match=r"^'nets', did you mean 'net'\?$") as caught:
        config["nets"]
    assert (caught.value.args, str(pickle.loads(pickle.dumps(caught.value)))) == (("nets",), str(caught.value))
    with pytest.raises(KeyError, match=r"'net.stages' lies inside: \['net'\]\['stages'\]"):
        config["net.stages"]


def test_it_is_written_like_any_dict_and_list(run: Run) -> None:
    import pandas as pd

    config = run.config

    for indent in (None, 2):
        assert json.dumps(config, indent=indent) == json.dumps(CONFIG, indent=indent)
    assert yaml.safe_dump(config) == yaml.safe_dump(CONFIG)
    assert yaml.dump(config, Dumper=yaml.Dumper) == yaml.dump(CONFIG)
    assert yaml.dump(run.labels, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)) == yaml.safe_dump([*run.labels])
    assert pd.json_normalize([config]).equals(pd.json_normalize([CONFIG]))
    assert pd.DataFrame([config, config]).equals(pd.DataFrame([CONFIG, CONFIG]))
    assert pd.Series(config).equals(pd.Series(CONFIG))


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        dict,
        lambda config: {**config},
        lambda config: config.copy(),
        *(lambda config, p=protocol: pickle.loads(pickle.dumps(config, p)) for protocol in range(6)),
    ],
)
def test_copies_are_ordinary_and_of_nobody(run: Run, copied: Callable[[Any], Any]) -> None:
    made = copied(run.config)
    made["net"]["stages"][0]["width"] = 5
    made["net"]["depth"] = 5
    made["seed"] = 1
    labels = copy.copy(run.labels)
    labels.append("x")

    assert [type(part) for part in (made, made["net"], made["net"]["stages"], labels)] == [dict, dict, list, list]
    assert (run.config, run.labels) == (CONFIG, ["baseline", "cv"])

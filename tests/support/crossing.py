"""What every client is asked to write, the neutral form it is compared in, and what each vocabulary cannot say."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import math
import wave
from collections.abc import Callable
from typing import Any

import attrs
from support.world import make_png

from runatlas.model.ids import project_name_of

__all__ = [
    "FAILED",
    "PROJECT",
    "READERS",
    "WHOLE",
    "WRITERS",
    "Form",
    "Loss",
    "expected_form",
    "form_of",
    "lines_of",
    "lose",
]

Form = dict[str, Any]
"""A run in plain values: what a reader shows of it."""

PROJECT = "Cross été"


def _make_wave() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x01" * 80)
    return out.getvalue()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


WHOLE: dict[str, Any] = {
    "name": "first été",
    "description": "all that there is",
    "config": {
        "lr": 0.01,
        "epochs": 100,
        "whole": 1.0,
        "tiny": 1e-9,
        "large": 2**53 + 1,
        "flag": True,
        "number as text": "7",
        "größe": "ü✓",
        "nothing": None,
        "empty": {},
        "none listed": [],
        "optim.momentum": 0.9,
        "optimizer": {"name": "adam", "betas": [0.9, 0.999], "deep": {"nothing": None, "mixed": [1, "a", {"y": 2}]}},
        "one": {"inside": {"another": 1}},
    },
    "tags": ["best", "team=red"],
    "series": [
        ["loss", {}, [[0, 1.0], [1, 0.5], [2, 0.25], [3, 0.125]]],
        ["loss", {"subset": "val"}, [[0, 2.0], [2, 1.0]]],
        ["train/acc", {}, [[0, 0.1], [10, 0.2], [1_000_000, 0.3]]],
        ["exact", {}, [[0, 0.1 + 0.2], [1, 5e-324], [2, 1.7976931348623157e308], [3, -0.0], [4, 2.0**53]]],
        ["odd", {}, [[0, 0.5], [1, math.nan], [2, math.inf], [3, -math.inf], [4, 0.25]]],
        ["ends odd", {}, [[0, 1.0], [1, math.nan]]],
        ["größe", {}, [[0, 1.5]]],
        ["early", {}, [[-2, 1.0], [3, 2.0]]],
        ["shuffled", {}, [[3, 3.0], [1, 1.0], [2, 2.0]]],
        ["twice", {}, [[0, 0.0], [1, 1.0], [1, 2.0]]],
    ],
    "texts": [["said", {}, 1, "hello ✓"], ["said", {"subset": "val"}, 2, "there"]],
    "images": [["picture", 3, "a red one", _text(make_png((255, 0, 0)))]],
    "audios": [["sound", 4, "a tone", _text(_make_wave())]],
    "figures": [["figure", 5, {"data": [{"type": "scatter", "y": [1, 2]}], "layout": {"title": {"text": "t"}}}]],
    "distributions": [["weights", 6, [0.0, 0.0, 1.0]]],
    "artifacts": {"dir/wéights 1.txt": "weights"},
    "lines": ["say one", "say two ✓"],
    "records": [["DEBUG", "detail"], ["INFO", "started"], ["WARN", "slow"], ["ERROR", "failed"]],
    "notes": [["saved", {"path": "a.pt", "deep": {"mixed": [None]}}]],
    "error": "",
}

FAILED: dict[str, Any] = {
    **{name: type(value)() for name, value in WHOLE.items()},
    "name": "second",
    "description": "it fails",
    "config": {"lr": 1},
    "tags": ["bad"],
    "series": [["loss", {}, [[0, 1.0]]]],
    "error": "ValueError: boom",
}


def label_of(key: str, context: dict[str, str]) -> str:
    """Name a series."""
    return f"{key} {json.dumps(context, separators=(',', ':'))}" if context else key


def _digests(given: list[Any]) -> Form:
    return {
        key: [[step, caption, hashlib.sha256(base64.b64decode(data)).hexdigest()]] for key, step, caption, data in given
    }


_PLAIN = ("slug", "name", "description", "config", "artifacts", "lines", "records", "notes")


def form_of(content: dict[str, Any]) -> Form:
    """Return the neutral form of what is to be written, as if nothing were lost.

    Args:
        content: It; its ``slug`` is the run's id.
    """
    return {
        **{name: content[name] for name in _PLAIN},
        "project": PROJECT,
        "state": "CRASHED" if content["error"] else "FINISHED",
        "error": content["error"],
        "tags": sorted(content["tags"]),
        "series": {label_of(key, context): rows for key, context, rows in content["series"]},
        "texts": {label_of(key, context): [[step, text]] for key, context, step, text in content["texts"]},
        "images": _digests(content["images"]),
        "audios": _digests(content["audios"]),
        "figures": {key: [[step, figure]] for key, step, figure in content["figures"]},
        "distributions": {
            # Two of the three samples lie in the first of the two bins.
            key: [[step, {"bin_count": 2, "range": [0.0, 1.0], "data": [2, 1]}]]
            for key, step, _ in content["distributions"]
        },
    }


@attrs.frozen
class Loss:
    """Something that a vocabulary cannot say.

    Attributes:
        what: What, and why.
        apply: Changes a form to what is left of it.
    """

    what: str
    apply: Callable[[Form], None]


def lose(form: Form, losses: tuple[Loss, ...]) -> Form:
    """Return what is left of a form."""
    left = copy.deepcopy(form)
    for loss in losses:
        loss.apply(left)
    return left


def expected_form(writer: str, reader: str, content: dict[str, Any], told: Form) -> Form:
    """Return what a reader must show of what a writer wrote.

    Args:
        writer: Who wrote.
        reader: Who reads.
        content: What was to be written.
        told: What our own Api shows of the run: nobody but the store knows its times beforehand.
    """
    form = lose(form_of(content), WRITERS[writer])
    del form["slug"]
    form["created"], form["ended"] = told["created"], told["ended"]
    form["last"] = {}
    for label, rows in form["series"].items():
        rows.sort(key=lambda row: int(row[0]))
        form["last"][label] = rows[-1][1]
        times = [time for _, _, time in told["series"].get(label, [])]
        form["series"][label] = [[*row, time] for row, time in zip(rows, times, strict=False)]
    return lose(form, READERS[reader])


def lines_of(form: Form) -> list[str]:
    """Write a form out, a value a line: 1, 1.0 and true differ, NaN equals itself."""
    return json.dumps(form, sort_keys=True, indent=1, ensure_ascii=False).splitlines()


# -- losses -----------------------------------------------------------------------------------------------------------


def _never_said(what: str, *fields: str) -> Loss:
    def apply(form: Form) -> None:
        for name in fields:
            form[name] = type(form[name])()

    return Loss(what, apply)


def _not_shown(what: str, *fields: str) -> Loss:
    def apply(form: Form) -> None:
        for name in fields:
            del form[name]

    return Loss(what, apply)


def _points(what: str, keep: Callable[[str, list[Any]], bool]) -> Loss:
    def apply(form: Form) -> None:
        kept = {label: [row for row in rows if keep(label, row)] for label, rows in form["series"].items()}
        form["series"] = {label: rows for label, rows in kept.items() if rows}

    return Loss(what, apply)


def _set(what: str, name: str, change: Callable[[Form], Any]) -> Loss:
    def apply(form: Form) -> None:
        form[name] = change(form)

    return Loss(what, apply)


def _without_contexts(form: Form) -> None:
    for field in ("series", "texts"):
        form[field] = {label: rows for label, rows in form[field].items() if not label.endswith("}")}


def _one_a_step(keep_first: bool) -> Callable[[Form], Any]:
    def change(form: Form) -> Any:
        chosen = {
            label: {row[0]: row for row in (reversed(rows) if keep_first else rows)}
            for label, rows in form["series"].items()
        }
        return {label: [rows[step] for step in sorted(rows)] for label, rows in chosen.items()}

    return change


def _only_nan(form: Form) -> Any:
    return {
        label: [[step, value if math.isfinite(value) else math.nan] for step, value in rows]
        for label, rows in form["series"].items()
    }


def _nested(form: Form) -> Any:
    flat = {name: value for name, value in form["config"].items() if "." not in name}
    dotted = [(name.split("."), value) for name, value in form["config"].items() if "." in name]
    return {**flat, **{outer: {inner: value} for (outer, inner), value in dotted}}


def _float_weights(form: Form) -> Any:
    return {
        label: [[step, {**held, "data": [float(weight) for weight in held["data"]]}] for step, held in rows]
        for label, rows in form["distributions"].items()
    }


_FROM_ZERO = _points("steps count from 0", lambda _, row: row[0] >= 0)
_FINITE = _points("values are finite", lambda _, row: math.isfinite(row[1]))
_ASCII = _points("names of metrics are ASCII", lambda label, _: label.isascii())
_NO_CONTEXTS = Loss("sequences have no contexts", _without_contexts)
_NO_NOTES = _never_said("there are no annotations", "notes")
_NO_MEDIA = _never_said("there are no objects", "texts", "images", "audios", "figures", "distributions")
_NO_LINES = _never_said("there are no lines", "lines", "records")
_SYVAIN = (
    _set("a slug is all the name there is", "name", lambda form: form["slug"]),
    _set("experiments lie in one place", "project", lambda _: "metrics"),
    _never_said("there are no tags", "tags"),
    _never_said("there are no artifacts", "artifacts"),
    *(_NO_MEDIA, _NO_LINES, _FINITE, _FROM_ZERO, _ASCII),
)
_OWN_PROJECT = _set("a project's name is one for URLs", "project", lambda _: "cross")

WRITERS: dict[str, tuple[Loss, ...]] = {
    "swanlab": (
        _OWN_PROJECT,
        *(_NO_CONTEXTS, _FROM_ZERO, _NO_NOTES),
        _set("the infinities are sent as NaN", "series", _only_nan),
        _set("a step that is there is not sent again", "series", _one_a_step(keep_first=True)),
        _set(
            "None is sent as an empty object",
            "config",
            lambda form: {name: None if value == {} else value for name, value in form["config"].items()},
        ),
        _never_said("lines are printed only", "records"),
        _never_said("there are no such objects", "figures", "distributions"),
    ),
    "syvain": _SYVAIN,
    "collector": (
        *_SYVAIN,
        _set("it notes that it opened", "notes", lambda form: [["experiment opened", {}], *form["notes"]]),
    ),
    "matyan": (
        _set("a run is active or not", "state", lambda _: "FINISHED"),
        _never_said("a run does not fail", "error"),
        _set("dots in the name of a param make a path", "config", _nested),
        _set("a step has one value", "series", _one_a_step(keep_first=False)),
        _NO_NOTES,
    ),
    "chachaml": (_NO_CONTEXTS, _FINITE, _NO_MEDIA, _NO_LINES, _NO_NOTES),
    "ours": (_OWN_PROJECT,),
}
"""What each client cannot write, in the order in which it is lost."""

READERS: dict[str, tuple[Loss, ...]] = {
    "swanlab": (
        _set("a project goes by its path", "project", lambda form: project_name_of(form["project"])),
        _set("a step has one value", "series", _one_a_step(keep_first=False)),
        _not_shown("a crash is a line of the log", "error"),
        _not_shown("saved files are not listed", "artifacts"),
        _not_shown("there are no annotations", "notes"),
    ),
    "syvain": (
        *(_FINITE, _ASCII),
        _not_shown("experiments have a slug, and metrics their points", "name", "project", "last"),
        _not_shown("there are no tags", "tags"),
        _not_shown("there are no objects", "texts", "images", "audios", "figures", "distributions"),
        _not_shown("there are no files and no lines", "artifacts", "lines", "records"),
    ),
    "matyan": (
        _set("a run is active or not", "state", lambda _: "FINISHED"),
        _set("a step has one value", "series", _one_a_step(keep_first=False)),
        _set("weights are sent as floats", "distributions", _float_weights),
        _not_shown("a run does not fail, and has no annotations", "error", "notes"),
    ),
    "chachaml": (
        _set(
            "latest values go by keys alone",
            "last",
            lambda form: {label: value for label, value in form["last"].items() if not label.endswith("}")},
        ),
        _not_shown("there are no objects", "texts", "images", "audios", "figures", "distributions"),
        _not_shown("there are no lines and no annotations", "lines", "records", "notes"),
    ),
    "ours": (),
}
"""What each client cannot show."""

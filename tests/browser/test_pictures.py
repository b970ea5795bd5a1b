"""The pictures of pages in the docs; ``RUNATLAS_SAVE_DOCS=1 pytest tests/browser/test_pictures.py`` makes them anew."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser.chromium import Look, Visit, Visitor
from PIL import Image
from support.document import ROOT, SAVES, WRITER
from support.forked import command
from support.server import running_server

pytestmark = pytest.mark.xdist_group("pictures")

_DOCUMENT = ROOT / "docs" / "pages.md"
_PICTURE = re.compile(r"\(images/(pages-[a-z-]+\.png)\)")
_FIRST = "(docs/images/pages-project.png)"
_BYTES_MAX = 150_000
_COLOURS = 128
_LOOK = Look(1280, "light")
_PROJECT = f"/@{WRITER}/spirals"
_BEST = f"{_PROJECT}?order=summary.val_loss"
_COLUMNS = "".join(
    f"&columns={name}" for name in ("config.lr", "config.model.width", "summary.val_loss", "summary.val_acc")
)
_CURVES = "&curves=val_loss&curves=val_acc&color=config.lr&log=y"


def _compare(visit: Visit) -> None:
    visit.go(_BEST)
    for row in range(3):
        visit.page.locator("table.runs tbody input[name=run]").nth(row).check()
    visit.follow(visit.page.get_by_role("button", name="Compare"))


def _plan(visit: Visit) -> None:
    visit.go(f"{_PROJECT}?filter=state+%3D%3D+%27CRASHED%27")
    visit.page.get_by_label("that fit the filter").check()
    visit.follow(visit.page.get_by_role("button", name="Delete …"))


def _delete(visit: Visit) -> None:
    _plan(visit)
    visit.follow(visit.page.get_by_role("button", name="Move to the trash"))


def _trash(visit: Visit) -> None:
    visit.go("/trash")
    visit.follow(visit.page.locator("main table a").first)


PICTURES: dict[str, tuple[int, Callable[[Visit], object]]] = {
    "pages-home.png": (420, lambda visit: visit.go("/")),
    "pages-project.png": (1000, lambda visit: visit.go(_BEST + _COLUMNS + _CURVES)),
    "pages-bands.png": (760, lambda visit: visit.go(_BEST + _COLUMNS + _CURVES + "&band=minmax")),
    "pages-groups.png": (520, lambda visit: visit.go(f"{_PROJECT}?group=config.lr")),
    "pages-run.png": (1000, lambda visit: visit.go(f"{_PROJECT}/runs/wide-lr0.1-seed0")),
    "pages-compare.png": (1000, _compare),
    "pages-report.png": (960, lambda visit: visit.go(f"{_PROJECT}/report?group=config.lr,config.model.width")),
    "pages-plan.png": (640, _plan),
    "pages-undo.png": (560, _delete),
    "pages-trash.png": (640, _trash),
    "pages-usage.png": (620, lambda visit: visit.go("/usage")),
    "pages-administration.png": (620, lambda visit: visit.go("/administration")),
    "pages-account.png": (760, lambda visit: visit.go("/account")),
}
"""What the docs show: how high the window is, and how one gets there; one after the other on one store."""


def test_every_page_of_the_docs_has_its_picture(tmp_path: Path, visitor: Visitor) -> None:
    if SAVES:
        _save(tmp_path, visitor)
    assert set(_PICTURE.findall(_DOCUMENT.read_text(encoding="utf-8"))) == set(PICTURES)
    assert _FIRST in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in PICTURES:
        assert (_DOCUMENT.parent / "images" / name).stat().st_size <= _BYTES_MAX


def _save(directory: Path, visitor: Visitor) -> None:
    done = command("demo", cwd=directory, environ=os.environ | {"LOGNAME": WRITER})
    assert done.returncode == 0, done.stderr
    with running_server(directory / "runatlas-demo") as server:
        visit = visitor.visit(server.origin, _LOOK)
        for name, (height, go) in PICTURES.items():
            visit.page.set_viewport_size({"width": _LOOK.width, "height": height})
            go(visit)
            visit.page.wait_for_load_state("networkidle")
            visit.settle()
            drawn = Image.open(io.BytesIO(visit.page.screenshot(animations="disabled"))).convert("RGB")
            drawn.quantize(_COLOURS).save(_DOCUMENT.parent / "images" / name, optimize=True)

"""What objects say of themselves to a notebook."""

from __future__ import annotations

from runatlas.display.markup import Html
from runatlas.display.shown import Shown


class _Long(Shown):
    def __init__(self, lines: int) -> None:
        self._lines = lines

    def _show(self) -> Html:
        return Html("all")

    def __repr__(self) -> str:
        return "\n".join(map(str, range(self._lines)))


def test_a_notebook_saves_no_more_than_forty_lines_of_text() -> None:
    assert _Long(40)._repr_mimebundle_()["text/plain"] == repr(_Long(40))
    said = str(_Long(10_000)._repr_mimebundle_()["text/plain"])
    assert said.splitlines()[39:] == ["39", "… and 9,960 more lines"]

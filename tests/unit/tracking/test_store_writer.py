from __future__ import annotations

from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st
from support.recording import line

from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.tracking.store_writer import BatchPart

RUN = RunPath("w", "p", "r")


def accepted(part: BatchPart, is_fine: Callable[[Batch], bool], *, by_point: bool) -> Iterator[BatchPart]:
    """Yield the pieces that are accepted, cutting the others."""
    if is_fine(part.batch):
        yield part
    else:
        for half in part.halves(by_point=by_point):
            yield from accepted(half, is_fine, by_point=by_point)


@given(
    st.lists(st.integers(0, 20), max_size=6),
    st.integers(0, 6),
    st.sets(st.integers(0, 19)),
    st.sets(st.integers(0, 5)),
    st.booleans(),
)
def test_what_is_fine_is_found(
    lengths: list[int], count: int, steps: set[int], lines: set[int], by_point: bool
) -> None:
    batch = Batch(
        RUN,
        tuple(line(f"k{place}", length) for place, length in enumerate(lengths)),
        logs=tuple(LogDraft(str(number)) for number in range(count)),
    )

    def is_fine(part: Batch) -> bool:
        held = {step for series in part.points for step in series.steps.to_pylist()}
        return not held & steps and not {int(item.message) for item in part.logs} & lines

    found = list(accepted(BatchPart(batch), is_fine, by_point=by_point))

    taken = [(series.key, step) for part in found for series in part.batch.points for step in series.steps.to_pylist()]
    wanted = [
        (f"k{place}", step)
        for place, length in enumerate(lengths)
        if by_point or not steps & set(range(length))
        for step in range(length)
        if step not in steps
    ]
    assert taken == wanted
    assert [int(item.message) for part in found for item in part.batch.logs] == [
        number for number in range(count) if number not in lines
    ]
    assert len({part.number for part in found}) == len(found)


def test_a_piece_is_known_by_a_name_of_its_own() -> None:
    batch = Batch(RUN, (line("a", 1), line("b", 1)), writer="w", sequence=7)
    first, second = BatchPart(batch).halves(by_point=False)

    assert (first.batch.writer, first.batch.sequence) == ("w.7.2", 1)
    assert second.batch.writer == "w.7.3"


def test_what_cannot_be_cut_is_tried_once_more() -> None:
    (again,) = BatchPart(Batch(RUN, (line("a", 5),))).halves(by_point=False)

    assert len(again.batch.points[0].steps) == 5
    assert again.halves(by_point=True) == ()

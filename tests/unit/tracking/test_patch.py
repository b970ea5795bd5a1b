from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.model.run import RunPatch, RunRecord
from runatlas.server.services.run_change import change_of_patch
from runatlas.tracking.patch import apply_patch, merge_patches, patch_parts

keys = st.sampled_from(["a", "b", "a.x", "a.y", "a.x.z", "b.x"])
values = st.one_of(st.integers(0, 3), st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), max_size=2))
configs = st.none() | st.dictionaries(keys, values, max_size=2)
patches = st.builds(
    RunPatch,
    name=st.none() | st.sampled_from(["m", "n"]),
    archived=st.none() | st.booleans(),
    config=configs,
    config_removed=st.lists(keys, max_size=2).map(tuple),
    labels_added=st.lists(st.sampled_from("pqr"), max_size=2).map(tuple),
    labels_removed=st.lists(st.sampled_from("pqr"), max_size=2).map(tuple),
)


def run(config: dict[str, Any]) -> RunRecord:
    return RunRecord("w", "p", "r", "c", labels=("p",), config=config)


def stored(config: dict[str, Any], patch: RunPatch) -> dict[str, Any]:
    """What the store makes of a config."""
    edit = change_of_patch(patch, 0, None).edit_config
    return config if edit is None else edit(config)


trees = st.dictionaries(st.sampled_from("abx"), values, max_size=3)


@given(trees, patches, patches)
def test_a_merged_patch_does_what_both_would_do_in_turn(config: dict[str, Any], one: RunPatch, two: RunPatch) -> None:
    merged = merge_patches(one, two)
    if merged is None:
        return
    in_turn = stored(stored(config, one), two)

    assert stored(config, merged) == in_turn
    assert apply_patch(run(config), merged) == apply_patch(apply_patch(run(config), one), two)


@given(trees, patches)
def test_the_parts_of_a_patch_do_in_turn_what_it_does(config: dict[str, Any], patch: RunPatch) -> None:
    changed = run(config)
    for part in patch_parts(patch):
        changed = apply_patch(changed, part)

    assert changed == apply_patch(run(config), patch)


def test_the_end_of_a_run_does_not_hang_on_what_else_is_said() -> None:
    end = RunPatch(state="ABORTED", finished_at_ms=5)

    assert list(patch_parts(RunPatch(state="ABORTED", finished_at_ms=5, error="x", name="n"))) == [
        end,
        RunPatch(name="n"),
        RunPatch(error="x"),
    ]
    assert list(patch_parts(end)) == [end]


names = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
dotted = st.recursive(
    st.integers(0, 3) | st.just([1]), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=6
)
odd_patches = st.builds(
    RunPatch,
    config=st.none() | st.dictionaries(names, dotted, max_size=3),
    config_removed=st.lists(names, max_size=3).map(tuple),
    labels=st.none() | st.lists(st.sampled_from("pqr"), max_size=2).map(tuple),
    labels_added=st.lists(st.sampled_from("pqr"), max_size=2).map(tuple),
    labels_removed=st.lists(st.sampled_from("pqr"), max_size=2).map(tuple),
)


@settings(max_examples=examples(500))
@given(st.dictionaries(names, dotted, max_size=3), odd_patches)
def test_a_run_knows_of_itself_what_the_store_makes_of_it(config: dict[str, Any], patch: RunPatch) -> None:
    """Names with dots of their own, and labels that are added and removed at once, too."""
    before = copy.deepcopy(config)
    known = apply_patch(run(config), patch)

    assert known.config == stored(copy.deepcopy(config), patch)
    assert list(known.labels) == relabelled(["p"], patch)
    assert config == before


def relabelled(labels: list[str], patch: RunPatch) -> list[str]:
    edit = change_of_patch(patch, 0, None).edit_labels
    return labels if edit is None else edit(labels)


def test_the_same_param_set_again_needs_one_patch() -> None:
    first = RunPatch(config={"a": 1}, config_removed=("a",))
    second = RunPatch(config={"a": 2}, config_removed=("a",))

    assert merge_patches(first, second) == second


def test_a_move_is_never_merged() -> None:
    assert merge_patches(RunPatch(name="n"), RunPatch(project="p")) is None
    assert merge_patches(RunPatch(project="p"), RunPatch(name="n")) is None

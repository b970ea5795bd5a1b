"""Files of policies: what they say, and how a mistake in one is told."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.ids import ProjectPath
from runatlas.model.policy import Policy
from runatlas.model.policy_file import NamedPolicy, PolicyFileError, parse_policy_file

WHOLE = '''
# What may go, and when.
[[policy]]
name = "crashed"
project = "team/vision"
where = "state == 'CRASHED' and config.epochs < 3"
older_than = "2w"
allow_all = true

[[policy]]
name = "sweeps"
project = "team/sweeps"
where = """
group == 'sweep'
 and not pin"""
keep_last = 5
keep_within = "30d"
keep_best = ["val_loss:3", "val_acc:3:max"]
keep_labels = "baseline"
group_by = ["config.model"]
max = 500
'''


def test_a_file_says_what_the_arguments_say() -> None:
    crashed = Policy(where="state == 'CRASHED' and config.epochs < 3", older_than="2w", allow_all=True)
    sweeps = Policy(
        where="group == 'sweep'\n and not pin",
        keep_last=5,
        keep_within="30d",
        keep_best=("val_loss:3", "val_acc:3:max"),
        keep_labels=("baseline",),
        group_by=("config.model",),
        max=500,
    )
    assert parse_policy_file(WHOLE.encode(), source="clean.toml") == (
        NamedPolicy("crashed", ProjectPath("team", "vision"), crashed),
        NamedPolicy("sweeps", ProjectPath("team", "sweeps"), sweeps),
    )


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ('[[policy]]\nname = "sweeps"', '[[policy]\nname = "sweeps"', (10, 9), "this is no TOML: "),
        ("max = 500", "max = ", (21, 7), "this is no TOML: Invalid value"),
        ("keep_last = 5", "keep_lst = 5", (16, 1), "a policy has no 'keep_lst', did you mean 'keep_last'?"),
        ("keep_last = 5", '  keep_last = "5"', (16, 15), "keep_last: expected a whole number, got str"),
        ("allow_all = true", "allow_all = 1", (8, 13), "allow_all: expected true or false, got int"),
        ('"2w"', '"2 w"', (7, 14), "older_than: '2 w' is no duration; write '2w'"),
        ("'CRASHED'", "'CRASH'", (6, 19), "where: 'CRASH' is no state"),
        ("not pin", "not pinn", (15, 10), "where: unknown name 'pinn', did you mean 'pin'?"),
        ('["config.model"]', '["config.model",\n "sumary.x"]', (21, 3), "group_by: unknown name 'sumary'"),
        ("val_acc:3:max", "val_acc:max", (18, 28), "keep_best: 'val_acc:max' says no metric and how many"),
        ('project = "team/vision"\n', "", (3, 1), "the policy has no project"),
        ('name = "sweeps"', 'name = "crashed"', (11, 8), "name: there are two policies 'crashed'"),
        ('"team/sweeps"', '"sweeps"', (12, 11), "project: "),
        ('name = "sweeps"', 'name = ""', (11, 8), "name: expected text that is not empty"),
        ("# What may go, and when.", "[polcy]", (2, 2), "there is no 'polcy' here, did you mean 'policy'?"),
        ("# What may go, and when.", "version = 1", (2, 1), "there is no 'version' here; a file has [[policy]]"),
    ],
)
def test_a_mistake_names_line_and_column(old: str, new: str, place: tuple[int, int], sentence: str) -> None:
    assert old in WHOLE
    with pytest.raises(PolicyFileError) as told:
        parse_policy_file(WHOLE.replace(old, new, 1).encode(), source="clean.toml")
    first = next(item for item in told.value.mistakes if item.reason.startswith(sentence))
    assert (first.line, first.column) == place
    assert f"clean.toml, line {place[0]}, column {place[1]}: {sentence}" in str(told.value)
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)


def test_every_mistake_is_told_from_top_to_bottom_with_the_place_below_it() -> None:
    text = """[[policy]]
name = "a"
project = "vision"
older_than = "30 days"
keep_best = ["loss:1", "acc", "f1:x"]
max = 0

[[policy]]
project = "team/vision"
where = "stat == 1"
keep_lst = 3
allow_all = true

[[policy]]
name = "a"
project = "team/vision"
keep_last = 3
"""
    with pytest.raises(PolicyFileError) as told:
        parse_policy_file(text.encode(), source="c.toml")
    assert [(item.line, item.column) for item in told.value.mistakes] == [
        (3, 11),
        (4, 14),
        (5, 24),
        (5, 31),
        (6, 7),
        (8, 1),
        (10, 10),
        (11, 1),
        (14, 1),
        (15, 8),
    ]
    assert (told.value.line, told.value.column) == (3, 11)
    lines = str(told.value).splitlines()
    assert lines[3:6] == [
        "c.toml, line 4, column 14: older_than: '30 days' is no duration; write '30d'",
        '    older_than = "30 days"',
        "                 ^",
    ]
    assert lines[-6].endswith("the policy says what stays but not what may go; give where or older_than")
    many = "".join(f'[[policy]]\nname = "{name}"\nproject = "a/b"\nolder_than = "x"\n' for name in range(25))
    with pytest.raises(PolicyFileError, match=r"c\.toml: 5 more mistakes$"):
        parse_policy_file(many.encode(), source="c.toml")


def test_what_is_no_file_of_policies_is_told() -> None:
    for text, sentence in {
        b"": "line 1, column 1: there is no policy in it; one begins with [[policy]]",
        b"[policy]\nname = 'a'": "line 1, column 2: a policy begins with [[policy]], in two brackets",
        b"a = 'x'\n\xff": "line 2, column 1: this is no UTF-8",
        b"a = " + b"[" * 50_000: "this is n",
        b"#" * 1_000_001: "line 1, column 1: 1,000,001 bytes are too many",
    }.items():
        with pytest.raises(PolicyFileError) as told:
            parse_policy_file(text, source="c.toml")
        assert sentence in str(told.value)


def test_what_lies_in_a_long_text_is_no_key() -> None:
    text = '[[policy]]\nname = """\nmax = 1\n"""\nproject = "a/b"\nolder_than = "1d"\nmax = 0\n'
    with pytest.raises(PolicyFileError, match="line 7, column 7: max: 0 is too small"):
        parse_policy_file(text.encode(), source="c.toml")


@given(st.integers(0, len(WHOLE)), st.integers(0, 12), st.text("[]\"'=#\n.policy 1\\", max_size=4))
def test_whatever_is_written_is_read_or_told_with_its_place(at: int, gone: int, put: str) -> None:
    text = WHOLE[:at] + put + WHOLE[at + gone :]
    told = find_mistake(text)
    if told is not None:
        lines = text.split("\n")
        assert 1 <= told.line <= len(lines)
        assert 1 <= told.column <= len(lines[told.line - 1]) + 1


def find_mistake(text: str) -> PolicyFileError | None:
    try:
        parse_policy_file(text.encode(), source="c.toml")
    except PolicyFileError as error:
        return error
    return None

"""MatyanQL by the published client: what it finds, and what it cannot say."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("conformance-matyan")

FOUND = {
    "run.hash != ''": [1, 2],
    "run.archived == True": [3],
    "run.is_archived == True or run.is_archived == False": [1, 2, 3],
    "run.active == True": [1],
    "run.active == False": [2],
    "run.active": [1],
    "not run.active": [2],
    "run.experiment == 'asked'": [1, 2],
    "run.experiment != 'asked' and run.archived == True": [3],
    "run.experiment is None and run.archived == True": [3],
    "run.experiment == None and run.archived == True": [3],
    "run.experiment is not None": [1, 2],
    "run.experiment in ['asked', 'x']": [1, 2],
    "run.name == 'run 1'": [1],
    "'n 2' in run.name": [2],
    "run.description == ''": [1, 2],
    "'best' in run.tags": [1],
    "'best' not in run.tags": [2],
    "run.tags.contains('best')": [1],
    "run.end_time is None": [1],
    "run.end_time > 1600000000.5": [2],
    "run.duration >= 0": [1, 2],
    "run.created_at > datetime(2020, 1, 2)": [1, 2],
    "datetime(2020, 1, 1, 5, 30) > run.creation_time": [],
    "0.05 < run.hparams.lr <= 0.1": [1],
    "run['hparams']['lr'] == 0.2": [2],
    "run.hparams['optimizer'].name == 'adam1'": [1],
    "'adam' in run.hparams.optimizer.name": [1, 2],
    "run.hparams.lr in (0.2, 0.3)": [2],
    "run.hparams.none.deeper is None": [1, 2],
    "run.none > 1": [],
    "not run.none > 1": [],
    "run.archived": [],
    "run.experiment in [None, 'x'] and run.archived == True": [3],
    "run.hparams.lr * 2 > 0.3": [2],
    "len(run.tags) > 0": [1],
    "[x for x in run.tags] == ['best']": [1],
    "(x := run.name) and x[-1] == '2'": [2],
    "f'{run.name}' == 'run 1'": [1],
    "(lambda: run.name)() == 'run 1'": [1],
    "run.name.startswith('run') and run.name.upper().endswith('2')": [2],
    "run.created_at > datetime(2020, 1, 2).timestamp() - 3600": [1, 2],
    "run.hparams.optimizer.name[:4] == 'adam' and run.hparams.optimizer.name[-1] in '13'": [1],
    "any(c.isdigit() for c in run.hparams.optimizer.name)": [1, 2],
    "run.end_time if not run.active else False": [2],
    "round(run.metrics['loss'].last) == 1 and max(run.hparams.lr, 0.15) == 0.2": [2],
    "run.hparams == {'lr': 0.1, 'optimizer': {'name': 'adam1'}}": [1],
    "'lr' in run.hparams and 'extra' in run": [2],
    "run.hparams['none'] is None": [],
    "run['hparams.lr'] is None": [1, 2],
    "1 / 0 > 1": [],
    "run.hparams.lr == '0.1'": [],
    "run.metrics['loss'].last == 1": [1, 2],
    "run.metrics['loss', {'subset': 'val'}].last > 1.5": [2],
    "run.metrics['loss', {'subset': 'val'}].last_step == 1": [1],
    "run.metrics['none'].last > 0": [],
    "run.hash == '" + "1" * 32 + "'\nor run.hash == '" + "2" * 32 + "'": [1, 2],
}
VAL = {"subset": "val"}
TRACES = {
    "metric.name == 'loss' and metric.context.subset == 'val' and run.asked == True": [
        [1, "loss", VAL],
        [2, "loss", VAL],
    ],
    "metric.run.asked == True and metric.last > 1.5": [[2, "loss", VAL]],
    "run.hparams.optimizer.name == 'adam1' and metric.last_step == 9": [[1, "loss", {}]],
    "metric.context == {'subset': 'val'} and metric.last_step == 2": [[2, "loss", VAL]],
    "run.asked == True and images.name == 'x'": [],
    "metric.name.upper() == 'LOSS' and metric.context and metric.last / 2 == run.hparams.lr * 5": [
        [1, "loss", VAL],
        [2, "loss", VAL],
    ],
    "metric.last > run.metrics['loss'].last": [[2, "loss", VAL]],
}
REFUSED = {
    "run.hparams.lr <": "Invalid query syntax: ",
    "__import__('os').system('true')": "'__import__' cannot be asked for",
    "run.__class__.__mro__": "'__mro__' cannot be asked for",
    "run.name.format('x')": "the method 'format' is not known",
    "open('/etc/passwd')": "unknown name 'open'",
    "metric.name == 'loss'": "'metric' cannot be asked for here",
    "'a' * 10 ** 9 == run.name": "are allowed",
    "10 ** 10 ** 10 > 1": "are allowed",
    "any(a + b for a in range(10 ** 9) for b in range(10 ** 9) if 0)": "too many steps",
    "not " * 500 + "run.active": "",
    "(" * 500 + "run.active" + ")" * 500: "",
}


@pytest.fixture(scope="module")
def told(client: Any) -> Any:
    return client.call("language", queries=list(FOUND), traces=list(TRACES), refused=list(REFUSED))


def test_runs_are_found(told: Any) -> None:
    assert told["found"] == FOUND


def test_traces_are_found(told: Any) -> None:
    assert told["traces"] == TRACES


def test_what_cannot_be_said_is_told_and_nothing_is_evaluated(told: Any) -> None:
    for query, part in REFUSED.items():
        status, message = told["refused"][query]
        assert status == 400, query[:80]
        assert message.startswith("Invalid query"), query[:80]
        assert part in message, query[:80]


def test_pages(told: Any) -> None:
    assert sorted(told["pages"]) == [[1], [2]]
    assert [told["after"]] == told["pages"][1:]
    assert told["nowhere"] == []

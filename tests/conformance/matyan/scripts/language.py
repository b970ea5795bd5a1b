"""Ask three runs for what MatyanQL can ask."""

from __future__ import annotations

from typing import Any

from matyan_client import Repo, Run
from support.patience import eventually

RUNS = ("1" * 32, "2" * 32, "3" * 32)


def _write(url: str) -> None:
    first, second, third = (Run(name, repo=url, capture_terminal_logs=False) for name in RUNS)
    first.experiment = second.experiment = "asked"
    for number, run in enumerate((first, second, third), 1):
        run["hparams"] = {"lr": number / 10, "optimizer": {"name": f"adam{number}"}}
        run["asked"] = True
        run.name = f"run {number}"
        run.track(float(number), name="loss", step=number, context={"subset": "val"})
        run.track(1.0, name="loss", step=9)
    first.add_tag("best")
    second["extra"] = None
    third.archived = True
    second.close()
    third.close()


def main(argument: dict[str, Any]) -> Any:
    url = argument["url"]
    _write(url)
    repo = Repo(url)
    names = {name: number for number, name in enumerate(RUNS, 1)}
    eventually(lambda: all(repo.run_exists(name) for name in RUNS))
    eventually(lambda: not any(repo.get_run(name).props["active"] for name in RUNS[1:]))
    eventually(lambda: repo.get_run(RUNS[0]).tags == ["best"])
    found = {}
    for query in argument["queries"]:
        runs = repo.query_runs(f"run.asked == True and ({query})")
        found[query] = sorted(names[run["hash"]] for run in runs)
    traces = {}
    for query in argument["traces"]:
        runs = repo.query_metrics(query)
        traces[query] = sorted(
            [names[run["hash"]], trace["name"], trace.get("context", {})]
            for run in runs
            if run["hash"] in names
            for trace in run["traces"].values()
        )
    refused = {}
    for query in argument["refused"]:
        assert repo.query_runs(query) == []
        answer = repo._http._client.get("/api/v1/rest/runs/search/run/", params={"q": query})
        refused[query] = [answer.status_code, answer.json()["detail"]]
    pages = [[run["hash"] for run in page] for page in repo.query_runs("run.asked == True", paginated=True, limit=1)]
    after = [run["hash"] for run in repo.query_runs("run.asked == True", offset=pages[0][0])]
    nowhere = repo.query_runs("run.asked == True", offset="f" * 32)
    Run(RUNS[0], repo=url, capture_terminal_logs=False, force_resume=True).close()
    return {
        "found": found,
        "traces": traces,
        "refused": refused,
        "pages": [[names[name] for name in page] for page in pages],
        "after": [names[name] for name in after],
        "nowhere": nowhere,
    }

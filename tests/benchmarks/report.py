"""The table: a row a piece of work, a column a system, and how RunAtlas compares with the best of its peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.system import CLIENTS, SYSTEMS
from benchmarks.work import READS, WORKS

__all__ = ["BESIDE", "IMPORT", "SCRIPT", "render"]

IMPORT, SCRIPT = "import", "script"
_PROGRAMS = {
    IMPORT: "import, less bare Python",
    SCRIPT: "a program that tracks one value, from start to end, less bare Python",
}
BESIDE = "beside"
Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By work, then by adapter: what ``benchmarks.child`` wrote."""


def render(results: Results, beside: Results, *, machine: str, versions: Mapping[str, str]) -> str:
    """Return the tables as Markdown.

    Args:
        results: What the systems needed.
        beside: What clients of one server needed, by what they read, then by client.
        machine: Where.
        versions: Of which packages.
    """
    names = [name for name in SYSTEMS if any(name in row for row in results.values())]
    head = [machine, "; ".join(f"{name} {version}" for name, version in versions.items())]
    own = [name for name in names if not SYSTEMS[name].served]
    parts = ["\n".join(head), _seconds(results, names, "seconds"), _seconds(results, own, "cpu_seconds")]
    parts += [_detail(results, names, "peak memory above the start, MB", "memory_mb", "{:.0f}")]
    parts += [
        _detail(
            results, [name for name in names if SYSTEMS[name].served], "requests of the first call", "requests", "{}"
        )
    ]
    parts += [_loop(results, names), _beside(beside)]
    return "\n\n".join(part for part in parts if part)


def _beside(results: Results) -> str:
    rows = [[READS[name].title, *_clients(results[name])] for name in READS if name in results]
    head = [f"{client}: {what}" for what in ("seconds", "requests") for client in CLIENTS]
    return _table(["one server, fresh processes: median", *head, "share of time", "of requests"], rows) if rows else ""


def _clients(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if any("error" in each for each in found.values()):
        return ["failed" if "error" in each else "-" for each in found.values()] + ["-"] * 4
    cells = [f"{each['seconds']:.3g}" for each in found.values()] + [f"{each['requests']}" for each in found.values()]
    ours, theirs = found.values()
    return cells + [f"{ours[field] / theirs[field]:.2g}" for field in ("seconds", "requests")]


def _seconds(results: Results, names: Sequence[str], field: str) -> str:
    ours = [name for name in names if SYSTEMS[name].ours]
    rows = []
    for work in _order(results):
        found = results[work]
        cells = [_times(found.get(name), field) for name in names]
        cells += [_ratio(results, work, name, field) for name in ours]
        if set(cells) != {"-"}:
            rows.append([_title(work), *cells])
    head = {"seconds": "seconds: first / second call", "cpu_seconds": "the same in seconds of this process's CPU time"}
    return _table([head[field], *names, *(f"{name} : best peer" for name in ours)], rows) if rows else ""


def _detail(results: Results, names: Sequence[str], title: str, field: str, form: str) -> str:
    rows = []
    for work in _order(results):
        cells = [results[work].get(name, {}).get(field) for name in names]
        if any(cell is not None for cell in cells):
            rows.append([_title(work), *("-" if cell is None else form.format(cell) for cell in cells)])
    return _table([title, *names], rows) if names and rows else ""


def _loop(results: Results, names: Sequence[str]) -> str:
    rows = []
    for work in _order(results):
        found = [results[work].get(name, {}) for name in names]
        if any("mean_us" in each for each in found):
            cells = [f"{each['mean_us']:.1f} / {each['p99_us']:.0f}" if "mean_us" in each else "-" for each in found]
            rows.append([_title(work), *cells])
    return _table(["the training loop's view, µs a call: mean / p99", *names], rows) if rows else ""


def _order(results: Results) -> list[str]:
    return [work for work in (*WORKS, *_PROGRAMS) if work in results]


def _title(work: str) -> str:
    return WORKS[work].title if work in WORKS else _PROGRAMS[work]


def _times(found: Mapping[str, Any] | None, field: str) -> str:
    if found is None or not ("error" in found or field in found):
        return "-"
    if "error" in found:
        return "failed"
    return " / ".join(f"{seconds:.3g}" for seconds in found[field])


def _ratio(results: Results, work: str, name: str, field: str) -> str:
    """Say how many times faster than the best peer in process: the first call, then the second."""
    mine = results[work].get(name, {}).get(field)
    rival = WORKS[work].rival if work in WORKS else None
    pool = {**results.get(rival or work, {}), **results[work]}
    peers = [each[field] for peer, each in pool.items() if field in each and _in_process_peer(peer)]
    if not mine or not peers:
        return "-"
    calls = min(len(mine), *map(len, peers))
    return " / ".join(_times_as_fast(min(times[call] for times in peers) / mine[call]) for call in range(calls))


def _times_as_fast(ratio: float) -> str:
    """Write a ratio by two digits: 0.67x, 12x, 1,300x."""
    return f"{float(f'{ratio:.2g}'):,.10g}x"


def _in_process_peer(name: str) -> bool:
    return not (SYSTEMS[name].ours or SYSTEMS[name].served)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

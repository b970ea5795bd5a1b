"""MatyanQL as this protocol has it: experiments go by their free names, times are the caller's."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from runatlas.compat.matyanql.queried_run import MatyanRun, MatyanTrace
from runatlas.compat.matyanql.query import MatyanQuery, parse_matyan
from runatlas.errors import ValidationError
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or
from runatlas.server.dialects.matyan.body import read_zone_offset
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["is_matching", "read_query"]

_EXPERIMENT = Field("STABLE", "project")

Projects = Callable[[str], "tuple[str, ...]"]


def read_query(call: EndpointCall, projects: Projects, sequence: str | None = None) -> MatyanQuery:
    """Read the query of a search.

    Args:
        call: Its ``q`` is the query; its header ``X-Timezone-Offset`` says how many minutes east of UTC times are.
        projects: Tells the projects of the experiments of a name.
        sequence: What is searched beside runs.

    Raises:
        ValidationError: 400 when it cannot be read or asks for what is not known.
    """
    offset = read_zone_offset(call)
    try:
        found = parse_matyan(call.value("q") or "", sequence=sequence, argument="q", utc_offset_min=offset)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"Invalid query syntax: {error}", code=400) from error
    return found if found.runs is None else attrs.evolve(found, runs=_as_here(found.runs, projects))


def is_matching(query: MatyanQuery, run: MatyanRun, trace: MatyanTrace | None = None) -> bool:
    """Tell whether a query holds for a run or a trace.

    Raises:
        ValidationError: 400 when it asks for more than is done for one.
    """
    try:
        return query.matches(run, trace)
    except ValueError as error:
        raise ValidationError(f"Invalid query: {error}", code=400) from error


def _as_here(part: Filter, projects: Projects) -> Filter:
    """Say a filter in the terms of the store, where the names of experiments are the titles of projects."""
    if isinstance(part, Comparison):
        if part.field != _EXPERIMENT:
            return part
        return Or(tuple(Comparison(_EXPERIMENT, "EQ", name) for name in projects(str(part.value))))
    if isinstance(part, Not):
        return Not(_as_here(part.item, projects))
    items = tuple(_as_here(item, projects) for item in part.items)
    return And(items) if isinstance(part, And) else Or(items)

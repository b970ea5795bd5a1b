"""Policies that a project holds, where several servers share a store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from support.database import Location

from runatlas.model.page import PageRequest
from runatlas.model.policy import Policy
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft
from runatlas.server.schedule import evaluate_due

DAY = 24 * 3_600_000
POLICIES = 8


def test_of_two_servers_one_evaluates_each_policy_that_is_due(location: Location) -> None:
    one, other = location.services(), location.services()
    owner = one.owner()
    for number in range(POLICIES):
        project = one.projects.create_project(owner, ProjectDraft(f"p{number}")).path
        ended = one.store.clock() - 40 * DAY
        for name in ("a", "b"):
            draft = RunDraft(project, id=name, state="FINISHED", created_at_ms=ended, finished_at_ms=ended)
            one.runs.create_run(owner, draft)
        one.policies.hold_policy(owner, project, "old", Policy(older_than="30d", keep_last=1), acts=True)

    # Both have seen that all of them are due before either begins.
    lists = one.policies.list_due(), other.policies.list_due()
    assert [len(due) for due in lists] == [POLICIES, POLICIES]
    for services, due in zip((one, other), lists, strict=True):
        services.policies.list_due = lambda due=due: due  # type: ignore[method-assign, misc]
    with ThreadPoolExecutor(2) as pool:
        done = [
            record for records in pool.map(lambda each: list(evaluate_due(each)), (one, other)) for record in records
        ]

    assert [(record.outcome, record.taken) for record in done] == [("deleted", 1)] * POLICIES
    entries = one.trash.list_trash(owner, None, PageRequest()).items
    assert {entry.id for entry in entries} == {record.trash_id for record in done}
    one.close()
    other.close()

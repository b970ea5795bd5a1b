"""What every backend does with the policies that a project holds, and what their evaluations do and tell."""

from __future__ import annotations

import attrs
import pytest
from sqlalchemy.exc import DBAPIError
from support.backend import Site
from support.recording import line

from runatlas.backends.contract import Backend
from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, StoreError, ValidationError
from runatlas.model.batch import Batch
from runatlas.model.held_policy import EvaluationRecord, RuleCount
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.policy import Policy
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.server.schedule import evaluate_due
from runatlas.server.services.policies import HELD_MAX, LOG_MAX, LOG_MS

HOUR = 3_600_000
DAY = 24 * HOUR
OLD = Policy(older_than="30d", keep_last=1, keep_labels=("baseline",))


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """Five runs that ended 31, 32, … days ago."""
    project = site.project()
    for age in range(31, 36):
        ended = site.clock() - age * DAY
        labels = ("baseline",) if age == 35 else ()
        draft = RunDraft(project, id=f"r{age}", state="FINISHED", created_at_ms=ended - DAY, finished_at_ms=ended)
        site.inside.create_run(attrs.evolve(draft, labels=labels))
    protect(site, project, "r34")
    return project


def protect(site: Site, project: ProjectPath, run_id: str) -> None:
    selection = RunSelection(project.workspace, project.project, ids=(run_id,))
    site.root.update_runs(selection, RunPatch(protected=True))


def left(site: Site, project: ProjectPath) -> set[str]:
    query = RunQuery(RunSelection(project.workspace, project.project), parts=())
    return {run.id for run in site.services.runs.list_runs(site.services.owner(), query).items}


def log(backend: Backend, project: ProjectPath, policy: str | None = None) -> tuple[EvaluationRecord, ...]:
    return backend.list_evaluations(project, PageRequest(), policy=policy).items


def evaluate(site: Site) -> list[EvaluationRecord]:
    return list(evaluate_due(site.services))


def test_a_policy_reports_until_it_is_switched_to_act(site: Site, demo: ProjectPath) -> None:
    held = site.root.hold_policy(demo, "old", OLD, every="12h")
    assert (held.policy, held.every, held.acts, held.held_by) == (OLD, "12h", False, site.home)
    assert (held.evaluated_at_ms, held.next_at_ms) == (None, site.clock())
    assert site.root.list_policies(demo) == (held,)

    (planned,) = evaluate(site)
    assert (planned.outcome, planned.taken, planned.kept, planned.trash_id) == ("planned", 2, 3, "")
    assert [item.path for item in planned.items] == [f"{demo}/r32", f"{demo}/r33"]
    assert planned.items[0].reason == "finished 32 d ago, older than 30d"
    assert set(planned.rules) == {
        RuleCount("older_than 30d", 2, goes=True),
        RuleCount("protected", 1, goes=False),
        RuleCount("keep_labels baseline", 1, goes=False),
        RuleCount("keep_last 1", 1, goes=False),
    }
    assert len(left(site, demo)) == 5
    assert log(site.root, demo) == (planned,)
    assert evaluate(site) == [], "it is due again after half a day"

    switched = site.root.switch_policy(demo, "old", acts=True)
    assert (switched.acts, switched.evaluated_at_ms) == (True, site.clock())
    assert switched.next_at_ms == site.clock() + 12 * HOUR
    site.clock.advance(12 * HOUR - 1)
    assert evaluate(site) == []
    site.clock.advance(1)
    (deleted,) = evaluate(site)
    assert (deleted.outcome, deleted.acts, deleted.taken, deleted.policy) == ("deleted", True, 2, OLD)
    assert left(site, demo) == {"r31", "r34", "r35"}
    (entry,) = site.root.list_trash(demo.workspace, PageRequest()).items
    assert (entry.id, entry.runs, entry.deleted_by) == (deleted.trash_id, 2, site.home)
    site.root.restore(deleted.trash_id)
    assert len(left(site, demo)) == 5
    assert log(site.root, demo) == (deleted, planned)


def test_a_policy_that_thins_leaves_the_runs_and_can_be_taken_back(site: Site, demo: ProjectPath) -> None:
    site.inside.append(Batch(demo.run("r32"), (line("loss", 50),)))
    site.root.hold_policy(demo, "thin", attrs.evolve(OLD, thin=2), acts=True)
    (thinned,) = evaluate(site)
    assert (thinned.outcome, [item.path for item in thinned.items]) == ("deleted", [f"{demo}/r32"])

    def points() -> int:
        return site.services.usage.read_space(site.services.owner(), str(demo)).total.points

    assert (len(left(site, demo)), 0 < points() < 10) == (5, True)
    site.root.restore(thinned.trash_id)
    assert points() == 50


def test_what_was_missed_is_not_made_up_for_and_times_stay(site: Site, demo: ProjectPath) -> None:
    began = site.clock()
    site.root.hold_policy(demo, "old", OLD, every="1d")
    evaluate(site)
    site.clock.advance(5 * DAY + HOUR)
    assert len(evaluate(site)) == 1
    (held,) = site.root.list_policies(demo)
    assert (held.evaluated_at_ms, held.next_at_ms) == (began + 5 * DAY + HOUR, began + 6 * DAY)


def test_what_is_refused_takes_nothing_and_says_why(site: Site, demo: ProjectPath) -> None:
    everything, most = Policy(where="name != 'x'"), Policy(older_than="30d", keep_last=1, max=1)
    mistyped = Policy(older_than="30d", keep_last=1, keep_best=("val_los:1",))
    site.inside.append(Batch(demo.run("r31"), (line("val_loss", 1),)))
    site.root.update_runs(RunSelection(demo.workspace, demo.project, ids=("r34",)), RunPatch(protected=False))
    for name, policy in (("all", everything), ("max", most), ("mistyped", mistyped)):
        site.root.hold_policy(demo, name, policy, acts=True)
    told = {record.name: record for record in evaluate(site)}
    assert {record.outcome for record in told.values()} == {"refused"}
    assert "the policy would take all 5 runs" in told["all"].reason
    assert "the policy would take 4 runs, and its max is 1" in told["max"].reason
    assert "no run here has a metric 'val_los', did you mean 'val_loss'?" in told["mistyped"].reason
    assert len(left(site, demo)) == 5
    site.root.hold_policy(demo, "mistyped", mistyped, acts=False)
    (reported,) = evaluate(site)
    assert (reported.outcome, reported.acts, reported.taken) == ("refused", False, 4)


def test_it_has_the_rights_of_who_holds_it_at_that_time(site: Site, demo: ProjectPath) -> None:
    ann = site.user("ann")
    site.root.set_member(demo.workspace, "ann", "OWNER")
    assert ann.hold_policy(demo, "old", OLD, acts=True).held_by == "ann"
    reasons = {}
    for role in ("VIEWER", None):
        site.root.set_member(demo.workspace, "ann", role)
        (refused,) = evaluate(site)
        assert (refused.outcome, refused.held_by, refused.taken) == ("refused", "ann", 0)
        reasons[role] = refused.reason
        site.clock.advance(DAY)
    begins = "ann, who holds the policy, may not delete runs here any more: "
    assert reasons == {
        "VIEWER": f"{begins}ann may not change project {demo}",
        None: f"{begins}there is no project {demo}",
    }
    assert len(left(site, demo)) == 5
    assert site.root.switch_policy(demo, "old", acts=True).held_by == site.home
    (deleted,) = evaluate(site)
    assert (deleted.outcome, deleted.held_by) == ("deleted", site.home)


def test_who_manages_may_hold_and_who_reads_may_look(site: Site, demo: ProjectPath) -> None:
    backends = {role: site.user(role.lower()) for role in ("OWNER", "MEMBER", "VIEWER", "VISITOR")}
    for role in ("OWNER", "MEMBER", "VIEWER", "VISITOR"):
        site.root.set_member(demo.workspace, role.lower(), role)
    held = backends["OWNER"].hold_policy(demo, "old", OLD)
    evaluate(site)
    for role in ("MEMBER", "VIEWER"):
        assert [record.name for record in backends[role].list_policies(demo)] == [held.name]
        assert len(log(backends[role], demo)) == 1
        with pytest.raises(PermissionDeniedError):
            backends[role].hold_policy(demo, "old", OLD)
        with pytest.raises(PermissionDeniedError):
            backends[role].switch_policy(demo, "old", acts=True)
        with pytest.raises(PermissionDeniedError):
            backends[role].release_policy(demo, "old")
    with pytest.raises(NotFoundError):
        backends["VISITOR"].list_policies(demo)
    with pytest.raises(NotFoundError):
        log(backends["VISITOR"], demo)


def test_the_directorys_owner_holds_what_he_is_no_member_of(site: Site, demo: ProjectPath) -> None:
    site.user("ann")
    owner, services = site.services.owner(), site.services
    project = services.projects.create_project(owner, ProjectDraft("own", "ann")).path
    ended = site.clock() - 40 * DAY
    for name in ("a", "b"):
        draft = RunDraft(project, id=name, state="FINISHED", created_at_ms=ended, finished_at_ms=ended)
        services.runs.create_run(owner, draft)
    services.policies.hold_policy(owner, project, "old", Policy(older_than="30d", keep_last=1), acts=True)
    assert [(record.outcome, record.taken) for record in evaluate(site)] == [("deleted", 1)]


def test_a_policy_is_replaced_and_released_and_its_log_stays(site: Site, demo: ProjectPath) -> None:
    site.root.hold_policy(demo, "old", OLD)
    site.root.hold_policy(demo, "b/c".replace("/", " "), OLD)
    evaluate(site)
    again = site.root.hold_policy(demo, "old", Policy(older_than="40d"), every="1w", acts=True)
    assert (again.evaluated_at_ms, again.next_at_ms) == (site.clock(), site.clock())
    assert [record.name for record in site.root.list_policies(demo)] == ["b c", "old"]
    (nothing,) = evaluate(site)
    assert (nothing.outcome, nothing.taken, nothing.kept, nothing.trash_id) == ("deleted", 0, 5, "")
    site.root.release_policy(demo, "old")
    for call in (
        lambda: site.root.release_policy(demo, "old"),
        lambda: site.root.switch_policy(demo, "old", acts=True),
    ):
        with pytest.raises(NotFoundError, match=f"project {demo} holds no policy 'old'"):
            call()
    site.clock.advance(30 * DAY)
    assert [record.name for record in evaluate(site)] == ["b c"]
    assert [record.name for record in log(site.root, demo)] == ["b c", "old", "b c", "old"]
    assert [record.policy.older_than for record in log(site.root, demo, "old")] == ["40d", "30d"]
    page = site.root.list_evaluations(demo, PageRequest(limit=3, with_total=True))
    rest = site.root.list_evaluations(demo, PageRequest(limit=3, cursor=page.next_cursor))
    assert (len(page.items), page.total, len(rest.items), rest.next_cursor) == (3, 4, 1, None)


def test_what_cannot_be_held_is_refused(site: Site, demo: ProjectPath) -> None:
    for name, policy, every, sentence in (
        (" ", OLD, "1d", "cannot name a policy"),
        ("n" * 101, OLD, "1d", "cannot name a policy"),
        ("a", Policy(), "1d", "the policy is empty"),
        ("a", Policy(where="loss <"), "1d", "where"),
        ("a", OLD, "15 minutes", "every: '15 minutes' is no duration"),
        ("a", OLD, "0d", "every: '0d' is no duration"),
        ("a", OLD, "9000y", "every: '9000y' is too long"),
        ("a", Policy(where=f"name != '{'x' * 17_000}'"), "1d", "too many"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            site.root.hold_policy(demo, name, policy, every=every)
    assert site.root.list_policies(demo) == ()
    for number in range(HELD_MAX):
        site.root.hold_policy(demo, f"p{number}", OLD)
    with pytest.raises(ConflictError, match=f"holds {HELD_MAX} policies already"):
        site.root.hold_policy(demo, "one more", OLD)
    site.root.hold_policy(demo, "p3", OLD, acts=True)


def test_a_project_that_is_renamed_or_comes_back_keeps_its_policies(site: Site, demo: ProjectPath) -> None:
    site.root.hold_policy(demo, "old", OLD, acts=True)
    path = site.root.update_project(demo, ProjectPatch(name="renamed")).path
    protected = RunSelection(path.workspace, path.project, ids=("r34",))
    site.root.update_runs(protected, RunPatch(protected=False))
    entry = site.root.delete_project(path)
    assert evaluate(site) == [], "what lies in the trash is left alone"
    site.root.restore(entry.trash_id)
    (deleted,) = evaluate(site)
    assert (deleted.outcome, deleted.taken, left(site, path)) == ("deleted", 3, {"r31", "r35"})


def test_the_log_is_bounded(site: Site, demo: ProjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOG_MAX >= 1000
    monkeypatch.setattr("runatlas.server.services.policies.LOG_MAX", 3)
    site.root.hold_policy(demo, "old", OLD, every="1w")
    times = []
    for _ in range(5):
        times.append(site.clock())
        evaluate(site)
        site.clock.advance(7 * DAY)
    assert [record.at_ms for record in log(site.root, demo)] == times[:1:-1]
    site.clock.advance(LOG_MS)
    assert len(evaluate(site)) == 1
    assert len(log(site.root, demo)) == 1


@pytest.mark.parametrize("damage", ["policy = '['", "every = 'soon'"])
def test_a_damaged_policy_is_refused_and_keeps_no_other_from_its_turn(
    site: Site, demo: ProjectPath, damage: str
) -> None:
    site.root.hold_policy(demo, "damaged", OLD, acts=True)
    site.root.hold_policy(demo, "whole", OLD)
    with site.services.store.write() as connection:
        connection.exec_driver_sql(f"UPDATE held_policies SET {damage} WHERE name = 'damaged'")
    assert {record.name: record.outcome for record in evaluate(site)} == {"damaged": "refused", "whole": "planned"}


def test_what_nobody_thought_of_is_told_in_the_log_and_tried_again(
    site: Site, demo: ProjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    site.root.hold_policy(demo, "a", OLD, acts=True)
    site.root.hold_policy(demo, "b", OLD)
    with monkeypatch.context() as patched:
        patched.setattr(site.services.trash, "delete", broken)
        first, second = evaluate(site)
    assert (first.outcome, first.reason.partition(":")[0]) == ("failed", "ZeroDivisionError")
    assert second.outcome == "planned"
    assert [record.outcome for record in log(site.root, demo)] == ["planned", "failed"]
    site.clock.advance(DAY)
    assert [record.outcome for record in evaluate(site)] == ["deleted", "planned"]


@pytest.mark.parametrize("error", [StoreError("/srv/secret failed"), RuntimeError("/srv/secret failed")])
def test_the_log_tells_nobody_where_the_store_lies(
    site: Site, demo: ProjectPath, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    site.root.hold_policy(demo, "old", OLD, acts=True)
    monkeypatch.setattr(site.services.trash, "delete", broken)
    (ended,) = evaluate(site)
    assert (ended.outcome, "secret" in ended.reason, "secret" in caplog.text) == ("failed", False, True)


def test_a_clock_that_was_ahead_keeps_no_policy_from_its_turn(site: Site, demo: ProjectPath) -> None:
    site.root.hold_policy(demo, "old", OLD)
    site.clock.advance(3650 * DAY)
    site.root.hold_policy(demo, "new", OLD, every="1w")
    assert [record.name for record in evaluate(site)] == ["old", "new"]
    site.root.hold_policy(demo, "never evaluated", OLD)
    site.clock.advance(-3650 * DAY)
    assert len(evaluate(site)) == 3
    assert evaluate(site) == []
    site.clock.advance(DAY)
    assert [record.name for record in evaluate(site)] == ["old", "never evaluated"]
    site.clock.advance(-HOUR // 2)
    assert evaluate(site) == [], "clocks of several servers differ a little"


def test_an_evaluation_that_broke_off_says_so_and_took_nothing(site: Site, demo: ProjectPath) -> None:
    site.root.hold_policy(demo, "old", OLD, acts=True)
    (due,) = site.services.policies.list_due()
    assert site.services.policies.begin(due) is not None
    (begun,) = log(site.root, demo)
    assert (begun.outcome, begun.taken, begun.trash_id) == ("begun", 0, "")
    assert len(left(site, demo)) == 5
    assert evaluate(site) == []
    site.clock.advance(DAY)
    assert [record.outcome for record in evaluate(site)] == ["deleted"]


def test_what_goes_and_the_line_that_says_so_are_one_transaction(site: Site, demo: ProjectPath) -> None:
    site.root.hold_policy(demo, "old", OLD, acts=True)
    (due,) = site.services.policies.list_due()
    begun = site.services.policies.begin(due)
    assert begun is not None
    with site.services.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE policy_evaluations RENAME TO elsewhere")
    with pytest.raises((StoreError, DBAPIError)):
        site.services.policies.evaluate(begun)
    assert len(left(site, demo)) == 5
    assert site.root.list_trash(demo.workspace, PageRequest()).items == ()


def test_a_policy_that_is_released_while_it_is_evaluated_takes_nothing(site: Site, demo: ProjectPath) -> None:
    site.root.hold_policy(demo, "old", OLD, acts=True)
    (due,) = site.services.policies.list_due()
    begun = site.services.policies.begin(due)
    assert begun is not None
    site.root.release_policy(demo, "old")
    ended = site.services.policies.evaluate(begun)
    assert (ended.outcome, ended.reason) == (
        "refused",
        "nothing was deleted: the policy was changed or released meanwhile",
    )
    assert len(left(site, demo)) == 5

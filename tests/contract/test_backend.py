"""What every backend does with the installation, users, keys, workspaces and projects."""

from __future__ import annotations

import pytest
from support.backend import Site

from runatlas.backends.contract import Backend
from runatlas.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RunAtlasError,
    ValidationError,
)
from runatlas.model.account import UserPatch, WorkspacePatch
from runatlas.model.ids import ProjectPath
from runatlas.model.metric import DEFINITIONS_MAX, MetricDefinition
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectCountRecord, ProjectDraft, ProjectPatch, ProjectQuery
from runatlas.model.run import RunDraft

HOUR_MS = 3600 * 1000


def test_it_tells_what_and_where_it_is(site: Site) -> None:
    server = site.root.get_server()
    assert (server.product, server.enabled, server.expired, server.plan, server.seats) == (
        *("runatlas", True, False, "free", 0),
    )
    assert server.accounts
    assert server.root
    assert not site.user("ann").get_server().root
    assert site.root.location
    assert site.root.web_url.startswith(("http://", "file://"))


def test_closing_twice_does_nothing(site: Site) -> None:
    backend = site.user("ann")
    backend.close()
    backend.close()


def test_a_user_changes_their_account(site: Site) -> None:
    ann = site.user("ann")
    user = ann.get_user()
    assert (user.username, user.is_root, user.created_at_ms) == ("ann", False, site.clock())
    changed = ann.update_user(UserPatch(name="Ann B.", bio="Ünï", email="ann@example.org"))
    assert (changed.name, changed.bio, changed.email, changed.school) == ("Ann B.", "Ünï", "ann@example.org", "")
    again = ann.update_user(UserPatch(school="Lyceum"))
    assert (again.name, again.bio, again.school) == ("Ann B.", "Ünï", "Lyceum")
    assert ann.get_user() == again
    assert site.root.get_user().name != "Ann B."


def test_text_that_no_engine_holds_is_refused(site: Site) -> None:
    with pytest.raises(ValidationError):
        site.root.update_user(UserPatch(name="nul\x00"))
    with pytest.raises(ValidationError):
        site.root.create_project(ProjectDraft("demo", title="\x00"))


class TestUsers:
    def test_administrators_make_and_list_them(self, site: Site) -> None:
        made = site.root.create_user("bob", "pass123")
        assert (made.username, made.is_root) == ("bob", False)
        site.root.create_user("Zoe")
        listed = site.root.list_users(PageRequest(with_total=True))
        assert [user.username for user in listed.items] == sorted(["bob", "Zoe", site.home])
        assert listed.total == 3
        assert [user.username for user in site.root.list_users(PageRequest(), search="OB").items] == ["bob"]
        own = site.user("bob").get_workspace()
        assert (own.username, own.workspace_type, own.role) == ("bob", "PERSON", "OWNER")

    def test_names_are_taken_once(self, site: Site) -> None:
        site.root.create_user("bob")
        site.root.create_workspace("team")
        for name in ("bob", "team", site.home):
            with pytest.raises(ConflictError):
                site.root.create_user(name)
        for name in ("bob", "team"):
            with pytest.raises(ConflictError):
                site.root.create_workspace(name)

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 26, "é"])
    def test_a_name_has_a_form(self, site: Site, name: str) -> None:
        with pytest.raises(ValueError, match="username"):
            site.root.create_user(name)
        with pytest.raises(ValueError, match="username"):
            site.root.create_workspace(name)

    def test_passwords_open_what_they_are_of(self, site: Site) -> None:
        site.root.create_user("bob", "pass123")
        accounts = site.services.accounts
        assert accounts.authenticate_password("bob", "pass124") is None
        made = site.root.reset_password("bob")
        found = accounts.authenticate_password("bob", made.password)
        assert found is not None
        assert (made.username, found.username) == ("bob", "bob")
        assert found.password_until_ms == made.expires_at_ms
        with pytest.raises(NotFoundError):
            site.root.reset_password("nobody")

    # The services tell it of whoever asks, and a hash takes as long as a test.
    @pytest.mark.parametrize("site", ["local"], indirect=True)
    def test_the_password_of_before_and_none_open_nothing(self, site: Site) -> None:
        accounts = site.services.accounts
        site.root.create_user("bob", "pass123")
        assert accounts.authenticate_password("bob", "pass123") is not None
        site.root.reset_password("bob")
        for username, password in (("bob", "pass123"), ("nobody", "pass123"), (site.home, "")):
            assert accounts.authenticate_password(username, password) is None


class TestKeys:
    def test_a_key_opens_what_its_user_may_see(self, site: Site) -> None:
        ann = site.user("ann")
        made = ann.create_key()
        assert len(made.secret) == 21
        assert made.secret.isalnum()
        assert made.key.prefix == made.secret[:4]
        assert site.connect(made.secret).get_user().username == "ann"

    def test_they_are_listed_oldest_first_without_secrets(self, site: Site) -> None:
        ann = site.user("ann")
        first = ann.list_keys()
        site.clock.advance(1000)
        second = ann.create_key().key
        assert [key.id for key in ann.list_keys()] == [*(key.id for key in first), second.id]
        assert site.root.list_keys("ann") == ann.list_keys()

    def test_a_revoked_key_is_useless_at_once(self, site: Site) -> None:
        ann = site.user("ann")
        made = ann.create_key()
        revoked = ann.revoke_key(made.key.id)
        assert revoked.revoked_at_ms == site.clock()
        site.clock.advance(1000)
        assert ann.revoke_key(made.key.id) == revoked
        assert site.services.accounts.authenticate(made.secret) is None
        assert revoked in ann.list_keys()

    def test_use_is_noted_once_a_minute(self, site: Site) -> None:
        ann = site.user("ann")
        key = ann.list_keys()[0]
        site.clock.advance(HOUR_MS)
        secret = ann.create_key().secret
        accounts = site.services.accounts
        used = []
        for _ in range(3):
            accounts.authenticate(secret)
            used.append(ann.list_keys()[-1].last_used_at_ms)
            site.clock.advance(25_000)
        accounts.authenticate(secret)
        used.append(ann.list_keys()[-1].last_used_at_ms)
        begin = used[0]
        assert begin is not None
        assert used == [begin, begin, begin, begin + 75_000]
        assert key.id == ann.list_keys()[0].id

    def test_others_keys_are_for_administrators(self, site: Site) -> None:
        ann, bob = site.user("ann"), site.user("bob")
        with pytest.raises(PermissionDeniedError):
            ann.create_key("bob")
        with pytest.raises(PermissionDeniedError):
            ann.list_keys("bob")
        with pytest.raises(NotFoundError):
            ann.revoke_key(bob.list_keys()[0].id)
        with pytest.raises(NotFoundError):
            site.root.create_key("nobody")
        with pytest.raises(NotFoundError):
            site.root.revoke_key("none")
        assert site.root.revoke_key(bob.list_keys()[0].id).username == "bob"

    def test_no_other_text_opens_anything(self, site: Site) -> None:
        for secret in ("", "0" * 21, "x" * 20, "' OR 1=1 --"):
            assert site.services.accounts.authenticate(secret) is None


def test_a_wrong_key_is_refused(site: Site) -> None:
    if site.root.web_url.startswith("http"):
        with pytest.raises(AuthenticationError):
            site.connect("0" * 21).get_user()


class TestWorkspaces:
    def test_a_team_belongs_to_who_made_it(self, site: Site) -> None:
        ann = site.user("ann")
        made = ann.create_workspace("team", name="The Team", comment="hello")
        assert (made.username, made.name, made.workspace_type, made.role, made.comment) == (
            *("team", "The Team", "TEAM", "OWNER", "hello"),
        )
        assert ann.get_workspace("team") == made
        changed = ann.update_workspace("team", WorkspacePatch(comment="", profile={"a": [1, None]}))
        assert (changed.name, changed.comment, changed.profile) == ("The Team", "", {"a": [1, None]})
        with pytest.raises(NotFoundError):
            site.user("bob").get_workspace("team")

    def test_listing_is_by_name_and_of_what_is_seen(self, site: Site) -> None:
        ann, bob = site.user("ann"), site.user("bob")
        for name in ("zeta", "alpha"):
            ann.create_workspace(name)
        assert [item.username for item in ann.list_workspaces(None, PageRequest()).items] == ["alpha", "ann", "zeta"]
        assert [item.username for item in bob.list_workspaces("ann", PageRequest()).items] == []
        ann.set_member("zeta", "bob", "VIEWER")
        assert [item.username for item in bob.list_workspaces("ann", PageRequest()).items] == ["zeta"]
        assert [(item.username, item.role) for item in bob.list_workspaces("zeta", PageRequest()).items] == [
            ("zeta", "VIEWER")
        ]
        with pytest.raises(NotFoundError):
            ann.list_workspaces("nobody", PageRequest())

    def test_pages_hold_everything_once(self, site: Site) -> None:
        ann = site.user("ann")
        for number in range(7):
            ann.create_workspace(f"team-{number}")
        names, cursor = [], None
        while True:
            page = ann.list_workspaces("ann", PageRequest(limit=3, cursor=cursor, with_total=True))
            names += [item.username for item in page.items]
            assert page.total == 8
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        assert names == ["ann", *(f"team-{number}" for number in range(7))]

    def test_one_owner_always_stays(self, site: Site) -> None:
        ann = site.user("ann")
        site.user("bob")
        ann.create_workspace("team")
        for role in (None, "MEMBER"):
            with pytest.raises(ConflictError):
                ann.set_member("team", "ann", role)
        ann.set_member("team", "bob", "OWNER")
        ann.set_member("team", "ann", "VIEWER")
        assert ann.get_workspace("team").role == "VIEWER"
        with pytest.raises(PermissionDeniedError):
            ann.set_member("team", "ann", "OWNER")

    def test_members_must_be_users_and_roles_roles(self, site: Site) -> None:
        with pytest.raises(NotFoundError):
            site.root.set_member(site.home, "nobody", "MEMBER")
        site.user("ann")
        with pytest.raises(ValidationError):
            site.root.set_member(site.home, "ann", "KING")  # type: ignore[arg-type]
        with pytest.raises(NotFoundError):
            site.root.set_member("nowhere", "ann", "MEMBER")


class TestProjects:
    def test_a_project_is_made_read_and_changed(self, site: Site) -> None:
        draft = ProjectDraft("demo", title="A demo", description="Ü", visibility="PUBLIC", labels=("b", "a"))
        made = site.root.create_project(draft)
        assert made.path == ProjectPath(site.home, "demo")
        assert (made.title, made.description, made.visibility, made.labels, made.role) == (
            *("A demo", "Ü", "PUBLIC", ("b", "a"), "OWNER"),
        )
        assert (made.workspace_type, made.created_at_ms, made.count) == (
            *("PERSON", site.clock(), ProjectCountRecord(collaborators=1)),
        )
        assert site.root.get_project(made.path) == made
        site.clock.advance(1000)
        patch = ProjectPatch(name="better", title="", visibility="PRIVATE", labels=())
        changed = site.root.update_project(made.path, patch)
        assert (changed.cuid, changed.name, changed.title, changed.description) == (made.cuid, "better", "", "Ü")
        assert (changed.visibility, changed.labels, changed.updated_at_ms) == ("PRIVATE", (), site.clock())
        with pytest.raises(NotFoundError):
            site.root.get_project(made.path)

    def test_a_project_says_of_its_metrics_which_way_is_better(self, site: Site) -> None:
        path = site.project()
        loss, rates = MetricDefinition("loss", "min", "nats"), MetricDefinition("val/*", "max")
        site.root.update_project(path, ProjectPatch(metrics=(loss,)))
        assert site.root.update_project(path, ProjectPatch(metrics=(rates,))).metrics == (loss, rates)
        gone = site.root.update_project(path, ProjectPatch(metrics=(MetricDefinition("loss"),)))
        assert gone.metrics == (rates,) == site.root.get_project(path).metrics
        for wrong in (MetricDefinition(""), MetricDefinition("x", unit="u" * 51), MetricDefinition("x", "up")):  # type: ignore[arg-type]
            with pytest.raises(RunAtlasError):
                site.root.update_project(path, ProjectPatch(metrics=(wrong,)))
        many = tuple(MetricDefinition(f"m{number}", "min") for number in range(DEFINITIONS_MAX))
        with pytest.raises(ValidationError, match="metrics: a project defines up to 200"):
            site.root.update_project(path, ProjectPatch(metrics=many))

    def test_names_are_unique_in_a_workspace(self, site: Site) -> None:
        path, other = site.project(), site.project("other")
        with pytest.raises(ConflictError):
            site.root.create_project(ProjectDraft("demo"))
        with pytest.raises(ConflictError):
            site.root.update_project(other, ProjectPatch(name="demo"))
        site.root.update_project(path, ProjectPatch(name="demo"))
        site.user("ann").create_project(ProjectDraft("demo"))

    @pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "x" * 101])
    def test_a_name_has_a_form(self, site: Site, name: str) -> None:
        with pytest.raises(ValueError, match="name"):
            site.root.create_project(ProjectDraft(name))

    def test_what_is_not_there_is_not_found(self, site: Site) -> None:
        nowhere = ProjectPath("nobody", "demo")
        with pytest.raises(NotFoundError):
            site.root.get_project(nowhere)
        with pytest.raises(NotFoundError):
            site.root.update_project(nowhere, ProjectPatch(title="x"))
        with pytest.raises(NotFoundError):
            site.root.create_project(ProjectDraft("demo", workspace="nobody"))
        with pytest.raises(NotFoundError):
            site.root.list_projects(ProjectQuery("nobody"))

    def test_counts_tell_what_it_holds(self, site: Site) -> None:
        path = site.project()
        ann = site.user("ann")
        site.root.set_member(site.home, "ann", "MEMBER")
        for backend, state in ((site.root, "RUNNING"), (ann, "FINISHED"), (ann, "RUNNING")):
            site.clock.advance(1000)
            backend.create_run(RunDraft(path, state=state))  # type: ignore[arg-type]
        expected = ProjectCountRecord(experiments=3, running=2, contributors=2, collaborators=2)
        found = site.root.get_project(path)
        assert (found.count, found.run_changed_at_ms) == (expected, site.clock())
        assert [item.count for item in site.root.list_projects(ProjectQuery()).items] == [expected]
        assert site.root.list_projects(ProjectQuery(detail=False)).items[0].count is None

    def test_listing_sorts_searches_and_pages(self, site: Site) -> None:
        for name in ("beta", "Alpha", "gamma"):
            site.project(name)
            site.clock.advance(1000)
        site.root.update_project(ProjectPath(site.home, "Alpha"), ProjectPatch(description="Möbius"))

        def names(**query: object) -> list[str]:
            found = site.root.list_projects(ProjectQuery(site.home, **query))  # type: ignore[arg-type]
            return [item.name for item in found.items]

        assert names() == ["Alpha", "gamma", "beta"]
        assert names(sort="create") == ["gamma", "Alpha", "beta"]
        assert names(sort="name") == ["Alpha", "beta", "gamma"]
        assert names(search="MÖB") == ["Alpha"]
        assert names(sort="name", page=PageRequest(limit=1, offset=1)) == ["beta"]
        for sort in ("update", "create", "name"):
            paged: list[str] = []
            cursor: str | None = None
            while not paged or cursor:
                page = PageRequest(limit=2, cursor=cursor, with_total=True)
                found = site.root.list_projects(ProjectQuery(site.home, sort=sort, page=page))
                paged += [item.name for item in found.items]
                cursor = found.next_cursor
                assert found.total == 3
            assert paged == names(sort=sort)

    def test_new_and_deleted_runs_make_it_the_latest(self, site: Site) -> None:
        path = site.project("old")
        site.clock.advance(1000)
        site.project("new")
        site.clock.advance(1000)
        site.root.create_run(RunDraft(path, id="one"))
        assert [item.name for item in site.root.list_projects(ProjectQuery()).items] == ["old", "new"]


class TestAdministration:
    def test_everything_is_listed(self, site: Site) -> None:
        ann = site.user("ann")
        ann.create_workspace("team", name="Ännas")
        path = ann.create_project(ProjectDraft("demo", workspace="team")).path
        ann.create_run(RunDraft(path, state="FINISHED"))
        site.project("mine")
        spaces = site.root.list_all_workspaces(PageRequest(with_total=True))
        assert [item.username for item in spaces.items] == sorted(["ann", site.home, "team"])
        assert spaces.total == 3
        found = site.root.list_all_workspaces(PageRequest(), search="änn", sort="create")
        assert [item.username for item in found.items] == ["team"]
        teams = site.root.list_all_workspaces(PageRequest(), workspace_type="TEAM")
        assert [item.username for item in teams.items] == ["team"]

        def names(**query: object) -> list[str]:
            return [item.name for item in site.root.list_all_projects(ProjectQuery(**query)).items]  # type: ignore[arg-type]

        assert names(sort="name") == ["demo", "mine"]
        assert names(workspace="team") == ["demo"]
        assert names(state="FINISHED") == ["demo"]
        assert names(state="CRASHED") == []
        assert names(creator="ann") == ["demo"]

    def test_usage_counts_everything(self, site: Site) -> None:
        path = site.project()
        site.root.create_run(RunDraft(path))
        usage = site.root.get_usage()
        assert (usage.users, usage.workspaces, usage.projects, usage.runs, usage.running) == (1, 1, 1, 1, 1)
        assert (usage.points, usage.blobs, usage.trashed_runs) == (0, 0, 0)
        assert usage.database_bytes > 0

    def test_it_is_for_administrators(self, site: Site) -> None:
        ann: Backend = site.user("ann")
        for forbidden in (
            lambda: ann.create_user("bob"),
            lambda: ann.reset_password(site.home),
            lambda: ann.list_users(PageRequest()),
            lambda: ann.list_all_workspaces(PageRequest()),
            lambda: ann.list_all_projects(ProjectQuery()),
            ann.get_usage,
        ):
            with pytest.raises(PermissionDeniedError):
                forbidden()


@pytest.mark.parametrize(
    "page",
    [
        PageRequest(limit=0),
        PageRequest(limit=1001),
        PageRequest(offset=-1),
        PageRequest(cursor="no"),
        PageRequest(cursor="é"),
    ],
    ids=("none", "many", "negative", "cursor", "unicode"),
)
def test_a_page_that_is_none_is_refused(site: Site, page: PageRequest) -> None:
    for read in (
        lambda: site.root.list_workspaces(None, page),
        lambda: site.root.list_projects(ProjectQuery(page=page)),
        lambda: site.root.list_users(page),
        lambda: site.root.list_trash(None, page),
        lambda: site.root.list_all_workspaces(page),
    ):
        with pytest.raises(ValidationError):
            read()

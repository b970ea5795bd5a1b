"""What every backend does with what people put around runs: folders, notes, keys for writers, models."""

from __future__ import annotations

import io

import attrs
import pytest
from support.backend import Site
from support.recording import points

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.folder import FolderPatch
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.registry import ModelVersionDraft
from runatlas.model.run import RunDraft, RunPatch, RunRecord, RunSelection


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project of the administrator's."""
    return site.project()


def _run(site: Site, demo: ProjectPath) -> RunRecord:
    return site.root.create_run(RunDraft(demo))[0]


class TestFolders:
    def test_they_make_a_tree(self, site: Site, demo: ProjectPath) -> None:
        top = site.root.create_folder(demo, "sweeps")
        below = site.root.create_folder(demo, "lr", top.id)
        assert (below.path, below.ancestor_ids, below.parent_id) == ("/sweeps/lr", (top.id,), top.id)
        assert [folder.path for folder in site.root.list_folders(demo)] == ["/sweeps", "/sweeps/lr"]

    def test_what_lies_in_a_folder_comes_along(self, site: Site, demo: ProjectPath) -> None:
        old, new = (site.root.create_folder(demo, name) for name in ("old", "new"))
        below = site.root.create_folder(demo, "lr", old.id)
        run = _run(site, demo)
        chosen = RunSelection(demo.workspace, demo.project, ids=(run.id,))
        site.root.update_runs(chosen, RunPatch(folder_id=below.id))
        site.root.update_folder(demo, old.id, FolderPatch(name="older", parent_id=new.id))
        found = {folder.id: folder for folder in site.root.list_folders(demo)}
        assert found[below.id].path == "/new/older/lr"
        assert found[below.id].runs == 1
        assert site.root.get_run(run.path).folder_id == below.id
        site.root.update_folder(demo, old.id, FolderPatch(parent_id=""))
        assert {folder.path for folder in site.root.list_folders(demo)} == {"/new", "/older", "/older/lr"}
        site.root.update_runs(chosen, RunPatch(folder_id=""))
        assert site.root.get_run(run.path).folder_id is None

    def test_a_folder_cannot_lie_in_itself(self, site: Site, demo: ProjectPath) -> None:
        top = site.root.create_folder(demo, "a")
        below = site.root.create_folder(demo, "b", top.id)
        before = site.root.list_folders(demo)
        for target in (top.id, below.id):
            with pytest.raises(ConflictError):
                site.root.update_folder(demo, top.id, FolderPatch(parent_id=target))
        assert site.root.list_folders(demo) == before

    def test_names_are_unique_beside_each_other(self, site: Site, demo: ProjectPath) -> None:
        top = site.root.create_folder(demo, "a")
        site.root.create_folder(demo, "a", top.id)
        with pytest.raises(ConflictError):
            site.root.create_folder(demo, "a")

    @pytest.mark.parametrize("name", ["", "  ", "a/b", "x" * 201])
    def test_what_is_no_name_is_refused(self, site: Site, demo: ProjectPath, name: str) -> None:
        with pytest.raises(ValidationError, match="name"):
            site.root.create_folder(demo, name)

    def test_only_an_empty_one_can_be_deleted(self, site: Site, demo: ProjectPath) -> None:
        top = site.root.create_folder(demo, "a")
        below = site.root.create_folder(demo, "b", top.id)
        with pytest.raises(ConflictError, match="not empty"):
            site.root.delete_folder(demo, top.id)
        site.root.delete_folder(demo, below.id)
        site.root.delete_folder(demo, top.id)
        assert site.root.list_folders(demo) == ()
        with pytest.raises(NotFoundError):
            site.root.delete_folder(demo, top.id)

    def test_unknown_parents_and_folders(self, site: Site, demo: ProjectPath) -> None:
        with pytest.raises(NotFoundError):
            site.root.create_folder(demo, "a", "nowhere")
        with pytest.raises(NotFoundError):
            site.root.update_folder(demo, "nowhere", FolderPatch(name="b"))


class TestAnnotations:
    def test_they_come_back_in_order_and_page_by_page(self, site: Site, demo: ProjectPath) -> None:
        run = _run(site, demo)
        made = [site.root.create_annotation(run.path, AnnotationDraft(f"note {i}", {"i": [i]})) for i in range(5)]
        found: list[AnnotationRecord] = []
        cursor = None
        while True:
            page = site.root.list_annotations(run.path, AnnotationQuery(page=PageRequest(limit=2, cursor=cursor)))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == made

    def test_a_repeated_event_is_one_note(self, site: Site, demo: ProjectPath) -> None:
        run, other = _run(site, demo), _run(site, demo)
        draft = AnnotationDraft("saved", event_id="event")
        first = site.root.create_annotation(run.path, draft)
        assert site.root.create_annotation(run.path, attrs.evolve(draft, text="again")) == first
        assert site.root.create_annotation(other.path, draft).id != first.id

    @pytest.mark.parametrize("text", ["", "x" * 16_001, "a\x00b"])
    def test_texts_that_are_refused(self, site: Site, demo: ProjectPath, text: str) -> None:
        run = _run(site, demo)
        with pytest.raises(ValidationError, match="text"):
            site.root.create_annotation(run.path, AnnotationDraft(text))
        assert site.root.list_annotations(run.path, AnnotationQuery()).items == ()


class TestIngestionKeys:
    def test_a_key_is_listed_without_its_secret_and_revoked_once(self, site: Site, demo: ProjectPath) -> None:
        run = _run(site, demo)
        made = site.root.create_ingestion_key(run.path, "job", ttl_ms=60_000)
        assert made.key.expires_at_ms == made.key.created_at_ms + 60_000
        assert site.root.list_ingestion_keys(run.path) == (made.key,)
        revoked = site.root.revoke_ingestion_key(run.path, made.key.id)
        assert revoked.revoked_at_ms is not None
        assert site.root.revoke_ingestion_key(run.path, made.key.id) == revoked

    def test_a_key_of_another_run_is_not_there(self, site: Site, demo: ProjectPath) -> None:
        run, other = _run(site, demo), _run(site, demo)
        made = site.root.create_ingestion_key(run.path, "job")
        with pytest.raises(NotFoundError):
            site.root.revoke_ingestion_key(other.path, made.key.id)
        assert site.root.list_ingestion_keys(run.path)[0].revoked_at_ms is None

    @pytest.mark.parametrize(("name", "ttl_ms"), [("", 1), ("x" * 201, 1), ("job", 0), ("job", 7 * 86_400_000 + 1)])
    def test_bounds(self, site: Site, demo: ProjectPath, name: str, ttl_ms: int) -> None:
        run = _run(site, demo)
        with pytest.raises(ValidationError):
            site.root.create_ingestion_key(run.path, name, ttl_ms=ttl_ms)
        assert site.root.list_ingestion_keys(run.path) == ()


class TestCatalog:
    def test_it_lists_metrics_with_their_contexts(self, site: Site, demo: ProjectPath) -> None:
        run = _run(site, demo)
        batch = Batch(
            run.path,
            points=(
                points("loss", [(0, 1, 1.0, None), (1, 2, 0.5, None)], context=(("split", "train"),)),
                points("loss", [(0, 1, 0.7, None)], context=(("split", "val"),)),
                points("acc", [(0, 1, 0.1, None)]),
            ),
        )
        site.root.append(batch)
        acc, loss = site.root.get_catalog(run.path)
        assert (acc.key, acc.contexts, acc.points) == ("acc", ((),), 1)
        assert (loss.key, loss.points) == ("loss", 3)
        assert set(loss.contexts) == {(("split", "train"),), (("split", "val"),)}


class TestRegistry:
    @pytest.fixture
    def draft(self, site: Site, demo: ProjectPath) -> ModelVersionDraft:
        """An artifact ready to be registered."""
        run = _run(site, demo)
        blob = site.root.put_blob(demo, io.BytesIO(b"weights"))
        site.root.append(Batch(run.path, artifacts=(ArtifactDraft("m.bin", blob.sha256, blob.size),)))
        return ModelVersionDraft("classifier", str(run.path), "m.bin")

    def test_versions_count_up_and_one_is_in_production(self, site: Site, draft: ModelVersionDraft) -> None:
        workspace = draft.run.partition("/")[0]
        for _ in range(2):
            site.root.create_model_version(attrs.evolve(draft, stage="production"))
        versions = site.root.list_model_versions(workspace, "classifier")
        assert [(item.version, item.stage, item.size) for item in versions] == [
            (1, "archived", 7),
            (2, "production", 7),
        ]
        assert site.root.promote_model(workspace, "classifier", 1, "production").stage == "production"
        versions = site.root.list_model_versions(workspace, "classifier")
        assert [item.stage for item in versions] == ["production", "archived"]
        (model,) = site.root.list_models(workspace)
        assert (model.versions, model.latest, model.production) == (2, 2, 1)

    def test_a_version_outlives_its_run(self, site: Site, demo: ProjectPath, draft: ModelVersionDraft) -> None:
        site.root.create_model_version(draft)
        selection = RunSelection(demo.workspace, demo.project)
        entry = site.root.delete(site.root.plan_run_deletion(selection, force=True)).trash_id
        site.root.purge(trash_id=entry)
        (version,) = site.root.list_model_versions(demo.workspace, "classifier")
        assert (version.run, version.size) == (draft.run, 7)

    def test_what_is_not_there(self, site: Site, demo: ProjectPath, draft: ModelVersionDraft) -> None:
        with pytest.raises(NotFoundError, match="artifact"):
            site.root.create_model_version(attrs.evolve(draft, artifact="other.bin"))
        with pytest.raises(NotFoundError):
            site.root.list_model_versions(demo.workspace, "classifier")
        site.root.create_model_version(draft)
        with pytest.raises(NotFoundError, match="version 9"):
            site.root.promote_model(demo.workspace, "classifier", 9, "production")

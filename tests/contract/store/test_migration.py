"""A store that was made before is brought up to date when it is opened, and all that is in it goes on working."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, MetaData, create_engine, make_url
from support.database import Location, Place
from support.recording import Recorder, line

from runatlas.errors import ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunDraft, RunQuery, RunSelection, RunState
from runatlas.server.store.installation import install
from runatlas.server.store.latest import read_latest
from runatlas.server.store.migration import MIGRATIONS
from runatlas.server.store.point_chunk import Points, encode_chunk
from runatlas.server.store.schema import SCHEMA_VERSION

VERSION_1 = Path(__file__).parent / "version_1"
KEPT, SENT, LOOSE = (hashlib.sha256(content).hexdigest() for content in (b"kept", b"sent", b"loose"))
ROWS = """
INSERT INTO projects (id, cuid, workspace_id, name, title, description, visibility, labels, created_at_ms,
updated_at_ms)
SELECT number, 'project' || number, workspaces.id, 'p' || number, '', '', 'PRIVATE', '[]', 1, 1 FROM workspaces,
(SELECT 101 AS number UNION SELECT 102) numbers;
INSERT INTO runs (id, cuid, project_id, run_id, name, description, state, run_group, job_type, show, pin, baseline,
archived, colors, labels, config, error, created_at_ms, updated_at_ms)
SELECT projects.id + 100, 'run' || projects.id, projects.id, 'r', '', '', 'RUNNING', '', '', true, false, false, false,
'[]', '[]', '{}', '', 1, 1 FROM projects;
"""
BLOBS = f"""
INSERT INTO blobs (sha256, size, created_at_ms) VALUES ('{KEPT}', 4, 1), ('{SENT}', 4, 1), ('{LOOSE}', 5, 1);
INSERT INTO blob_refs (run_pk, sha256) VALUES (201, '{KEPT}');
INSERT INTO artifacts (run_pk, name, sha256, size, mime_type, created_at_ms)
VALUES (201, 'kept.bin', '{KEPT}', 4, 'application/octet-stream', 1);
INSERT INTO uploads (run_pk, path, sha256, mime_type) VALUES (202, 'sent.bin', '{SENT}', 'image/png');
"""


def engine_of(location: Location) -> Engine:
    if location.engine == "sqlite":
        Path(location.name).mkdir(parents=True, exist_ok=True)
        return create_engine(f"sqlite:///{location.name}/runatlas.db")
    return create_engine(make_url(location.name).set(drivername="postgresql+psycopg"))


def run_script(connection: Connection, script: str) -> None:
    for statement in script.strip().removesuffix(";").split(";\n"):
        connection.exec_driver_sql(statement)


def description(location: Location) -> dict[str, Any]:
    """What the tables of a store are, as its database tells it."""
    store = location.open()
    found = MetaData()
    with store.read() as connection:
        found.reflect(connection)
    store.close()
    return {
        table.name: (
            {(column.name, str(column.type), column.nullable) for column in table.columns},
            [column.name for column in table.primary_key],
            {(tuple(column.name for column in index.columns), bool(index.unique)) for index in table.indexes},
            {(key.parent.name, key.target_fullname, key.ondelete) for key in table.foreign_keys},
        )
        for table in found.sorted_tables
    }


@pytest.fixture
def earlier(new_location: Place) -> Location:
    """A store as the first version made it: two projects with a run, and three blobs."""
    location = new_location()
    engine = engine_of(location)
    with engine.begin() as connection:
        run_script(connection, (VERSION_1 / f"{location.engine}.sql").read_text())
        run_script(connection, "INSERT INTO schema_version (version) VALUES (1);")
        install(connection, 1)
        run_script(connection, ROWS + BLOBS)
    engine.dispose()
    files = location.blobs_dir or Path(location.name) / "blobs"
    for sha256, content in ((KEPT, b"kept"), (SENT, b"sent"), (LOOSE, b"loose")):
        (files / sha256[:2]).mkdir(parents=True, exist_ok=True)
        (files / sha256[:2] / sha256).write_bytes(content)
    return location


def test_steps_lead_to_the_tables_that_a_new_store_gets(earlier: Location, new_location: Place) -> None:
    assert MIGRATIONS[-1].version == SCHEMA_VERSION
    assert description(earlier) == description(new_location())


def test_blobs_of_an_earlier_store_are_where_they_were(earlier: Location) -> None:
    services = earlier.services()
    caller = services.owner()
    home, other = (Recorder(services, caller, ProjectPath(caller.username, name)) for name in ("p101", "p102"))
    runs = {recorder: recorder.project.run("r") for recorder in (home, other)}

    def names(recorder: Recorder, sha256: str) -> bool:
        try:
            recorder.append(runs[recorder], artifacts=(ArtifactDraft(f"{sha256}.bin", sha256, 0),))
        except ValidationError:
            return False
        return True

    (file,) = services.artifacts.list_artifacts(caller, runs[home], PageRequest()).items
    assert b"".join(services.links.open_link(caller, file.url or "")) == b"kept"
    assert [names(home, sha256) for sha256 in (KEPT, SENT, LOOSE)] == [True, False, False]
    assert [names(other, sha256) for sha256 in (KEPT, SENT, LOOSE)] == [False, True, False]
    services.recording.put_blob(caller, home.project, io.BytesIO(b"loose"))
    assert names(home, LOOSE)
    home.append(runs[home], artifacts=(ArtifactDraft("kept.bin", LOOSE, 0), ArtifactDraft(f"{KEPT}.bin", LOOSE, 0)))
    assert names(home, KEPT), "what a project's runs referred to counts as stored there"
    services.close()


def test_configs_of_an_earlier_store_are_filtered_by_sections_and_lists(earlier: Location) -> None:
    configs = {201: '{"opt":{"lr":1},"layers":[64,128.0]}', 202: "{damaged"}
    engine = engine_of(earlier)
    with engine.begin() as connection:
        for run, config in configs.items():
            connection.exec_driver_sql(f"UPDATE runs SET config = '{config}' WHERE id = {run}")
        run_script(
            connection,
            "INSERT INTO run_configs (run_pk, key, kind, number, text) VALUES (201, 'opt.lr', 'num', 1, '1'), "
            "(201, 'layers', 'json', NULL, '[64,128.0]'), (202, 'seed', 'num', 1, '1');",
        )
    engine.dispose()
    store = earlier.open()
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT run_pk, key, kind, number, text FROM run_configs").all()
    store.close()
    assert sorted(map(tuple, rows)) == [
        (201, "layers", "json", 2.0, "[\n64\n128\n]"),
        (201, "opt", "sect", 1.0, None),
        (201, "opt.lr", "num", 1.0, "1"),
        (202, "seed", "num", 1.0, "1"),
    ]


def test_what_points_of_an_earlier_store_take_is_summed_up(earlier: Location) -> None:
    column = np.arange(3, dtype=np.int64)
    data = encode_chunk(Points(column, column, column.astype(np.float64)))
    held = f"X'{data.hex()}'" if earlier.engine == "sqlite" else f"'\\x{data.hex()}'"
    made = "INSERT INTO series (id, run_pk, key, context, name, column_class, column_type, created_at_ms, count, "
    made += "finite_count, chunk_count, last_kind, value_sum, value_sum_squares) VALUES "
    made += ", ".join(
        f"({number}, 201, 'k{number}', '', '', 'CUSTOM', '{kind}', 1, {count}, 0, {chunks}, 'num', 0, 0)"
        for number, kind, count, chunks in ((1, "FLOAT", 6, 2), (2, "FLOAT", 3, 1), (3, "IMAGE", 5, 0))
    )
    engine = engine_of(earlier)
    with engine.begin() as connection:
        rows = ", ".join(f"({number}, 3, 0, 2, 0, 2, {held})" for number in (1, 1, 2))
        columns = "series_id, count, min_step, max_step, min_time_ms, max_time_ms, data"
        run_script(connection, f"{made};\nINSERT INTO chunks ({columns}) VALUES {rows};")
    engine.dispose()
    store = earlier.open()
    with store.read() as connection:
        series = connection.exec_driver_sql("SELECT id, bytes FROM series ORDER BY id").all()
        runs = connection.exec_driver_sql("SELECT id, point_count, point_bytes FROM runs ORDER BY id").all()
    store.close()
    size = len(data)
    assert list(map(tuple, series)) == [(1, 2 * size), (2, size), (3, 0)]
    assert list(map(tuple, runs)) == [(201, 9, 3 * size), (202, 0, 0)]


def test_the_last_values_of_ended_runs_of_an_earlier_store_lie_in_their_rows(earlier: Location) -> None:
    made = "INSERT INTO series (run_pk, key, context, name, column_class, column_type, created_at_ms, count, "
    made += "finite_count, chunk_count, last_value, last_kind, value_sum, value_sum_squares) VALUES "
    made += ", ".join(
        f"({run}, '{key}', '{context}', '', 'CUSTOM', '{kind}', 1, {count}, 0, 0, {value}, 'num', 0, 0)"
        for run in (201, 202)
        for key, context, kind, count, value in (
            *(("x", "", "FLOAT", 1, 0.5), ("ö", "", "BOOLEAN", 1, "NULL"), ("x", '{"a":1}', "FLOAT", 1, 2)),
            *(("none", "", "FLOAT", 0, "NULL"), ("image", "", "IMAGE", 1, "NULL")),
        )
    )
    engine = engine_of(earlier)
    with engine.begin() as connection:
        run_script(connection, made)
        run_script(connection, "UPDATE runs SET state = 'ABORTED' WHERE id = 202")
    engine.dispose()
    store = earlier.open()
    with store.read() as connection:
        (row,) = connection.exec_driver_sql("SELECT id, latest FROM runs WHERE latest IS NOT NULL").all()
        found = read_latest(connection, [201, 202])
    store.close()
    assert tuple(row) == (202, '{"x":0.5,"ö":"NaN"}')
    assert [repr(sorted(values.items())) for values in found] == ["[('x', 0.5), ('ö', nan)]"] * 2


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ("UPDATE runs SET name = x'00' WHERE id = 201", "shown"),
        ("UPDATE series SET last_value = 'abc' WHERE run_pk = 201", "latest"),
        ("UPDATE series SET last_value = CAST(x'ff' AS TEXT) WHERE run_pk = 201", "latest"),
        ("UPDATE series SET last_value = x'00' WHERE run_pk = 201", "latest"),
        ("UPDATE series SET key = CAST(x'ff' AS TEXT) WHERE run_pk = 201", "latest"),
        ("UPDATE series SET key = x'ff' WHERE run_pk = 201", "latest"),
    ],
)
def test_a_damaged_run_keeps_no_earlier_store_from_being_opened(earlier: Location, damage: str, lost: str) -> None:
    if earlier.engine == "postgresql":  # whose columns hold what their types say
        return
    made = "INSERT INTO series (run_pk, key, context, name, column_class, column_type, created_at_ms, count, "
    made += "finite_count, chunk_count, last_value, last_kind, value_sum, value_sum_squares) VALUES "
    made += ", ".join(f"({run}, 'x', '', '', 'CUSTOM', 'FLOAT', 1, 1, 0, 0, 0.5, 'num', 0, 0)" for run in (201, 202))
    engine = engine_of(earlier)
    with engine.begin() as connection:
        run_script(connection, f"{made};\nUPDATE runs SET state = 'FINISHED';\n{damage};")
    engine.dispose()
    store = earlier.open()
    with store.read() as connection:
        statement = "SELECT id, latest IS NULL, shown IS NULL FROM runs ORDER BY id"
        found = list(map(tuple, connection.exec_driver_sql(statement).all()))
    store.close()
    assert found == [(201, lost == "latest", lost == "shown"), (202, False, False)]


def test_what_the_version_before_kept_for_listings_is_made_anew(new_location: Place) -> None:
    """It lay in another table, and in another form."""
    location = new_location()
    services = location.services()
    caller = services.owner()
    project = ProjectPath(caller.username, "p")
    query = RunQuery(RunSelection(project.workspace, project.project))
    states: tuple[RunState, ...] = ("FINISHED", "RUNNING")
    for state in states:
        draft = RunDraft(project, id=state.lower(), state=state, create_project=True)
        run, _ = services.runs.create_run(caller, draft)
        services.recording.append(caller, Batch(run.path, (line("x", 3),)))
    told = services.runs.list_runs(caller, query).items
    services.close()
    engine = engine_of(location)
    with engine.begin() as connection:
        run_script(
            connection,
            """
ALTER TABLE runs DROP COLUMN latest;
ALTER TABLE runs DROP COLUMN shown_as_of_ms;
CREATE TABLE run_latest (run_pk BIGINT NOT NULL, data TEXT NOT NULL);
INSERT INTO run_latest SELECT id, '{"x":7}' FROM runs WHERE state = 'FINISHED';
UPDATE runs SET shown = '{1,1,"state":"FINISHED","id":"another"' WHERE state = 'FINISHED';
DELETE FROM schema_version;
INSERT INTO schema_version (version) VALUES (14);
""",
        )
    engine.dispose()
    services = location.services()
    with services.store.read() as connection:
        kept = connection.exec_driver_sql("SELECT run_id, latest, substr(shown, 1, 12) FROM runs ORDER BY run_id").all()
    assert services.runs.list_runs(caller, query).items == told
    services.close()
    assert list(map(tuple, kept)) == [("finished", '{"x":2.0}', '{"workspace"'), ("running", None, None)]

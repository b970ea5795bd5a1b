"""A report on runs as it is in hand: what it shows, and the files that it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import arro3.io

from runatlas.charts.chart import Chart
from runatlas.display.graphic import figure, picture
from runatlas.display.markup import Html, joined
from runatlas.display.shown import Shown
from runatlas.entities.argument import text
from runatlas.entities.report_spec import ReportSpec
from runatlas.errors import ValidationError
from runatlas.file_access import replaceable, replacing
from runatlas.model.codec import with_float_texts
from runatlas.reports.cells import PARQUET_KEY, about_text, make_cells, make_table_seal, pack_table
from runatlas.reports.content import Content
from runatlas.reports.document import make_latex, make_markdown, marks_of, put_between
from runatlas.reports.page import make_page, show_content
from runatlas.reports.seal import holds_seal
from runatlas.reports.sheet import cell_text, write_sheet
from runatlas.statistics.aggregate import AggregateTable
from runatlas.statistics.estimate import Estimate
from runatlas.tables.csv import write_csv
from runatlas.tables.value import ValueTable
from runatlas.terminal import counted

__all__ = ["Report"]


class Report(Shown):
    """A report on runs, as they were when it was made.

    A notebook shows it. All files but CSV carry what it takes to check them: ``api.check_report(path)`` and
    ``runatlas report --check`` compute all again; of CSV they are given the spec. The best value of a column is bold
    whose metric has a goal (``project.define_metric``, or ``goal`` of the column), and of groups each whose centre lies
    within the interval of the best one.

    Attributes:
        spec: What it was asked for.
        table: Its rows: exact numbers, for pandas, Polars and Arrow.
        content: What it says: columns, rows, notes and charts, from which pages and documents are written.
        notes: What its numbers are, and what is left out.
        fingerprint: Changes with anything that was read.
    """

    def __init__(
        self, spec: ReportSpec, content: Content, table: ValueTable | AggregateTable, charts: Sequence[Chart] = ()
    ) -> None:
        self.spec = spec
        self.table = table
        self.notes = content.notes
        self.content = content
        self._charts = tuple(charts)

    @property
    def fingerprint(self) -> str:
        """Changes with anything that was read: with runs, their values, and what was asked."""
        return self.content.fingerprint

    def to_html(self, path: str | Path | None = None) -> str:
        """Write one page of HTML that needs nothing else: no script, no request, charts within it.

        Args:
            path: A file to write; one that was written before is replaced when all of it is written.

        Returns:
            The file's path, or the page itself if no path was given.

        Raises:
            OSError: The file cannot be written.
            ValidationError: There is a file that is no report.
        """
        return _written(make_page(self.content), path)

    def to_markdown(self, path: str | Path | None = None, *, name: str | None = None) -> str:
        """Write a table of Markdown.

        Args:
            path: A file to write; without ``name`` one that was written before is replaced.
            name: The name of two markers in that file: only what is between them is replaced, all of it or nothing.

        Returns:
            The file's path, or the text itself if no path was given.

        Raises:
            OSError: The file cannot be written.
            ValidationError: The file lacks the markers, or has some and no ``name`` is given, or is no report.
            ValueError: ``name`` cannot be one.
        """
        made = make_markdown(self.content)
        if path is None:
            return made
        place = Path(path)
        if name is not None:
            put_between(replaceable(place), text(name, "name"), made)
            return str(path)
        if place.is_file() and (known := marks_of(place)):
            raise ValidationError(
                f"{place} holds other things around the markers {', '.join(known)}, which would be lost; "
                f"say which ones the report goes between, such as name={known[0]!r}"
            )
        return _written(made, path, ", or the name of two markers in it that the report goes between")

    def to_latex(self, path: str | Path | None = None) -> str:
        """Write a table for LaTeX with the package booktabs.

        Args:
            path: A file to write; one that was written before is replaced when all of it is written.

        Returns:
            The file's path, or the text itself if no path was given.

        Raises:
            OSError: The file cannot be written.
            ValidationError: There is a file that is no report.
        """
        return _written(make_latex(self.content), path)

    def to_csv(self, path: str | Path | None = None, *, exact: bool = False) -> str:
        """Write CSV text: every row and every digit; see ``table.to_csv``. A check of it takes the spec.

        Args:
            path: A file to write; it is replaced when all of it is written.
            exact: Whether texts are written as they are, also those that a spreadsheet would run.

        Returns:
            The file's path, or the text itself if no path was given.

        Raises:
            OSError: The file cannot be written.
        """
        return _saved(lambda file: write_csv(self.table.to_arrow(), file, exact=exact), path)

    def to_parquet(self, path: str | Path) -> str:
        """Write a Parquet file: every row and every digit.

        Args:
            path: The file; it is replaced when all of it is written.

        Returns:
            The file's path.

        Raises:
            OSError: The file cannot be written.
        """
        table = self.table.to_arrow()
        told = {PARQUET_KEY: pack_table(make_table_seal(self.content, make_cells(table, "parquet")))}
        return _saved(lambda file: arro3.io.write_parquet(table, file, key_value_metadata=told), path)

    def to_xlsx(self, path: str | Path) -> str:
        """Write an Excel file: every row and every digit, times in UTC as their heads say, and no text is a formula.

        Args:
            path: The file; it is replaced when all of it is written.

        Returns:
            The file's path.

        Raises:
            ImportError: XlsxWriter is not installed.
            OSError: The file cannot be written.
            ValidationError: It has more rows or columns than Excel takes.
        """
        table = self.table.to_arrow()
        notes = {f"note {place}": note for place, note in enumerate(self.notes, start=1)}
        told = {"title": self.spec.title, **self.content.facts, **notes}
        about = {name: cell_text(said) for name, said in told.items()}
        seal = pack_table(make_table_seal(self.content, make_cells(table, "xlsx")), about_text(about.items()))
        return _saved(lambda file: write_sheet(table, file, about=about, seal=seal), path)

    def json(self) -> dict[str, Any]:
        """Return it as plain values: what was asked, what is to be known of it, and every row."""
        content = self.content
        return {
            "title": content.title,
            "spec": self.spec.plain(),
            "facts": dict(content.facts),
            "notes": list(content.notes),
            "fingerprint": self.fingerprint,
            "columns": [column.name for column in content.columns],
            "rows": [[with_float_texts(_plain(value)) for value in row.values] for row in content.rows],
        }

    def _show(self) -> Html:
        drawn = (
            figure(picture(chart.to_png(), "image/png", spec.title, width="100%"), spec.title)
            for spec, chart in zip(self.spec.charts, self._charts, strict=True)
        )
        return joined(show_content(self.content), *drawn)

    def __repr__(self) -> str:
        rows, columns = len(self.content.rows), len(self.content.columns)
        return f"<Report {self.spec.title!r}: {counted(rows, 'row')} x {counted(columns, 'column')}>"


def _plain(value: Any) -> Any:
    if not isinstance(value, Estimate):
        return value
    return {"center": value.center, "low": value.low, "high": value.high, "n": value.n, "values": list(value.values)}


def _written(made: str, path: str | Path | None, way_out: str = "") -> str:
    """Write a document in the place of nothing, or of a report: a paper or a README is not replaced."""
    if path is not None and (place := Path(path)).is_file() and place.stat().st_size and not holds_seal(place):
        raise ValidationError(f"{place} is there, is no report, and would be lost; give another path{way_out}")
    return made if path is None else _saved(lambda file: file.write(made.encode(errors="replace")), path)


def _saved(write: Callable[[BinaryIO], object], path: str | Path | None) -> str:
    """Write a file whole or not at all; without a path return its text."""
    if path is None:
        buffer = BytesIO()
        write(buffer)
        return buffer.getvalue().decode()
    with replacing(replaceable(Path(path))) as file:
        write(file)
    return str(path)

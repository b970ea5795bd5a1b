"""Bulk answers as tables: columns, how complete they are, and the ways out to other tools."""

from __future__ import annotations

from runatlas.tables.frame import Frame
from runatlas.tables.metric import MetricTable
from runatlas.tables.query import QueryTable
from runatlas.tables.run import RunTable
from runatlas.tables.series import Point, Series
from runatlas.tables.statistic import Statistics, SummaryItem
from runatlas.tables.wide_table import WideTable

__all__ = [
    "Frame",
    "MetricTable",
    "Point",
    "QueryTable",
    "RunTable",
    "Series",
    "Statistics",
    "SummaryItem",
    "WideTable",
]

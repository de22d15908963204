"""Tasks with a button in Airflow's UI that opens what their run left to read, and the addresses of such pages."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import quote

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator  # what @task makes
from airflow.sdk.bases.decorator import task_decorator_factory
from airflow.sdk.bases.operatorlink import BaseOperatorLink

from clearlane_airflow.connections import public_url

PAGES = "/clearlane/data-docs"


def page(dag_id: str, run_id: str) -> str:
    """Where Airflow's UI shows what a run left to read."""
    return address(PAGES, dag_id, quote(run_id, safe=""))


def file_page(dag_id: str, batch_id: str, name: str) -> str:
    """Where Airflow's UI shows one file of a run."""
    return address(PAGES, dag_id, "pages", batch_id, name)


def address(*parts: str) -> str:
    """An address of Airflow's UI: absolute where CLEARLANE_URL says where people reach it."""
    return (public_url() or "").rstrip("/") + "/".join(parts)


class ReportLink(BaseOperatorLink):
    """A button at the task: the page of the run."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return page(ti_key.dag_id, ti_key.run_id)


class DataDocsLink(ReportLink):
    """The same at a task that judges."""

    name = "Data Docs"


class _Reporting(_PythonDecoratedOperator):
    """The button stands under Details; the log, which opens first, ends with the same address."""

    operator_extra_links: Collection[ReportLink] = (ReportLink(),)

    def execute(self, context: Any) -> Any:
        try:
            return super().execute(context)
        finally:
            run = context["dag_run"]
            self.log.info("To read what came of it: %s", page(run.dag_id, run.run_id))


class _Judging(_Reporting):
    operator_extra_links = (DataDocsLink(),)


judging_task = partial(task_decorator_factory, decorated_operator_class=_Judging)
reporting_task = partial(task_decorator_factory, decorated_operator_class=_Reporting)

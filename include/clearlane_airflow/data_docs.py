"""What a run left to read, inside Airflow's UI, for who may see the DAG: what quality said of it, or its report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from clearlane import policy
from clearlane.ledger import ids
from clearlane.quality.of_run import of_run
from clearlane.review import judged
from clearlane_airflow.connections import data_docs_folder, ledger

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
MAY_READ = [Depends(requires_access_dag(method="GET"))]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""a page runs no script and loads nothing from elsewhere"""


@app.get("/{dag_id}/{run_id}", dependencies=MAY_READ)
def of_a_run(dag_id: str, run_id: str) -> Response:
    """What quality said of the run; of a run that judged nothing its report, the newest where it wrote several."""
    batch_id = ids.batch_id(dag_id, run_id)
    kept = _kept(batch_id)
    page = _judged(batch_id, [_address(dag_id, folder) for folder in kept])
    if page:
        return HTMLResponse(page, headers=HEADERS)
    if kept:
        return RedirectResponse(_address(dag_id, kept[-1]))
    return HTMLResponse(_NOTHING, 404, headers=HEADERS)


@app.get("/{dag_id}/pages/{run}/{page:path}", dependencies=MAY_READ)
def page(dag_id: str, run: str, page: str) -> FileResponse:
    """One file of the Data Docs; nothing outside their folder."""
    root = data_docs_folder().resolve()
    file = (root / run / page).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise HTTPException(404, "There is no such page.")
    return FileResponse(file, headers=HEADERS)


def _kept(batch_id: UUID) -> list[Path]:
    """The folders of a run, the newest last: one that was judged again keeps the earlier pages too."""
    return sorted(data_docs_folder().glob(f"{batch_id}*"), key=lambda path: path.stat().st_mtime)


def _address(dag_id: str, folder: Path) -> str:
    return f"../{dag_id}/pages/{folder.name}/index.html"


def _judged(batch_id: UUID, checks: list[str]) -> str | None:
    """The page of what quality said, None where it said nothing or the ledger cannot be asked."""
    try:
        with ledger().connect() as connection:
            in_force = policy.in_force(connection, datetime.now(UTC))
            told = of_run(connection, batch_id, policy.stored(connection, in_force).sources)
    except (SQLAlchemyError, LookupError):
        return None
    return judged.page(told, checks) if told.records or told.findings else None


_NOTHING = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Nothing to read</title></head><body>'
    "<p>This run has nothing to read here: it had no record to judge, wrote no report, or has not come so far, or its"
    " pages were removed because of their age.</p></body></html>"
)

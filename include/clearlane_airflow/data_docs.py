"""Great Expectations' Data Docs of each run, inside Airflow's UI, for those who may see the DAG."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, RedirectResponse

from clearlane.ledger import ids
from clearlane_airflow.connections import data_docs_folder

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
MAY_READ = [Depends(requires_access_dag(method="GET"))]


@app.get("/{dag_id}/{run_id}", dependencies=MAY_READ)
def newest(dag_id: str, run_id: str) -> RedirectResponse:
    """To the newest Data Docs of a run: a run that was judged again keeps the earlier ones too."""
    kept = sorted(
        data_docs_folder().glob(f"{ids.batch_id(dag_id, run_id)}*"), key=lambda path: path.stat().st_mtime
    )
    if not kept:
        raise HTTPException(404, "This run has no Data Docs: its quality task has not judged anything yet.")
    return RedirectResponse(f"../{dag_id}/pages/{kept[-1].name}/index.html")


@app.get("/{dag_id}/pages/{run}/{page:path}", dependencies=MAY_READ)
def page(dag_id: str, run: str, page: str) -> FileResponse:
    """One file of the Data Docs; nothing outside their folder."""
    root = data_docs_folder().resolve()
    file = (root / run / page).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise HTTPException(404, "There is no such page.")
    return FileResponse(file)

"""Whether the pipeline keeps its promises, for a monitor that asks by HTTP: 200, or 503 with what is wrong.

It asks nobody who he is: the answer holds keys of findings (`run.lead_flow`) and nothing else.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from clearlane_airflow.connections import ledger

KEPT = 10.0  # seconds for which an answer holds, however many ask

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/alive")
def alive() -> JSONResponse:
    wrong = _wrong(int(time.monotonic() / KEPT))
    return JSONResponse({"alive": not wrong, "wrong": wrong}, status_code=503 if wrong else 200)


@lru_cache(maxsize=1)
def _wrong(_: int) -> list[str]:
    """Keys of what is wrong; a ledger that does not answer is wrong by itself."""
    from sqlalchemy.exc import DBAPIError

    from clearlane import steps

    try:
        return list(steps.broken_promises(ledger(), datetime.now(UTC)))
    except DBAPIError:
        return ["ledger"]

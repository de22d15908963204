"""The FastAPI app of the answer pages; a forged, expired or outlived link gets a page that says so, and no more."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from clearlane import policy
from clearlane.policy.model import Policy
from clearlane.route.byhand import NotPossible
from clearlane.sla import answers, links
from clearlane_airflow import connections
from clearlane_airflow.answers import pages

log = logging.getLogger(__name__)
MOST: Final = 4_096
"""bytes of a form"""

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.api_route("/", methods=["GET", "HEAD"])
def show(token: str = "") -> Response:
    """Where the question of a link stands. In a transaction that cannot write."""
    at = datetime.now(UTC)
    link = links.read(connections.link_secrets(), token, at)
    with connections.ledger().connect() as connection:
        reading = connection.execution_options(postgresql_readonly=True)
        now = answers.standing(reading, token, link)
        return pages.standing(now, link, _in_force(reading, at))


@app.post("/")
def say(token: str = "", reason: Annotated[str, Form()] = "") -> Response:
    """Answer as the link says; then the page that shows it, which may be loaded again."""
    at = datetime.now(UTC)
    link = links.read(connections.link_secrets(), token, at)
    with connections.ledger().begin() as connection:
        in_force = _in_force(connection, at)
        try:
            answers.answer(connection, in_force, token, link, reason, at)
        except NotPossible:
            now = answers.standing(connection, token, link)
            return pages.standing(now, link, in_force, unsaid=True)
    return RedirectResponse(links.query(token), status_code=303)


def _in_force(connection: Connection, at: datetime) -> Policy:
    return policy.stored(connection, policy.in_force(connection, at))


@app.middleware("http")
async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Nothing large comes in, and no page is kept, framed, indexed or told to the next site."""
    response = pages.too_large() if _large(request) else await call_next(request)
    response.headers.update(pages.HEADERS)
    return response


def _large(request: Request) -> bool:
    told = request.headers.get("content-length", "0")
    return "transfer-encoding" in request.headers or not told.isdigit() or int(told) > MOST


@app.exception_handler(links.NotValid)
@app.exception_handler(RequestValidationError)
async def not_valid(request: Request, error: Exception) -> Response:
    return pages.not_valid()


@app.exception_handler(links.Expired)
async def expired(request: Request, error: Exception) -> Response:
    return pages.expired()


@app.exception_handler(SQLAlchemyError)
@app.exception_handler(LookupError)
async def not_now(request: Request, error: Exception) -> Response:
    """The ledger is away, or routing is at it for long; nothing was answered."""
    log.warning("an answer could not be read or kept: %s", type(error).__name__)
    return pages.not_now()

"""Salesforce's fake held against the descriptions of its REST and Bulk APIs, where these are at hand.

They say some things otherwise than the vendor's developer guides, which win: a query is a GET there (a POST in the
description), refusals are lists of errors (one error in the description). So queries are held by their answers, and
refusals are not held.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from .local_server import Asked, Reply
from .salesforce_server import VERSION

HOST = "https://acme.my.salesforce.com"
FILES = {
    "query.yml": VERSION,
    "composite.yml": VERSION,
    "sobjects.yml": VERSION,
    "limits.yml": VERSION,
    "bulk-api-2-original.yml": f"{VERSION}/jobs",
}


def descriptions(folder: Path) -> list[OpenAPI]:
    """One of each file, at the address that the developer guides give; the files all name that of bulk jobs."""
    return [_description(folder / name, path) for name, path in FILES.items()]


def _description(file: Path, path: str) -> OpenAPI:
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    said["servers"] = [{"url": f"{HOST}{path}"}]
    said["paths"] = {name: one for name, one in said["paths"].items() if not name.startswith("/data/")}
    if file.name == "query.yml":
        said["paths"]["/query"]["get"] = _asked_by_address(said["paths"]["/query"]["post"])
        said["paths"]["/queryAll"] = copy.deepcopy(said["paths"]["/query"])
    config = Config(spec_validator_cls=None, extra_media_type_deserializers={"text/csv": bytes.decode})
    return OpenAPI.from_dict(said, config=config)


def _asked_by_address(post: dict[str, Any]) -> dict[str, Any]:
    q = {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}
    return {"parameters": [q], "responses": copy.deepcopy(post["responses"])}


@dataclass
class Held:
    """Answers as the fake does and keeps what differs from the descriptions."""

    answer: Callable[[Asked], Reply]
    said: list[OpenAPI]
    differing: list[str] = field(default_factory=list)
    held: int = 0

    def __call__(self, asked: Asked) -> Reply:
        reply = self.answer(asked)
        if self.said and asked.path.startswith(VERSION) and not reply.cut and reply.parts is None:
            self._hold(asked, reply)
        return reply

    def _hold(self, asked: Asked, reply: Reply) -> None:
        # openapi-core knows no path without its slash at the end; Salesforce answers both.
        kind = asked.headers.get("Content-Type", "application/json")
        request = MockRequest(
            HOST, asked.method.lower(), asked.path.rstrip("/"), args=dict(asked.query),
            headers=dict(asked.headers.items()), data=asked.body or None, content_type=kind,
        )  # fmt: skip
        found = [_differs(one, request, reply) for one in self.said]
        self.held += 1
        if all(found):
            self.differing.append(f"{asked.method} {asked.path}: {[one for one in found if one != UNKNOWN]}")


UNKNOWN = "unknown path"


def _differs(said: OpenAPI, request: MockRequest, reply: Reply) -> str | None:
    try:
        said.validate_request(request)
        if reply.status < 300:
            said.validate_response(request, _response(reply))
    except OpenAPIError as error:
        inner = getattr(error.__cause__, "schema_errors", error.__cause__)
        return UNKNOWN if "Path" in type(error).__name__ else f"{error!r} {inner!r}"
    return None


def _response(reply: Reply) -> MockResponse:
    raw = isinstance(reply.body, bytes)
    kind = reply.headers.get("Content-Type", "application/json")
    return MockResponse(
        reply.body if raw else json.dumps(reply.body).encode(), reply.status, content_type=kind
    )  # type: ignore[arg-type]

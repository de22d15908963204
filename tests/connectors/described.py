"""A fake held against its vendor's description: each request that is asked and each reply that is given."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.testing import MockRequest, MockResponse

from .local_server import Asked, Reply


@cache
def description(path: Path) -> OpenAPI:
    """A description, as it stands: those of third parties are not always valid themselves."""
    said = json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())
    return OpenAPI.from_dict(_tidied(said), config=Config(spec_validator_cls=None))


def _tidied(said: Any) -> Any:
    """What must be, and no more: some defaults are of no allowed value, and alternatives made of samples overlap."""
    if isinstance(said, dict):
        kept = {name: one for name, one in said.items() if name != "default" or isinstance(one, dict)}
        return {"anyOf" if name == "oneOf" else str(name): _tidied(one) for name, one in kept.items()}
    return [_tidied(one) for one in said] if isinstance(said, list) else said


def described(
    answer: Callable[[Asked], Reply], file: str, host: str, beyond: Sequence[str] = ()
) -> Described:
    """The fake held against its vendor's description, which is no part of the project: where that is at hand."""
    named = os.environ.get("CLEARLANE_SHARED_SPECS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "specs"
    said = description(folder / file) if (folder / file).is_file() else None
    return Described(answer, said, host, beyond)


@dataclass
class Described:
    """Answers as `answer` does; what differs from the description is kept in `problems`.

    `host` is the server that the description names. `beyond`: patterns of `METHOD /path` that it leaves out.
    Without a description only the behaviour is tested.
    """

    answer: Callable[[Asked], Reply]
    said: OpenAPI | None
    host: str
    beyond: Sequence[str] = ()
    problems: list[str] = field(default_factory=list)
    checked: int = 0

    def __call__(self, asked: Asked) -> Reply:
        reply = self.answer(asked)
        if self.said and not self._is_beyond(asked):
            self._hold(asked, reply)
        return reply

    def _is_beyond(self, asked: Asked) -> bool:
        return any(re.fullmatch(one, f"{asked.method} {asked.path}") for one in self.beyond)

    def _hold(self, asked: Asked, reply: Reply) -> None:
        assert self.said
        request = MockRequest(
            self.host,
            asked.method.lower(),
            asked.path,
            args=dict(asked.query),
            headers=dict(asked.headers),
            data=asked.body or None,
            content_type=asked.headers.get("Content-Type", "application/json"),
        )
        try:
            self.said.validate_request(request)
            self.checked += 1
            if reply.status < 400 and not isinstance(reply.body, bytes) and not reply.cut:
                self.said.validate_response(request, _response(reply))
        except PathError:
            self.problems.append(f"{asked.method} {asked.path} is not described")
        except OpenAPIError as error:
            self.problems.append(f"{asked.method} {asked.path}: {error!r} {error.__cause__!r}")


def _response(reply: Reply) -> Any:
    body = b"" if reply.status == 204 else json.dumps(reply.body).encode()
    return MockResponse(body, status_code=reply.status, content_type="application/json")

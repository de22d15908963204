"""The `rest` section of a source in sources.yaml: a JSON interface, described.

Texts of paths, parameters and bodies may hold placeholders in braces; a parameter or member whose placeholder has
no value is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import Field

from clearlane.policy.document import Document
from clearlane.policy.model import PUSHED, Rest, RestAuth, RestPages, RestRead, RestWrite
from clearlane.policy.problems import Path, nearest
from clearlane.policy.shapes import Shape, Zone

PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_OF_READS: Final = ("start", "end")
_OF_WRITES: Final = ("external_id", "idempotency_key", "object", "fields", *PUSHED)

_AUTH: Final[Mapping[str, tuple[set[str], set[str]]]] = {
    "none": (set(), set()),
    "bearer": (set(), set()),
    "basic": (set(), set()),
    "header": ({"name"}, {"prefix"}),
    "query": ({"name"}, set()),
    "oauth2": ({"token_address"}, {"scope", "basic"}),
}
_PAGES: Final[Mapping[str, tuple[set[str], set[str]]]] = {
    "none": (set(), set()),
    "offset": ({"name", "limit"}, {"limit_name", "at"}),
    "number": ({"name"}, {"limit", "limit_name", "at", "first"}),
    "token": ({"name", "at"}, {"limit", "limit_name"}),
    "link": (set(), {"limit", "limit_name", "at"}),
    "last": ({"name", "key", "limit"}, {"limit_name"}),
}
"""by -> (what it needs, what it may have)"""


class AuthShape(Shape):
    by: Literal["none", "bearer", "basic", "header", "query", "oauth2"]
    name: str = ""
    prefix: str = ""
    token_address: str = ""
    scope: str | None = None
    basic: bool = False


class PagesShape(Shape):
    by: Literal["none", "offset", "number", "token", "link", "last"]
    name: str = ""
    limit: int | None = Field(default=None, ge=1)
    limit_name: str = "limit"
    at: str | None = None
    first: int = Field(default=1, ge=0)
    key: str = ""


class ReadShape(Shape):
    path: str
    records: str = ""
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = Field(default={})
    body: Any = None
    pages: PagesShape | None = None
    moments: str = "iso"
    zone: Zone = "UTC"


class WriteShape(Shape):
    path: str
    method: Literal["POST", "PUT", "PATCH"] = "PATCH"
    headers: dict[str, str] = Field(default={})
    body: Any = "{fields}"
    read_back: str | None = None
    record: str = ""


class RestShape(Shape):
    auth: AuthShape = AuthShape(by="none")
    headers: dict[str, str] = Field(default={})
    check: str | None = None
    pages: PagesShape = PagesShape(by="none")  # of reads that say nothing of their own
    reads: dict[str, ReadShape] = Field(default={})
    writes: dict[str, WriteShape] = Field(default={})


def built(shape: RestShape) -> Rest:
    return Rest(
        auth=RestAuth(**shape.auth.model_dump()),
        headers=shape.headers,
        check=shape.check,
        reads={name: _read(read, shape.pages) for name, read in shape.reads.items()},
        writes={name: RestWrite(**write.model_dump()) for name, write in shape.writes.items()},
    )


def _read(shape: ReadShape, pages: PagesShape) -> RestRead:
    said = shape.model_dump(exclude={"pages"})
    return RestRead(**said, pages=RestPages(**(shape.pages or pages).model_dump()))


def check(
    document: Document, here: Path, shape: RestShape, reads: Mapping[Path, str], push: str | None
) -> None:
    """Report what is missing or unknown; `reads`: where objects and look-ups name one of `shape.reads`."""
    check_auth(document, (*here, "auth"), shape.auth)
    _check_style(document, (*here, "pages"), shape.pages, _PAGES)
    for name, read in shape.reads.items():
        if read.pages:
            _check_style(document, (*here, "reads", name, "pages"), read.pages, _PAGES)
    for path, named in reads.items():
        _check_known(document, path, named, shape.reads)
    if push is not None:
        _check_known(document, (*here[:-1], "push"), push, shape.writes)
    for path, text, allowed in _templates(here, shape):
        _check_placeholders(document, path, text, allowed)


def check_auth(document: Document, here: Path, shape: AuthShape) -> None:
    """Report what a way of telling who asks lacks, or cannot have."""
    _check_style(document, here, shape, _AUTH)
    if shape.by == "oauth2" and not shape.token_address.startswith(("https://", "/")):
        path = (*here, "token_address")
        document.report(
            path, shape.token_address, "https://HOST/PATH, or a /PATH of the source: it gets secrets"
        )


def _check_style(document: Document, here: Path, shape: AuthShape | PagesShape, styles: Any) -> None:
    needed, possible = styles[shape.by]
    given = shape.model_fields_set - {"by"}
    for name in sorted(needed - given):
        document.report(here, "nothing", f"{name} is required by {shape.by}")
    for name in sorted(given - needed - possible):
        allowed = ", ".join(sorted(needed | possible)) or "nothing more"
        document.report((*here, name), f"the name {name}", f"allowed by {shape.by}: {allowed}")


def _check_known(document: Document, path: Path, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        document.report(path, name, f"one of {', '.join(known) or 'none yet'}", nearest(name, known))


def _templates(here: Path, shape: RestShape) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    for name, read in shape.reads.items():
        at = (*here, "reads", name)
        yield (*at, "path"), read.path, ()
        for part, template in (("params", read.params), ("body", read.body)):
            yield from (((*at, part), text, _OF_READS) for text in texts(template))
    for name, write in shape.writes.items():
        at = (*here, "writes", name)
        for part, template in (("headers", write.headers), ("body", write.body)):
            yield from (((*at, part), text, _OF_WRITES) for text in texts(template))
        yield (*at, "path"), write.path, ("external_id",)
        yield (*at, "read_back"), write.read_back or "", ("external_id",)


def texts(template: Any) -> Iterator[str]:
    """All texts in a template, however deep."""
    inner = (
        template.values() if isinstance(template, Mapping) else template if isinstance(template, list) else ()
    )
    for one in inner:
        yield from texts(one)
    if isinstance(template, str):
        yield template


def _check_placeholders(document: Document, path: Path, text: str, allowed: tuple[str, ...]) -> None:
    for name in PLACEHOLDER.findall(text):
        if name not in allowed:
            known = ", ".join(f"{{{one}}}" for one in allowed) or "no placeholder"
            document.report(path, f"{{{name}}}", f"allowed here: {known}", nearest(name, allowed))

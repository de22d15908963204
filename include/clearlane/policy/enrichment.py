"""The `enrichment` section of sources.yaml: providers that are asked over the network, their budget, age and patience.

A provider that `precedence` names and no section describes has the defaults of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import Field

from clearlane.policy.document import Document
from clearlane.policy.model import (
    Enrichment,
    JsonAsk,
    JsonValue,
    Limits,
    PaidProvider,
    ProviderKind,
    Rate,
    RestAuth,
)
from clearlane.policy.problems import Path, nearest
from clearlane.policy.rest import PLACEHOLDER, AuthShape, check_auth, texts
from clearlane.policy.shapes import Brief, Duration, RateText, Shape

BY: Final[Mapping[str, tuple[str, ...]]] = {
    "sixsense": ("email", "country"),
    "apollo_person": ("email",),
    "apollo_company": ("domain",),
    "json": (),
}
"""kind -> what must be known of a lead to ask about it, where `by` says nothing"""
IN_PATHS: Final = ("email", "domain")
"""what a path may hold: of other attributes a log could not tell that they are a person's"""
RATES: Final[Mapping[str, Rate]] = {"sixsense": Rate(100, 60)}
"""kind -> requests that the vendor allows a token (api.6sense.com/docs, rate limits), where `rate` says nothing"""
OFFLINE: Final = ("mail_domain", "job_title", "phone_country", "domain_country", "zone")
_TAKEN: Final = ("lead", "account", "ledger", *OFFLINE)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


class ValueShape(Shape):
    at: str
    type: Literal["text", "number", "boolean"] = "text"
    values: dict[str, str] = Field(default={})


class AskShape(Shape):
    path: str
    attributes: dict[str, str | ValueShape] = Field(min_length=1)
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = Field(default={})
    headers: dict[str, str] = Field(default={})
    body: Any = None
    auth: AuthShape = AuthShape(by="none")
    record: str = ""
    unknown: list[int] = Field(default=[404])
    confidence: str | float = 1.0


class ProviderShape(Shape):
    kind: ProviderKind
    address: str | None = None  # the connection of its name
    by: list[str] | None = None
    budget: int = Field(default=PaidProvider.budget, ge=0)
    age: Duration = PaidProvider.age
    unknown_age: Duration = PaidProvider.unknown_age
    ages: dict[str, Duration] = Field(default={})
    missing: list[str] = Field(default=[])
    timeout: Brief = PaidProvider.timeout
    least: float = Field(default=PaidProvider.least, ge=0, le=1)
    required: bool = False
    rate: RateText | None = None
    concurrent: int = Field(default=Limits.concurrent, ge=1, le=32)
    failures: int = Field(default=Limits.failures, ge=1)
    rest: Duration = Limits.rest
    json_: AskShape | None = Field(default=None, alias="json")


class EnrichmentShape(Shape):
    deadline: Brief = Enrichment.deadline
    providers: dict[str, ProviderShape] = Field(default={})


def built(shape: EnrichmentShape, named: Collection[str]) -> Enrichment:
    """`named`: the layers that `precedence` names."""
    kinds: tuple[ProviderKind, ...] = ("sixsense",)
    implied: dict[str, ProviderShape] = {kind: ProviderShape(kind=kind) for kind in kinds if kind in named}
    providers = {**implied, **shape.providers}
    return Enrichment(shape.deadline, {name: _provider(name, one) for name, one in providers.items()})


def _provider(name: str, shape: ProviderShape) -> PaidProvider:
    return PaidProvider(
        name=name,
        kind=shape.kind,
        address=shape.address or f"connection:{name}",
        by=_by(shape),
        budget=shape.budget,
        age=shape.age,
        unknown_age=shape.unknown_age,
        ages=shape.ages,
        missing=tuple(shape.missing),
        timeout=shape.timeout,
        least=shape.least,
        required=shape.required,
        limits=Limits(
            rate=shape.rate or RATES.get(shape.kind),
            concurrent=shape.concurrent,
            failures=shape.failures,
            rest=shape.rest,
        ),
        json=_asked(shape.json_) if shape.json_ else None,
    )


def _by(shape: ProviderShape) -> tuple[str, ...]:
    if shape.by is not None:
        return tuple(shape.by)
    in_path = PLACEHOLDER.findall(shape.json_.path) if shape.json_ else ()
    return BY[shape.kind] or tuple(dict.fromkeys(in_path))


def _asked(shape: AskShape) -> JsonAsk:
    said = {name: getattr(shape, name) for name in ("path", "method", "params", "headers", "body", "record")}
    values = {
        name: JsonValue(value) if isinstance(value, str) else JsonValue(value.at, value.type, value.values)
        for name, value in shape.attributes.items()
    }
    auth = RestAuth(**shape.auth.model_dump())
    return JsonAsk(
        **said, attributes=values, auth=auth, unknown=tuple(shape.unknown), confidence=shape.confidence
    )


# --- what cannot be ---------------------------------------------------------------------------


def check(document: Document, shape: EnrichmentShape, sources: Collection[str]) -> None:
    """Report names that are taken, and requests that could not be sent, or not in time."""
    for name, one in shape.providers.items():
        here: Path = ("enrichment", "providers", name)
        if name in (*_TAKEN, *sources) or not _NAME.fullmatch(name):
            document.report(here, name, "a name in small letters that no source or other layer has")
        if one.timeout >= shape.deadline:
            allowed = f"less than the deadline of {shape.deadline / timedelta(seconds=1):g} seconds"
            document.report((*here, "timeout"), f"{one.timeout / timedelta(seconds=1):g} seconds", allowed)
        if (one.json_ is None) == (one.kind == "json"):
            found = "a `json` section" if one.json_ else "the kind json"
            document.report((*here, "kind"), found, "kind: json and a `json` section, both or none")
        _check_by(document, here, one)
        if one.json_:
            _check_ask(document, (*here, "json"), one.json_, _by(one))


def _check_by(document: Document, here: Path, shape: ProviderShape) -> None:
    by = _by(shape)
    if not by and shape.kind == "json":
        document.report((*here, "by"), "nothing", "the attributes that say who or what it is asked about")
    for name in by:
        if not _NAME.fullmatch(name):
            document.report((*here, "by"), name, "names of attributes, in small letters")
    lacking = [name for name in BY[shape.kind] if name not in by]
    if lacking:
        document.report((*here, "by"), ", ".join(by), f"{shape.kind} needs {', '.join(lacking)} too")


def _check_ask(document: Document, here: Path, shape: AskShape, by: tuple[str, ...]) -> None:
    check_auth(document, (*here, "auth"), shape.auth)
    for name in PLACEHOLDER.findall(shape.path):
        if name not in IN_PATHS:
            allowed = (
                f"in a path {' or '.join(f'{{{one}}}' for one in IN_PATHS)}; others go into params or body"
            )
            document.report((*here, "path"), f"{{{name}}}", allowed, nearest(name, IN_PATHS))
        elif name not in by:
            document.report((*here, "path"), f"{{{name}}}", f"one of `by`: {', '.join(by)}")
    for text in texts([shape.params, shape.headers, shape.body]):
        for name in re.findall(r"\{(\w+)\}", text):
            if not PLACEHOLDER.fullmatch(f"{{{name}}}"):
                document.report(here, f"{{{name}}}", "the name of an attribute in small letters")
    for name in shape.attributes:
        if not _NAME.fullmatch(name):
            document.report((*here, "attributes", name), name, "a name of small letters, digits and _")
    if isinstance(shape.confidence, float) and not 0 <= shape.confidence <= 1:
        document.report((*here, "confidence"), f"{shape.confidence:g}", "from 0 to 1, or a path")


def placeholders(asked: JsonAsk) -> Iterator[str]:
    """The attributes that a request may hold."""
    for text in texts([asked.path, asked.params, asked.headers, asked.body]):
        yield from PLACEHOLDER.findall(text)

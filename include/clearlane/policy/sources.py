"""sources.yaml: where records come from, how their columns map to our names, who is master of what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from clearlane.policy import enrichment, rest
from clearlane.policy.contract import ObjectName
from clearlane.policy.document import Document
from clearlane.policy.enrichment import EnrichmentShape
from clearlane.policy.model import (
    CLEARLANE,
    FEEDBACK,
    GOVERNED,
    MERGING,
    OBJECTS,
    OWNERSHIP,
    PUSHED,
    Limits,
    Lookup,
    Matching,
    ObjectMapping,
    People,
    Source,
    Sources,
)
from clearlane.policy.problems import Path, nearest
from clearlane.policy.rest import RestShape
from clearlane.policy.shapes import Duration, FileShape, Moment, RateText, Shape, Zone


def _link(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s{}\"<>]*\{external_id\}[^\s{}\"<>]*", text):
        raise ValueError("an http or https address with {external_id} in it")
    return text


LinkText = Annotated[str, AfterValidator(_link)]


class LookupShape(Shape):
    read: str
    match: str
    by: str
    take: str


class MappingShape(Shape):
    object: ObjectName | None = None  # needed where its name in the file is another: two tables of one object
    read: str
    fields: dict[str, str] = Field(default={})
    time_formats: list[str] = Field(default=[])
    zone: Zone = "UTC"
    cursor: str | None = None
    extras: bool = True
    drop: list[str] = Field(default=[])
    values: dict[str, dict[str, str]] = Field(default={})
    numbers: list[str] = Field(default=["amount"])
    decimal: Literal[".", ","] = "."
    lookups: dict[str, LookupShape] = Field(default={})
    encoding: str = "utf-8"
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    lookback: Duration = timedelta(hours=1)
    link: LinkText | None = None
    lag: Duration = timedelta(0)


class LimitsShape(Shape):
    rate: RateText | None = None
    concurrent: int = Field(default=4, ge=1)
    batch: int = Field(default=500, ge=1, le=10_000)
    failures: int = Field(default=5, ge=1)
    rest: Duration = timedelta(minutes=5)


class SourceShape(Shape):
    connector: str
    address: str
    objects: dict[str, MappingShape]
    live_from: Moment | None = None
    existing_owner: Literal["keep", "ignore"] = "keep"
    push: str | None = None
    push_fields: dict[str, str] = Field(default={})
    merge: Literal["by hand", "push"] = "by hand"
    rest: RestShape | None = None
    master_of: list[str] = Field(default=[])  # of versions from before `masters`
    limits: LimitsShape = LimitsShape()
    score_step: float | None = Field(default=5.0, ge=0)


class MatchingShape(Shape):
    match: float = Field(default=Matching.match, gt=0, le=1)
    ask: float = Field(default=Matching.ask, gt=0, le=1)
    companies: int = Field(default=Matching.companies, ge=1)


class PeopleShape(Shape):
    merge: float = Field(default=People.merge, gt=0.5, le=1)
    ask: float = Field(default=People.ask, gt=0, le=1)
    records: int = Field(default=People.records, ge=1)


class SourcesShape(FileShape):
    sources: dict[str, SourceShape] = Field(default={})
    masters: dict[str, str] = Field(default={})
    precedence: dict[str, list[str]] = Field(default={})
    matching: MatchingShape = MatchingShape()
    enrichment: EnrichmentShape = EnrichmentShape()
    people: PeopleShape = PeopleShape()


EMPTY = Sources({}, {})


def built(document: Document, shape: SourcesShape) -> Sources:
    """Sources by name; two masters of one field and names of no object are reported."""
    _check_masters(document, shape)
    _check_objects(document, shape)
    masters = _masters(document, shape)
    _check_pushed(document, shape, masters)
    _check_merging(document, shape)
    _check_rest(document, shape)
    enrichment.check(document, shape.enrichment, tuple(shape.sources))
    if shape.matching.ask > shape.matching.match:
        document.report(
            ("matching", "ask"), f"{shape.matching.ask:g}", f"at most match: {shape.matching.match:g}"
        )
    if shape.people.ask > shape.people.merge:
        document.report(("people", "ask"), f"{shape.people.ask:g}", f"at most merge: {shape.people.merge:g}")
    return Sources(
        {name: _source(name, source, masters) for name, source in shape.sources.items()},
        {attribute: tuple(order) for attribute, order in shape.precedence.items()},
        masters,
        Matching(**shape.matching.model_dump()),
        enrichment.built(shape.enrichment, {name for order in shape.precedence.values() for name in order}),
        People(**shape.people.model_dump()),
    )


def _check_masters(document: Document, shape: SourcesShape) -> None:
    known = _mastered(shape)
    for field, master in shape.masters.items():
        here = ("masters", field)
        if field not in known:
            allowed = "what is written to sources, or a field of the leads of one"
            document.report(here, field, allowed, nearest(field, known))
        elif master == CLEARLANE and field not in (*PUSHED, *FEEDBACK):
            document.report(here, CLEARLANE, "a source: Clearlane itself knows only what it writes")
        elif master not in (*shape.sources, CLEARLANE):
            allowed = f"{CLEARLANE} or a source of this file: {', '.join(shape.sources)}"
            document.report(here, master, allowed, nearest(master, (*shape.sources, CLEARLANE)))


def _mastered(shape: SourcesShape) -> set[str]:
    """The fields that may have a master."""
    leads = [
        mapping
        for source in shape.sources.values()
        for name, mapping in source.objects.items()
        if (mapping.object or name) == "leads"
    ]
    return {*PUSHED, *FEEDBACK, *(field for one in leads for field in (*one.fields, *one.lookups))} - {"id"}


def _masters(document: Document, shape: SourcesShape) -> dict[str, str]:
    """Field -> its master, whichever way it is said."""
    masters = dict(shape.masters)
    for name, source in shape.sources.items():
        for field in source.master_of:
            first = masters.setdefault(field, name)
            if first != name:
                path = ("sources", name, "master_of")
                document.report(path, f"{field}, whose master is {first}", "one master for each field")
    return masters


def _check_objects(document: Document, shape: SourcesShape) -> None:
    for source, described in shape.sources.items():
        for name, mapping in described.objects.items():
            if mapping.object is None and name not in OBJECTS:
                allowed = f"one of {', '.join(OBJECTS)}, or any name with an `object`"
                document.report(("sources", source, "objects", name), name, allowed, nearest(name, OBJECTS))


def _check_pushed(document: Document, shape: SourcesShape, masters: Mapping[str, str]) -> None:
    known = (*PUSHED, *FEEDBACK)
    for source, described in shape.sources.items():
        for name in described.push_fields:
            path = ("sources", source, "push_fields", name)
            if name not in known:
                document.report(path, name, f"one of {', '.join(known)}", nearest(name, known))
            elif masters.get(name) == source and name not in OWNERSHIP:
                allowed = "fields of which it is not the master: what it says itself is not written over"
                document.report(path, f"{name}, whose master is {source}", allowed)
        if described.push_fields and described.push is None:
            here = ("sources", source, "push_fields")
            document.report(here, "names for what is not written", "a `push` beside it")


def _check_merging(document: Document, shape: SourcesShape) -> None:
    """A merge there must be told back to us, or it would be asked for without end."""
    for name, source in shape.sources.items():
        here = ("sources", name, "merge")
        if source.merge != "push":
            continue
        if source.connector not in MERGING:
            allowed = f"by hand: only {' and '.join(MERGING)} can merge records"
            document.report(here, f"push with the connector {source.connector}", allowed)
        if source.push is None:
            document.report(here, "push for what is not written", "a `push` beside it")
        if not any(_tells_merges(mapping) for mapping in source.objects.values()):
            document.report(
                here, "push without word of merges", "`merged_from` or `merged_into` among its fields"
            )


def _tells_merges(mapping: MappingShape) -> bool:
    return not {"merged_from", "merged_into"}.isdisjoint(mapping.fields)


def _check_rest(document: Document, shape: SourcesShape) -> None:
    for name, source in shape.sources.items():
        here = ("sources", name)
        if (source.rest is None) == (source.connector == "rest"):
            found = "a `rest` section" if source.rest else "the connector rest"
            document.report((*here, "rest"), found, "connector: rest and a `rest` section, both or none")
        if source.rest:
            rest.check(document, (*here, "rest"), source.rest, dict(_reads(here, source)), source.push)


def _reads(here: Path, source: SourceShape) -> Iterator[tuple[Path, str]]:
    """Where the objects and look-ups of a source say what they read, and what that is."""
    for name, mapping in source.objects.items():
        yield (*here, "objects", name, "read"), mapping.read
        for ours, found in mapping.lookups.items():
            yield (*here, "objects", name, "lookups", ours, "read"), found.read


def _source(name: str, shape: SourceShape, masters: Mapping[str, str]) -> Source:
    """What another source is the master of is not read of its leads."""
    others = [field for field in GOVERNED if masters.get(field, CLEARLANE) not in (name, CLEARLANE)]
    return Source(
        name=name,
        connector=shape.connector,
        address=shape.address,
        objects={
            named: _mapping(named, mapping, others if (mapping.object or named) == "leads" else ())
            for named, mapping in shape.objects.items()
        },
        live_from=shape.live_from,
        existing_owner=shape.existing_owner,
        push=shape.push,
        push_fields=shape.push_fields,
        merge=shape.merge,
        rest=rest.built(shape.rest) if shape.rest else None,
        limits=Limits(**dict(shape.limits)),
        score_step=shape.score_step,
    )


def _mapping(name: str, shape: MappingShape, unread: Sequence[str]) -> ObjectMapping:
    return ObjectMapping(
        object=shape.object or name,
        read=shape.read,
        fields={ours: column for ours, column in shape.fields.items() if ours not in unread},
        time_formats=tuple(shape.time_formats),
        zone=shape.zone,
        cursor=shape.cursor,
        extras=shape.extras,
        drop=(*shape.drop, *(shape.fields.get(field, field) for field in unread)),
        values=shape.values,
        numbers=tuple(shape.numbers),
        decimal=shape.decimal,
        lookups={
            ours: Lookup(found.read, found.match, found.by, found.take)
            for ours, found in shape.lookups.items()
            if ours not in unread
        },
        encoding=shape.encoding,
        delimiter=shape.delimiter,
        lookback=shape.lookback,
        link=shape.link,
        lag=shape.lag,
    )

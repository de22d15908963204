"""sources.yaml: where records come from, how their columns map to our names, who is master of what."""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field

from clearlane.policy.contract import ObjectName
from clearlane.policy.document import Document
from clearlane.policy.model import ObjectMapping, Source, Sources
from clearlane.policy.shapes import FileShape, Moment, Shape, Zone


class MappingShape(Shape):
    read: str
    fields: dict[str, str] = Field(default={})
    time_formats: list[str] = Field(default=[])
    zone: Zone = "UTC"
    cursor: str | None = None
    extras: bool = True
    drop: list[str] = Field(default=[])
    values: dict[str, dict[str, str]] = Field(default={})


class SourceShape(Shape):
    connector: str
    address: str
    objects: dict[ObjectName, MappingShape]
    live_from: Moment | None = None
    existing_owner: Literal["keep", "ignore"] = "keep"
    push: str | None = None
    master_of: list[str] = Field(default=[])


class SourcesShape(FileShape):
    sources: dict[str, SourceShape] = Field(default={})
    precedence: dict[str, list[str]] = Field(default={})


EMPTY = Sources({}, {})


def built(document: Document, shape: SourcesShape) -> Sources:
    """Sources by name; two masters of one field are reported."""
    _check_masters(document, shape)
    return Sources(
        {name: _source(name, source) for name, source in shape.sources.items()},
        {attribute: tuple(order) for attribute, order in shape.precedence.items()},
    )


def _check_masters(document: Document, shape: SourcesShape) -> None:
    master: dict[str, str] = {}
    for name, source in shape.sources.items():
        for field in source.master_of:
            first = master.setdefault(field, name)
            if first != name:
                path = ("sources", name, "master_of")
                document.report(path, f"{field}, whose master is {first}", "one master for each field")


def _source(name: str, shape: SourceShape) -> Source:
    objects = cast(dict[str, MappingShape], shape.objects)
    return Source(
        name=name,
        connector=shape.connector,
        address=shape.address,
        objects={object: _mapping(object, mapping) for object, mapping in objects.items()},
        live_from=shape.live_from,
        existing_owner=shape.existing_owner,
        push=shape.push,
        master_of=tuple(shape.master_of),
    )


def _mapping(name: str, shape: MappingShape) -> ObjectMapping:
    return ObjectMapping(
        object=name,
        read=shape.read,
        fields=shape.fields,
        time_formats=tuple(shape.time_formats),
        zone=shape.zone,
        cursor=shape.cursor,
        extras=shape.extras,
        drop=tuple(shape.drop),
        values=shape.values,
    )

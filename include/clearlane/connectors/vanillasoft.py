"""VanillaSoft by its web leads: it takes leads by an XML post, and posts results of calls to a place of yours.

It has no interface to ask: nothing can be read back, and what it posted is read from the folder where it was kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, cast
from xml.etree import ElementTree

from clearlane.connectors.address import placed
from clearlane.connectors.files import Files
from clearlane.connectors.http import Failed, Http, Pace
from clearlane.connectors.mapping import Mapper
from clearlane.connectors.protocol import (
    Broken,
    Checked,
    Checks,
    Chunk,
    Interval,
    Raw,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.rest import concerns_all, receipt
from clearlane.policy.model import ObjectMapping, Source

_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*")
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""what XML 1.0 cannot hold"""
_OWN_MARKUP: Final = re.compile(rb"<!\s*(DOCTYPE|ENTITY)|\0", re.IGNORECASE)
"""also in UTF-16, which VanillaSoft does not post"""
_LARGEST: Final = 1_000_000  # bytes of one contact
_FOLDER: Final = "received"


class VanillaSoft:
    """One web lead profile; the connection's extras are what its posting address asks for (`id`, a key).

    The profile has to update existing contacts by the field that `external_id` is mapped to: else each post is one
    more contact. The extra `received` names the folder of what VanillaSoft posted, a file each.
    """

    def __init__(self, source: Source, secrets: Secrets, **client: Any) -> None:
        """`client` goes to Http. SourceFailed where the connection has no `id`."""
        place = placed(source, secrets)
        self._source, self._folder = source, place.extras.get(_FOLDER)
        self._sent = {name: value for name, value in place.extras.items() if name != _FOLDER} | {"typ": "XML"}
        if "id" not in self._sent:
            raise SourceFailed(
                f"source {source.name}: its connection has no extra `id` (of the web lead profile)"
            )
        pace = {} if source.limits.rate else {"pace": (Pace(1, 1),)}
        self._http = Http(source.name, place.base, headers={"Accept": "text/xml"}, **{**pace, **client})

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The contacts in the files that `object.read` names, all of them; the caller sifts."""
        if self._folder is None:
            raise SourceFailed(
                f"source {self._source.name}: its connection has no extra `{_FOLDER}`, the folder of what was posted"
            )
        return _Posted(replace(self._source, address=self._folder), lambda name: name).read(object, interval)

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """One post a lead; after one that nobody answers, or that says to wait, the others are left for later."""
        receipts: list[Receipt] = []
        stopped: Failed | None = None
        for write in writes:
            told, failed = (receipt(write, stopped), stopped) if stopped else self._tried(write)
            receipts.append(told)
            stopped = failed if failed and concerns_all(failed) else None
        return receipts

    def _tried(self, write: Write) -> tuple[Receipt, Failed | None]:
        content = lead({"external_id": write.external_id, **self._fields(write)})
        kind = {"Content-Type": "text/xml; charset=utf-8"}
        try:
            answer = self._http.ask("POST", "/post.aspx", params=self._sent, data=content, headers=kind)
        except Failed as failed:
            return receipt(write, failed), failed
        said = returned(answer.body)
        if said == "success":
            return receipt(write, None), None
        if said is None:
            return Receipt(
                write.idempotency_key, "retry", f"{answer.asked} answered without a ReturnValue"
            ), None
        refused = "VanillaSoft answered FAILURE; the log of the web lead profile says why"
        return Receipt(write.idempotency_key, "refused", refused), None

    def _fields(self, write: Write) -> dict[str, Any]:
        named = self._source.push_fields or {name: name for name in write.fields}
        return {theirs: write.fields[ours] for ours, theirs in named.items() if ours in write.fields}

    def check(self) -> Checks:
        """What can be said without posting a lead, which would be there."""
        untold = "it can be told by posting a lead only: send a made-up one from the profile's own page"
        folder = f"results are read from the folder of the extra `{_FOLDER}`" if self._folder else (
            f"no extra `{_FOLDER}` is named: nothing can be read"
        )  # fmt: skip
        return (
            Checked("login", None, untold),
            Checked("write", None, "one post for each lead, which cannot be read back; not tried"),
            Checked("read", None, folder),
        )


class _Posted(Files):
    """Files of one `<Contact>` each, as VanillaSoft posts them."""

    def _records(self, path: str, mapper: Mapper) -> Iterator[Raw | Broken]:
        with self._system.open(path, "rb") as stored:
            content = stored.read(_LARGEST + 1)
        yield contact(content)


def lead(fields: dict[str, Any]) -> bytes:
    """`<Lead><email>…</email></Lead>`; SourceFailed where a name cannot be that of an element."""
    root = ElementTree.Element("Lead")
    for name, value in fields.items():
        if not _NAME.fullmatch(name):
            raise SourceFailed(
                f"`push_fields`: {name} cannot be the name of an XML element (letters, digits, _ . -)"
            )
        ElementTree.SubElement(root, name).text = _UNPRINTABLE.sub(" ", "" if value is None else str(value))
    return cast(bytes, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def contact(content: bytes) -> Raw | Broken:
    """One posted contact: its elements and their texts."""
    if len(content) > _LARGEST or _OWN_MARKUP.search(content):
        return Broken(
            "", None, "a file that is too large or defines markup of its own", "one <Contact>", whole=True
        )
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        return Broken("", error.position[0], "no well-formed XML", "one <Contact>", whole=True)
    return Raw({_plain(element.tag): (element.text or "").strip() for element in root})


def returned(body: bytes) -> str | None:
    """`success` or `failure`, None where the answer says neither. It is elements side by side, without a root."""
    found = re.search(rb"<ReturnValue>\s*(success|failure)\s*</ReturnValue>", body[:_LARGEST], re.IGNORECASE)
    return found[1].decode().lower() if found else None


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]

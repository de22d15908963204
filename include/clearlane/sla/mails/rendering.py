"""From what a mail says to a letter: subject, text and HTML of one template, both with the same content.

Each kind has one template, rendered into three layouts. Whatever came from outside is cleaned first: no line breaks,
no characters that hide or turn text, no web addresses where a name stands; HTML is escaped by jinja2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from clearlane.sla.mails.content import Content
from clearlane.sla.mails.owing import ABOUT_A_LEAD

LONGEST: Final = 300
LONGEST_NAME: Final = 60
LONGEST_SUBJECT: Final = 150
TRUSTED: Final = frozenset({"crm", "airflow", "answers", "png"})
"""made by us, of quoted parts: addresses of links, and pictures"""
LAYOUTS: Final = (
    ("subject.txt", "parts.txt"),
    ("layout.txt", "parts.txt"),
    ("layout.html", "parts.html"),
)


class _Facts(dict[str, Any]):
    """What a template finds nothing for is None; any other name that it misspells is an error."""

    def __missing__(self, name: str) -> None:
        return None


def _loose(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _Facts({name: _loose(one) for name, one in value.items()})
    return [_loose(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str
    html: str
    pictures: Mapping[str, str]
    """name -> PNG in base64"""


def letter(content: Content) -> Letter:
    """Write a mail; the same content gives the same letter."""
    said = cleaned(asdict(content)) | {"titles": ABOUT_A_LEAD, "first": _first(content)}
    said["facts"] = _loose(said["facts"])
    subject, text, html = (
        _environment(parts == "parts.html")
        .get_template(f"{content.kind}.jinja")
        .render(**said, layout=layout, parts=parts)
        for layout, parts in LAYOUTS
    )
    pictures = {one["name"]: one["png"] for one in said["facts"].get("pictures", ())}
    return Letter(shortened(clean(subject, 1_000), LONGEST_SUBJECT), _tidy(text), html, pictures)


def _first(content: Content) -> datetime | None:
    """Of a mail made of several: what is due first and still to come."""
    due = (one.promise.due for one in content.items if one.promise)
    return min((moment for moment in due if moment > content.at), default=None)


# --- cleaning -------------------------------------------------------------------------------------------


def cleaned(value: Any, name: str = "") -> Any:
    """The value with all text in it cleaned, but for addresses and pictures that are ours."""
    if name in TRUSTED:
        return value
    if name == "url":
        return value if re.fullmatch(r"https?://[!-~]+", value) else ""
    if isinstance(value, Mapping):
        return {clean(str(key)): cleaned(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one) for one in value]
    return clean(value) if isinstance(value, str) else value


def clean(text: str, longest: int = LONGEST) -> str:
    """One line of visible characters in their order, at most so many, without `http://` and the like."""
    flat = "".join(one for one in re.sub(r"\s+", " ", text) if unicodedata.category(one)[0] != "C")
    return shortened(re.sub(r"(?i)\b[a-z][a-z0-9+.-]{1,20}://", "", flat).strip(), longest)


def shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _tidy(text: str) -> str:
    """No space at the ends of lines, no more than one empty line, one line break at the end."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


# --- words of templates ---------------------------------------------------------------------------------


@cache
def _environment(escapes: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("clearlane.sla.mails"), autoescape=escapes, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "when": _when, "there": _there, "clock": _clock, "took": length, "brief": _brief, "city": city,
        "capital": _capital,
    }  # fmt: skip
    return environment


@pass_context
def _when(context: Context, moment: datetime | str) -> str:
    """`14:05`, `Tue 3 Mar, 14:05`: in the reader's zone. Facts hold moments as ISO 8601 text."""
    exact = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return local(exact, context["reader"]["zone"], context["at"])


@pass_context
def _clock(context: Context, moment: datetime | str) -> str:
    """The same with the zone's city: `14:05 (New York)`."""
    return f"{_when(context, moment)} ({city(context['reader']['zone'])})"


@pass_context
def _there(context: Context, moment: datetime, zone: str) -> str:
    """In another zone, with the zone's city."""
    return f"{local(moment, zone, context['at'])} ({city(zone)})"


def local(moment: datetime, zone: str, at: datetime) -> str:
    """The time of a zone, with the day where it is another than that of `at` there."""
    here = moment.astimezone(ZoneInfo(zone))
    day = "" if here.date() == at.astimezone(ZoneInfo(zone)).date() else f"{here:%a} {here.day} {here:%b}, "
    return f"{day}{here:%H:%M}"


def city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def length(span: timedelta) -> str:
    """`4 min`, `1 h 20 min`, `2 d 3 h`."""
    minutes = max(0, round(span.total_seconds() / 60))
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (0 if days else rest, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def _brief(text: str | None) -> str:
    return shortened(text or "", LONGEST_NAME)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""What the policy files may hold, checked by pydantic: base shape and the small notations.

Lengths of time are written `7 days`, hours `mon-fri: "09:00-17:30"`, limits `3 per week`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from clearlane.policy.document import Document
from clearlane.policy.model import Hours, Rate, Section, Span
from clearlane.policy.problems import Path, nearest, shown


class Shape(BaseModel):
    """A mapping of a policy file: no other keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class FileShape(Shape):
    """What every policy file starts with."""

    version: Literal[1] = Field(alias="schema")
    owner: str
    approver: str

    def section(self) -> Section:
        return Section(self.owner, self.approver)


# --- notations --------------------------------------------------------------------------------

_UNITS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) (minute|hour|day|week)s?")
_BRIEF = re.compile(r"(\d+(?:\.\d+)?) (second|minute)s?")
_LIMIT = re.compile(r"(\d+) per (?:(\d+) )?(day|week)s?")
_RATE = re.compile(r"(\d+) per (?:(\d+) )?(second|minute|hour|day)s?")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


def duration(value: object) -> timedelta:
    """`30 minutes`, `24 hours`, `7 days`, `2 weeks`."""
    match = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("a length of time such as '30 minutes', '24 hours' or '7 days'")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def brief(value: object) -> timedelta:
    """`5 seconds`, `1 minute`: how long somebody waits for an answer."""
    match = _BRIEF.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("a short time such as '5 seconds' or '1 minute'")
    return timedelta(seconds=float(match[1]) * {"second": 1, **_UNITS}[match[2]])


def span(value: object) -> Span:
    """`5 minutes`, `4 hours`, `1 day`: kept in its unit, because a business day is no 24 hours."""
    match = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    if not match or match[2] == "week":
        raise ValueError("a span such as '5 minutes', '4 hours' or '1 day'")
    unit: dict[str, Literal["minutes", "hours", "days"]] = {
        "minute": "minutes",
        "hour": "hours",
        "day": "days",
    }
    return Span(float(match[1]), unit[match[2]])


def limit(value: object) -> tuple[int, int]:
    """`3 per week` as (3, 7): so many in so many days."""
    match = _LIMIT.fullmatch(value) if isinstance(value, str) else None
    if not match or not int(match[1]):
        raise ValueError("a limit such as '3 per week', '1 per day' or '5 per 30 days'")
    return int(match[1]), int(match[2] or 1) * (7 if match[3] == "week" else 1)


def rate(value: object) -> Rate:
    """`100 per 10 seconds`, `5 per second`, `1000 per hour`."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if not match or not int(match[1]) or match[2] == "0":
        raise ValueError("a rate such as '5 per second', '100 per 10 seconds' or '1000 per hour'")
    seconds = {"second": 1, **_UNITS}[match[3]]
    return Rate(int(match[1]), float(int(match[2] or 1) * seconds))


def bounds(value: object) -> tuple[float, float]:
    """`24` as (-24, 24), at most so many points either way; `[-5, 24]` as it says."""
    pair = [-value, value] if _is_number(value) and value >= 0 else value  # type: ignore[operator]
    if not (
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair)) and pair[0] <= 0 <= pair[1]
    ):
        raise ValueError(
            "a cap such as 24, or the lowest and the highest such as [-5, 24] with 0 between them"
        )
    return float(pair[0]), float(pair[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole_days(value: object) -> int:
    """`7 days`, `2 weeks`: at least one, and no part of one."""
    try:
        days = duration(value) / timedelta(days=1)
    except ValueError:
        days = 0
    if days < 1 or days % 1:
        raise ValueError("a number of whole days such as '7 days' or '2 weeks'")
    return int(days)


def hours(value: object) -> Hours:
    """`{mon-fri: "09:00-17:00", sat: ["09:00-12:00"]}` by ISO weekday, in order of the day."""
    if not isinstance(value, Mapping):
        raise ValueError("hours such as {mon-fri: '09:00-17:00'}")
    week: dict[int, tuple[tuple[time, time], ...]] = {}
    for days, spans in value.items():
        for day in _weekdays(str(days)):
            week[day] = _spans(spans)
    return dict(sorted(week.items()))


def _weekdays(text: str) -> range:
    first, _, last = text.partition("-")
    if first not in _DAYS or (last or first) not in _DAYS[_DAYS.index(first) :]:
        raise ValueError("days such as 'mon', 'mon-fri' or 'sun'")
    return range(_DAYS.index(first) + 1, _DAYS.index(last or first) + 2)


def _spans(value: object) -> tuple[tuple[time, time], ...]:
    texts = value if isinstance(value, list) else [value]
    spans = tuple(sorted(_one_span(text) for text in texts))
    overnight = [one for one in spans[:-1] if one[1] < one[0]]
    if overnight or any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        raise ValueError("spans of a day that do not overlap")
    return spans


def _one_span(text: object) -> tuple[time, time]:
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError("a span of the day such as '09:00-17:30'")
    opens, closes = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if opens == closes:
        raise ValueError("a span that opens and closes at different times")
    return opens, closes


def day_span(value: object) -> tuple[time, time]:
    """`08:00-20:00`; over midnight where it ends before it begins."""
    return _one_span(value)


def moment(value: object) -> datetime:
    """ISO 8601, UTC unless it carries a zone."""
    if not isinstance(value, str):
        raise ValueError("a moment such as '2026-01-31T09:00:00Z'")
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("a moment such as '2026-01-31T09:00:00Z'") from None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def day(value: object) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> date:
    raise ValueError("a day such as '2026-01-31'")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(value: str) -> str:
    if value not in _zones():
        near = nearest(value, _zones())
        raise ValueError("an IANA time zone" + (f", perhaps {near}" if near else ""))
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]
Brief = Annotated[timedelta, BeforeValidator(brief)]
SpanText = Annotated[Any, BeforeValidator(span)]
Limit = Annotated[Any, BeforeValidator(limit)]
RateText = Annotated[Any, BeforeValidator(rate)]
Bounds = Annotated[Any, BeforeValidator(bounds)]
WholeDays = Annotated[Any, BeforeValidator(whole_days)]
DaySpan = Annotated[Any, BeforeValidator(day_span)]
HoursText = Annotated[Any, BeforeValidator(hours)]
Moment = Annotated[datetime, BeforeValidator(moment)]
Day = Annotated[date, BeforeValidator(day)]
Zone = Annotated[str, AfterValidator(zone)]

# --- from a document to its shape -------------------------------------------------------------

S = TypeVar("S", bound=FileShape)


def shaped(document: Document, shape: type[S]) -> S | None:
    """The document in its shape; None and every problem reported where it does not fit."""
    if document.data is None and document.problems:
        return None
    try:
        return shape.model_validate(document.data if document.data is not None else {})
    except ValidationError as error:
        for finding in error.errors(include_url=False):
            _report(document, shape, finding)
        return None


def _report(document: Document, shape: type[Shape], finding: Any) -> None:
    path: Path = tuple(part for part in finding["loc"] if part != "[key]")
    if finding["type"] == "extra_forbidden":
        known = sorted(_names(_shape_at(shape, path[:-1])))
        near = nearest(str(path[-1]), known)
        document.report(path, f"the name {path[-1]}", "allowed here: " + ", ".join(known), near)
    elif finding["type"] == "missing":
        document.report(path, "nothing", f"{path[-1]} is required")
    elif finding["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", finding["ctx"]["expected"])
        near = nearest(str(finding["input"]), known)
        document.report(path, shown(finding["input"]), "allowed: " + finding["ctx"]["expected"], near)
    else:
        said = finding["msg"].removeprefix("Value error, ")
        document.report(path, shown(finding["input"]), f"expected {said[0].lower()}{said[1:]}")


def _names(shape: Any) -> Iterator[str]:
    for name, described in getattr(shape, "model_fields", {}).items():
        yield described.alias or name


def _shape_at(shape: Any, path: Path) -> Any:
    """The shape that stands at a path: through lists by number, through mappings by key."""
    for part in path:
        shape = _shape_in(shape)
        if isinstance(shape, type) and issubclass(shape, Shape):
            fields = {described.alias or name: described for name, described in shape.model_fields.items()}
            shape = fields[str(part)].annotation
        else:
            shape = get_args(shape)[-1] if get_args(shape) else None
    return _shape_in(shape)


def _shape_in(annotation: Any) -> Any:
    """The annotation without `| None` and without validators."""
    if get_origin(annotation) is Annotated:
        return _shape_in(get_args(annotation)[0])
    inner = [part for part in get_args(annotation) if part is not type(None)]
    optional = type(None) in get_args(annotation)
    return _shape_in(inner[0]) if optional and len(inner) == 1 else annotation

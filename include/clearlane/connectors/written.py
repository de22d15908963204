"""How a moment that cannot be read may be written: what a mapping could say under `time_formats`.

Told to people as a proposal, never used by itself: `01/02/2026` fits two of them.
"""

from __future__ import annotations

from typing import Final

from clearlane.connectors.mapping import parsed

FORMATS: Final = (
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y, %I:%M %p",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%d %b %Y",
    "%d %b, %Y %H:%M:%S",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "excel_days",
)


def likely(text: str) -> tuple[str, ...]:
    """The formats that read this text; () for what none reads, and for what is ISO 8601 already."""
    if parsed(text, ()) is not None:
        return ()
    return tuple(one for one in FORMATS if parsed(text, (one,)) is not None)


def advice(text: str) -> str | None:
    """`time_formats: ["%m/%d/%Y"] or ["%d/%m/%Y"]`, for the text of a moment that no format of the mapping reads."""
    found = likely(text)
    return "time_formats: " + " or ".join(f'["{one}"]' for one in found) if found else None

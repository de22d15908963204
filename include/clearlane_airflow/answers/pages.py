"""What the answer pages say, and the headers they say it with. No script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clearlane.policy.model import Policy
from clearlane.sla import answers
from clearlane.sla.answers import Standing
from clearlane.sla.links import Link

FOLDER: Final = Path(__file__).resolve().parent
STYLE: Final = (FOLDER / "page.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def standing(now: Standing, link: Link, policy: Policy, *, unsaid: bool = False) -> HTMLResponse:
    """The page of a link of ours; `unsaid`: a decline came without one of the reasons."""
    rep = policy.teams.reps.get(link.rep_id)
    zone = ZoneInfo(rep.zone) if rep else ZoneInfo("UTC")
    facts: dict[str, Any] = {
        "now": now, "link": link, "unsaid": unsaid, "reasons": answers.reasons(policy),
        "at": _clock(now.at, zone), "until": _clock(link.expires_at, zone),
        "due": _clock(now.about.due_at, zone) if now.about else None,
    }  # fmt: skip
    status = 410 if now.state == "gone" else 422 if unsaid else 200
    return _page(f"{now.state}.html" if now.state != "open" else f"{link.answer}.html", status, **facts)


def not_valid() -> HTMLResponse:
    return _page("not_valid.html", 404)


def expired() -> HTMLResponse:
    return _page("expired.html", 410)


def not_now() -> HTMLResponse:
    page = _page("not_now.html", 503)
    page.headers["Retry-After"] = "60"
    return page


def too_large() -> HTMLResponse:
    return _page("not_valid.html", 413)


def _page(name: str, status: int, **facts: Any) -> HTMLResponse:
    return HTMLResponse(_templates().get_template(name).render(style=STYLE, **facts), status)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _clock(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return f"{moment.astimezone(zone):%a %-d %b, %H:%M %Z}" if moment else None

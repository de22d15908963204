"""Options and arguments that several commands take, and how their values are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from clearlane.cli.console import stop

DEFAULT_POLICY = Path(__file__).resolve().parents[2] / "policy"
PolicyDir = Annotated[Path, typer.Option("--policy", help="folder with the policy files")]
Leads = Annotated[Path, typer.Option(help="CSV or Parquet: lead_id and attributes")]
Activities = Annotated[Path | None, typer.Option(help="CSV or Parquet: lead_id, type, occurred_at")]
Accounts = Annotated[Path | None, typer.Option(help="CSV or Parquet: account_id and attributes")]
AsOf = Annotated[str, typer.Option("--as-of", help="ISO 8601 moment; UTC unless it carries a zone")]
Out = Annotated[Path, typer.Option(help="file to write, CSV or Parquet by its ending")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
By = Annotated[str, typer.Option(help="who does this")]
Because = Annotated[str, typer.Option(help="why")]
Lead = Annotated[str, typer.Argument(help="lead id, SOURCE:ID, or e-mail")]


def length_of(text: str) -> timedelta:
    """`15m`, `2h`, `1d`, or as in policy files: `15 minutes`."""
    from clearlane.policy.shapes import duration

    units = {"m": "minutes", "h": "hours", "d": "days"}
    written = f"{text[:-1]} {units[text[-1]]}" if text[-1:] in units else text
    try:
        return duration(written)
    except ValueError as problem:
        stop(f"not a length of time: {text!r}; give 15m, 2h, or {problem}")


def moment_of(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        stop(f"not a moment: {text!r}; give ISO 8601, as in 2026-11-22T09:00:00Z")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

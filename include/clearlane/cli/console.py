"""How commands print: tables, JSON, sentences, moments, and the sentence that ends a command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

# A line such as `teams.yaml:100: ...` is no emoji.
out = Console(emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def say_written(count: int, out: Path) -> None:
    err.print(f"{count:,} leads, written: {out}", markup=False, soft_wrap=True)


def say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def say(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def table_of(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def say_notes(told: Iterable[str]) -> None:
    for line in told:
        out.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)


def print_json(told: Any) -> None:
    """Print data as JSON."""
    typer.echo(json.dumps(told, ensure_ascii=False, indent=1))


def length(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{hours / 24:.1f} d" if hours >= 48 else f"{hours:.1f} h"


def minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else ""


def stop(sentence: str, code: int = 2) -> NoReturn:
    err.print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(code)

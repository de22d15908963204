"""What a review found as files: JSON for machines, a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from clearlane.review import forecast, outlook, recorded, register
from clearlane.review.forecast import Forecast
from clearlane.review.page import page as html
from clearlane.review.register import Review
from clearlane.review.whatif import WhatIf, as_json


def write(told: WhatIf, folder: Path, *, page: str = "whatif.html") -> tuple[Path, ...]:
    """Write the files into the folder, which is made, and name them; `page` is the name of the page."""
    return written(folder, {"whatif.json": _text(as_json(told)), page: html(told)})


def write_forecast(found: Forecast, folder: Path) -> tuple[Path, ...]:
    """Write forecast.json and forecast.html into the folder, which is made, and name them."""
    contents = {"forecast.json": _text(forecast.as_json(found)), "forecast.html": outlook.page(found)}
    return written(folder, contents)


DECISION: Final = "decision.html"
"""the page that says where the decision about a review stands"""


def write_review(review: Review, changed: str, folder: Path) -> tuple[Path, ...]:
    """Write a weight review into the folder, which is made: pages, and the difference to scoring.yaml if any."""
    contents = {"index.html": review.report, "review.json": _text(recorded.as_json(review))}
    contents |= {DECISION: recorded.page(review)} | ({f"{register.FILE}.diff": changed} if changed else {})
    if review.chance_file and review.predictive:
        contents[review.chance_file] = review.predictive
    return written(folder, contents)


def _text(figures: Mapping[str, Any]) -> str:
    return json.dumps(figures, ensure_ascii=False, indent=1) + "\n"


def written(folder: Path, contents: Mapping[str, str]) -> tuple[Path, ...]:
    """Write contents by name into the folder, which is made, and name the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return tuple(folder / name for name in contents)

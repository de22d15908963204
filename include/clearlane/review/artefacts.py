"""A what-if as files: whatif.json for machines, whatif.html for people."""

from __future__ import annotations

import json
from pathlib import Path

from clearlane.review.page import page as html
from clearlane.review.whatif import WhatIf, as_json


def write(told: WhatIf, folder: Path, *, page: str = "whatif.html") -> tuple[Path, ...]:
    """Write the files into the folder, which is made, and name them; `page` is the name of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = json.dumps(as_json(told), ensure_ascii=False, indent=1) + "\n"
    contents = {"whatif.json": figures, page: html(told)}
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return tuple(folder / name for name in contents)

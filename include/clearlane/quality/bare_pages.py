"""Great Expectations' pages made to stand alone: no script, no picture, nothing that a browser loads from elsewhere.

As they are written they take style, icons and tables from seven hosts on the internet, which an office network may not
reach and which learn who reads them, and bring 4 MB of pictures for each run.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

_LOADED: Final = re.compile(
    r"<(script|style|footer)\b.*?</\1>|<(link|img)\b[^>]*>|<a\s[^>]*data-toggle=.collapse.*?</a>"
    r"|\s+on[a-z]+=\"[^\"]*\"",
    re.DOTALL | re.IGNORECASE,
)
_STYLE: Final = """<style>
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5d6b7c;--line:#dfe4ea;--ground:#fff;--card:#f5f7f9;--new:#1f6feb}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf1;--soft:#9aa7b5;--line:#303a46;--ground:#12171d;--card:#1b222b;
--new:#58a6ff}}
*{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}a{color:var(--new)}
h1,h2,h3,h4,h5,h6{margin:1rem 0 .3rem;line-height:1.25}p{margin:.4rem 0}ul{padding-left:1.1rem}
.navbar-brand,.card.mb-3{display:none}.breadcrumb{display:flex;flex-wrap:wrap;gap:.5rem;padding:0;list-style:none;
color:var(--soft)}.alert,code{background:var(--card);border-radius:.4rem}.alert{padding:.1rem .8rem .3rem}
code{padding:.1rem .3rem}.ge-section{margin:1.2rem 0}.table-responsive{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem}th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600}.badge{font-weight:600}
.collapse,.fa-comment{display:none}.fas{font-style:normal}.fa-check-circle::before{content:"✓"}
.fa-times::before{content:"✗";font-weight:700}.fa-exclamation-triangle::before{content:"! not evaluated"}
td .fa-check-circle::before{content:"✓ passed"}td .fa-times::before{content:"✗ failed"}
</style></head>"""


def stand_alone(folder: Path) -> None:
    """Rewrite a site in place; its index lists what was checked and what was asked."""
    for page in folder.rglob("*.html"):
        page.write_text(bare(page.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.rmtree(folder / "static", ignore_errors=True)
    (folder / "index.html").write_text(_index(folder), encoding="utf-8")


def bare(page: str) -> str:
    """A page without what it loads, in our style."""
    return _LOADED.sub("", page).replace("</head>", _STYLE, 1)


def _index(folder: Path) -> str:
    checked = sorted((folder / "validations").rglob("*.html"))
    asked = sorted((folder / "expectations").rglob("*.html"))
    listed = "".join(
        f"<h2>{title}</h2><ul>{''.join(_links(folder, pages))}</ul>"
        for title, pages in (("What was checked", checked), ("What is asked", asked))
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Data Docs of a run</title>'
        f"{_STYLE}<body><h1>Data Docs of a run</h1><p>By Great Expectations: each expectation with the share of values "
        f"that did not keep to it. Rows have numbers here and no values.</p>{listed}</body></html>\n"
    )


def _links(folder: Path, pages: Iterable[Path]) -> Iterator[str]:
    for page in pages:
        address = quote(page.relative_to(folder).as_posix())
        yield f'<li><a href="{address}">{escape(_name(folder, page))}</a>{_result(page)}</li>'


def _name(folder: Path, page: Path) -> str:
    """`leads: fields, checked 09:15:02 UTC`: a validation's page lies in folders of its suite, run and moment."""
    parts = page.relative_to(folder).parts
    if len(parts) < 3:
        return page.stem
    moment = datetime.strptime(parts[-2], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    return f"{parts[1]}, checked {moment:%H:%M:%S} UTC"


def _result(page: Path) -> str:
    # Once at the top of the page, and once at each expectation.
    failed = page.read_text(encoding="utf-8").count('"fas fa-times') - 1
    return f": {failed} not kept" if failed > 0 else ""

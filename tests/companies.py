"""The small generated company that the tests of the whole river share, and the policy that reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from clearlane import sample

ROOT = Path(__file__).resolve().parents[1]
END = datetime(2026, 11, 18, tzinfo=UTC)
DAYS = 3
WINDOWS = [(END - timedelta(days=n), END - timedelta(days=n - 1)) for n in range(DAYS, 0, -1)]


def write_company(folder: Path) -> Path:
    """The exports of three days of a company with 240 leads."""
    sample.write(folder, end=END, seed=11, days=DAYS, leads=240)
    return folder


def policy_for(company: Path) -> dict[str, str]:
    """The texts of the default policy, with the sources read from that company's folder."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "include/policy").glob("*.yaml")}
    return {**texts, "sources": texts["sources"].replace("data/sample", str(company))}

"""The default policy, as texts that a test may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearlane import policy

DEFAULT = Path(__file__).resolve().parents[2] / "include" / "policy"
HEAD = "schema: 1\nowner: revops\napprover: sales\n"


@pytest.fixture
def folder() -> Path:
    return DEFAULT


@pytest.fixture
def texts() -> dict[str, str]:
    return dict(policy.texts(DEFAULT))


@pytest.fixture
def head() -> str:
    """What every file starts with: three lines."""
    return HEAD

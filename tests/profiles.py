"""How many examples a costly property is tried with: few whenever the tests run, many in `make test-full`."""

from __future__ import annotations

from hypothesis import settings


def examples(often: int, full: int) -> int:
    """For `max_examples` of a property that a thousand would take too long, or thirty be too few."""
    return full if settings.get_current_profile_name() == "full" else often

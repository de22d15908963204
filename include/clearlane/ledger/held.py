"""Records that are held back with the delivery they came with: in quarantine, until a person has looked at it."""

from __future__ import annotations

from typing import Final

DELIVERY: Final = "delivery"
"""the field that their reasons name; the rule is the batch rule that said stop"""
HELD: Final = f"q.state = 'open' and q.reasons -> 0 ->> 'field' = '{DELIVERY}'"
"""whether a record of the quarantine (`q`) is one of them"""

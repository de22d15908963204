"""What two phone numbers say on whether they are one company's: the same, one switchboard, one block.

Numbers are in E.164. A switchboard ends in a zero or two, and its extensions stand in their place (+49 89 1234-0 and
+49 89 1234-567). A number that callers reach free says nothing of those beside it.
"""

from __future__ import annotations

import re
from typing import Final

SAME: Final = 11.0
SWITCHBOARD: Final = 5.0
BLOCK: Final = 2.5
"""nats: hardly two companies have one number; few have the numbers behind a switchboard; some a block of a hundred"""
_ZEROS: Final = "0{1,2}$"
_FREE: Final = r"^\+(1(800|833|844|855|866|877|888)|[0-9]{2,3}800|800)"
LONGEST_EXTENSION: Final = 4
SHORTEST_BASE: Final = 7
"""characters of a number without its extension, the plus sign counted"""


def agreement(lead: str, account: str) -> tuple[float, str]:
    """How much it says that a lead's number is an account's, and in words; 0 where it says nothing."""
    if not lead or not account:
        return 0.0, ""
    if lead == account:
        return SAME, "same phone"
    if _is_free(lead) or _is_free(account):
        return 0.0, ""
    if _extends(lead, account) or _extends(account, lead):
        return SWITCHBOARD, "same switchboard"
    return (BLOCK, "phones of one block") if lead[:-2] == account[:-2] else (0.0, "")


def _is_free(number: str) -> bool:
    return re.match(_FREE, number) is not None


def _extends(number: str, switchboard: str) -> bool:
    base = _base(switchboard)
    return base != switchboard and number.startswith(base) and len(number) <= len(base) + LONGEST_EXTENSION


def _base(number: str) -> str:
    base = re.sub(_ZEROS, "", number)
    return base if len(base) >= SHORTEST_BASE else number


def keys(number: str) -> set[str]:
    """The numbers by which those that agree on more than a block find each other."""
    if not number or _is_free(number):
        return {number} - {""}
    shorter = (number[:-cut] for cut in range(1, LONGEST_EXTENSION + 1))
    return {number, _base(number), *(one for one in shorter if len(one) >= SHORTEST_BASE)}


def agreement_in_sql(lead: str, account: str) -> str:
    """SQL of what `agreement` weighs, of two texts; 0 where one is null."""
    return f"""
        case when {lead} is null or {account} is null then 0
             when {lead} = {account} then {SAME}
             when {lead} ~ '{_FREE}' or {account} ~ '{_FREE}' then 0
             when {_extends_in_sql(lead, account)} or {_extends_in_sql(account, lead)} then {SWITCHBOARD}
             when left({lead}, -2) = left({account}, -2) then {BLOCK} else 0 end"""


def _extends_in_sql(number: str, switchboard: str) -> str:
    base = f"regexp_replace({switchboard}, '{_ZEROS}', '')"
    return (
        f"(right({switchboard}, 1) = '0' and length({base}) >= {SHORTEST_BASE}"
        f" and starts_with({number}, {base}) and length({number}) <= length({base}) + {LONGEST_EXTENSION})"
    )

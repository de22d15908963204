"""Columns of text read as the type that the policy declares; what cannot be read becomes missing.

Numbers may group thousands by commas (`1,200.5`), booleans are true/false, yes/no, y/n or 1/0, times are
ISO 8601 from the year 1000 on and UTC unless they carry a zone. E-mails and phones are read as normal forms. A whole
number with three digits behind a point (`1.200`) is refused: it may be a thousand and more. So is an id that a
spreadsheet has rounded (`1.23E+17`): many records have the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from clearlane.quality.contact_points import email_verdicts, phone_verdicts, regions

Column: TypeAlias = "pd.Series[Any]"
Reading = Literal["text", "number", "boolean", "time", "email", "phone", "not_rounded", "whole"]

_NUMBER: Final = r"[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_WHOLE: Final = r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.0{1,2})?"
_ROUNDED: Final = r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}"
_TIME: Final = (
    r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_TRUTH: Final = {
    "true": True,
    "yes": True,
    "y": True,
    "1": True,
    "false": False,
    "no": False,
    "n": False,
    "0": False,
}
_LARGEST_WHOLE: Final = 2**53  # beyond it a double no longer holds every whole number


def trimmed(text: Column) -> Column:
    """Text without white space around it; what is empty then is missing."""
    bare = text.astype(object).str.strip()
    return bare.where(bare.notna() & (bare != ""), None)


def read(text: Column, reading: Reading, country: Column) -> Column:
    """Trimmed text as typed values, missing (None, NaN, NaT) where it cannot be read.

    `country` (a code or a name, or missing) says how a phone number without a country code is read.
    """
    match reading:
        case "number":
            return _numbers(text)
        case "boolean":
            return _looked_up(text.str.lower(), _TRUTH)
        case "time":
            return _times(text)
        case "email":
            return _emails(text)
        case "phone":
            return _phones(text, country)
        case "not_rounded":
            return text.mask(text.str.fullmatch(_ROUNDED, na=False).astype(bool), None)
        case "whole":
            return _numbers(_matching(text, _WHOLE))
        case _:
            return text


def json_values(typed: Column) -> Column:
    """Typed values as JSON has them: whole numbers without a fraction, times as ISO 8601 text in UTC."""
    if isinstance(typed.dtype, pd.DatetimeTZDtype):
        shown = typed.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str.removesuffix(".000000") + "+00:00"
        return _nullable(shown)
    if typed.dtype == np.float64:
        whole = (typed % 1 == 0) & (typed.abs() <= _LARGEST_WHOLE)
        # One by one: a column would become one of fractions again as soon as one value is missing.
        values = [int(x) if is_whole else x for x, is_whole in zip(typed, whole, strict=True)]
        return _nullable(pd.Series(values, index=typed.index, dtype=object))
    return _nullable(typed)


def _nullable(values: Column) -> Column:
    objects = values.astype(object)
    return objects.where(objects.notna(), None)


def _numbers(text: Column) -> Column:
    plain = _matching(text, _NUMBER).str.replace(",", "", regex=False)
    numbers = pd.to_numeric(plain, errors="coerce").astype(np.float64)
    return numbers.where(np.isfinite(numbers))


def _times(text: Column) -> Column:
    # Digits finer than a microsecond go: the ledger keeps none.
    whole = _matching(text, _TIME).str.replace(r"(\.[0-9]{6})[0-9]+", r"\1", regex=True)
    return pd.to_datetime(whole, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")


def _matching(text: Column, pattern: str) -> Column:
    return text.where(text.str.fullmatch(pattern, na=False).astype(bool), None)


def _emails(text: Column) -> Column:
    verdicts = email_verdicts(text.dropna())
    return _looked_up(text, {value: verdict.normal for value, verdict in verdicts.items()})


def _phones(text: Column, country: Column) -> Column:
    region = _looked_up(country, regions(country.dropna()))
    numbers = pd.Series(list(zip(text, region, strict=True)), index=text.index, dtype=object)
    verdicts = phone_verdicts(numbers[text.notna()])
    return _looked_up(numbers, {number: verdict.e164 for number, verdict in verdicts.items()})


def _looked_up(keys: Column, found: Mapping[Any, object]) -> Column:
    return pd.Series([found.get(key) for key in keys], index=keys.index, dtype=object)

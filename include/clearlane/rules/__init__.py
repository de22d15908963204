"""The rule language: a condition is a SQL predicate over declared columns, the same on every engine."""

from clearlane.rules.explain import TermResult, explain, explain_rows
from clearlane.rules.functions import FUNCTIONS, FunctionDoc, function_table
from clearlane.rules.predicate import Predicate, Term, parse
from clearlane.rules.refused import Refused
from clearlane.rules.sql import Dialect
from clearlane.rules.tree import Columns, Lists, Type

__all__ = [
    "FUNCTIONS",
    "Columns",
    "Dialect",
    "FunctionDoc",
    "Lists",
    "Predicate",
    "Refused",
    "Term",
    "TermResult",
    "Type",
    "explain",
    "explain_rows",
    "function_table",
    "parse",
]

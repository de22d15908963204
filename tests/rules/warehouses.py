"""What SQLGlot reads in the SQL of a warehouse, said in the words of DuckDB."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from clearlane.rules import Dialect

WAREHOUSES = (Dialect.SPARK, Dialect.SNOWFLAKE, Dialect.BIGQUERY, Dialect.TRINO)


def parsed_back(sql: str, dialect: Dialect) -> exp.Expr:
    """The statement or expression as that warehouse's parser sees it; SqlglotError where it does not."""
    return sqlglot.parse_one(sql, read=dialect.value)


def in_duckdb(sql: str, dialect: Dialect) -> str:
    """What SQLGlot has no words for in DuckDB is said here: collation, escapes, lengths in bytes, btrim."""
    tree = parsed_back(sql, dialect)
    for node in list(tree.find_all(exp.Collate)):
        node.replace(node.this)
    for node in list(tree.find_all(exp.ByteLength)):
        node.replace(exp.Anonymous(this="strlen", expressions=[node.this]))
    for node in list(tree.find_all(exp.Encode)):
        node.parent.replace(exp.Anonymous(this="strlen", expressions=[node.this]))
    for node in tree.find_all(exp.Anonymous):
        node.set("this", _SAME.get(str(node.this), node.this))
    for node in list(tree.find_all(exp.Like)) if dialect is Dialect.BIGQUERY else ():
        node.replace(exp.Escape(this=node.copy(), expression=exp.Literal.string("\\")))
    return tree.sql("duckdb", unsupported_level=ErrorLevel.IGNORE)


_SAME = {"octet_length": "strlen", "btrim": "trim"}

"""Heavy imports, made once in the process that forks the tasks: they inherit them instead of paying each time.

Airflow imports this module by its name wherever this folder is on PYTHONPATH. Only libraries of others are
preloaded: a change of our own code counts from the next task on, without a restart.
"""

import importlib
import sys

PARENTS = frozenset({"scheduler", "celery", "worker"})
HEAVY = (
    "pandas",
    "great_expectations",
    "duckdb",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
    "sqlglot",
)

__all__: list[str] = []  # nothing here overrides a setting of Airflow

if PARENTS & set(sys.argv):
    for name in HEAVY:
        importlib.import_module(name)

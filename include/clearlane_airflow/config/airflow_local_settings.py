"""Heavy imports, made once in the process that forks the tasks: they inherit them instead of paying each time.

Airflow imports this module by its name wherever its folder is on PYTHONPATH. Our own modules are forgotten
again, so that a change of the code counts from the next task on, without a restart.
"""

import importlib
import sys

PARENTS = frozenset({"scheduler", "celery", "worker"})
LAZY = ("great_expectations", "pandas", "duckdb", "disposable_email_domains", "tldextract")

__all__: list[str] = []  # nothing here overrides a setting of Airflow


def preload() -> None:
    """Import what the steps import, and what they import only when it is needed."""
    for name in ("clearlane.steps", *LAZY):
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "clearlane"]:
        del sys.modules[name]


if PARENTS & set(sys.argv):
    preload()

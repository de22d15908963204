"""The rules of the house, kept by reading the code: who may import whom, who may look at the clock."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "include" / "clearlane"
GLUE = ROOT / "include" / "clearlane_airflow"
STAGES = ("connectors", "quality", "identity", "enrich", "score", "route", "push", "sla", "review")

HEAVY = {"pandas", "numpy", "great_expectations", "sqlalchemy", "duckdb", "pyarrow"}
NETWORK = {
    "requests",
    "urllib3",
    "urllib.request",
    "http.client",
    "httpx",
    "aiohttp",
    "socket",
    "smtplib",
    "ftplib",
    "subprocess",
    "fsspec",
}
FILES = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "read_csv", "read_parquet"}
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "core", "base"}

# The command line turns the clock, the environment and files into arguments; nobody else looks at them.
COMMAND_LINE = ("cli/", "__main__.py")
REACHES_OUT = ("connectors/", "push/", "enrich/providers", "ledger/", "sla/mails/smtp.py")
OPENS_FILES = (
    *(*REACHES_OUT, "policy/", "sheets.py", "pages.py", "sample", "review/artefacts.py"),
    *("review/learning/columns.py", "steps.py", "privacy/", "quality/bare_pages.py"),
    *COMMAND_LINE,
)
CLOCK_OR_CHANCE = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "Timestamp.now", "Timestamp.today"),
    *("time.time", "os.environ", "os.getenv", "uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4"),
}
CHANCE_MODULES = {"random", "secrets"}
# When a row was written is the database's own business; no computation reads it.
RECORDING = re.compile(r"\b(recorded|received|delivered)_at\s*=\s*\w+\(\)", re.I)
SQL_CLOCK = re.compile(
    r"\b(now|random|clock_timestamp|gen_random_uuid)\s*\(\s*\)|\bcurrent_(date|timestamp)\b", re.I
)


def modules(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def named(path: Path) -> str:
    """A module as pytest shows it and as the lists above name it: score/bands.py."""
    return str(path.relative_to(LIBRARY if path.is_relative_to(LIBRARY) else ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(nodes: Iterable[ast.AST], package: str = "") -> set[str]:
    """The dotted names that import statements name; `from a import b` counts as a and a.b."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: -node.level + 1 or None] if node.level else []
            origin = ".".join(filter(None, [*parent, node.module]))
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return names


def all_imports(path: Path) -> set[str]:
    return imports(ast.walk(tree(path)), package_of(path))


def package_of(path: Path) -> str:
    relative = (
        path.relative_to(ROOT / "include") if path.is_relative_to(ROOT / "include") else Path(path.name)
    )
    return ".".join(relative.parent.parts)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not the insides of functions, nor what only mypy reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


def touches(names: set[str], packages: Iterable[str]) -> set[str]:
    return {
        name for name in names for package in packages if name == package or name.startswith(f"{package}.")
    }


def graph(path: Path) -> set[str]:
    """Everything that importing a module of ours imports, followed through our own modules."""
    seen: dict[Path, set[str]] = {}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen[here] = imports(at_import(tree(here)), package_of(here))
            waiting += filter(None, map(source_of, seen[here]))
    return set().union(*seen.values())


def source_of(name: str) -> Path | None:
    stem = ROOT / "include" / Path(*name.split("."))
    return next((file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()), None)


def dotted_uses(path: Path) -> set[str]:
    """Names as they are called or read: datetime.now, os.environ; aliases of a module are seen through."""
    here = tree(path)
    aliases = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(here)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    found = {ast.unparse(node) for node in ast.walk(here) if isinstance(node, ast.Attribute)}
    called = {ast.unparse(node.func) for node in ast.walk(here) if isinstance(node, ast.Call)}
    return {seen_through(use, aliases) for use in found | called}


def seen_through(use: str, aliases: dict[str, str]) -> str:
    first, _, rest = use.partition(".")
    return ".".join(filter(None, [aliases.get(first, first), rest]))


def breaks_clock_rule(path: Path) -> set[str]:
    uses = {use for use in dotted_uses(path) for told in CLOCK_OR_CHANCE if f".{use}.".find(f".{told}.") >= 0}
    return uses | touches(all_imports(path), CHANCE_MODULES)


def sql_clock(path: Path) -> set[str]:
    here = tree(path)
    documented = {
        id(node.body[0].value)
        for node in ast.walk(here)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        node.value
        for node in ast.walk(here)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
    ]
    return {match.group(0) for text in texts for match in SQL_CLOCK.finditer(RECORDING.sub("", text))}


def calls(path: Path) -> set[str]:
    return {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
    }


def imports_of(path: Path, packages: Iterable[str]) -> set[str]:
    return touches(all_imports(path), packages)


def says_too_little_or_much(path: Path) -> list[str]:
    lines = [line for line in (ast.get_docstring(tree(path)) or "").splitlines() if line]
    return [] if 1 <= len(lines) <= 6 else [f"{len(lines)} lines"]


@cache
def distributions() -> dict[str, set[str]]:
    """Importable name → the packages that bring it, as this environment has them."""
    return {name: {normal(dist) for dist in dists} for name, dists in packages_distributions().items()}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def unasked(path: Path, asked: set[str]) -> set[str]:
    """Packages of others that a module imports and requirements.in does not name."""
    tops = {name.partition(".")[0] for name in all_imports(path)} - sys.stdlib_module_names
    foreign = {top for top in tops if not top.startswith("clearlane")} - {""}
    return {top for top in foreign if not distributions().get(top, {top}) & asked}


def stage_of(path: Path) -> str | None:
    first = path.relative_to(LIBRARY).parts[0]
    return first if first in STAGES else None


def offences(rule: Callable[[Path], Iterable[object]], paths: Iterable[Path]) -> dict[str, list[str]]:
    """What breaks a rule: module → what in it; the paths must hold something, or the rule would guard nothing."""
    checked = {named(path): sorted(map(str, rule(path))) for path in paths}
    assert checked
    return {name: broken for name, broken in checked.items() if broken}


# -- the rules -------------------------------------------------------------------------------------


def test_the_library_imports_no_airflow() -> None:
    rule = partial(imports_of, packages=["airflow", "clearlane_airflow"])
    assert offences(rule, modules(LIBRARY)) == {}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_nothing_of_a_later_stage(stage: str) -> None:
    later = [f"clearlane.{name}" for name in (*STAGES[STAGES.index(stage) + 1 :], "steps", "cli")]
    if (LIBRARY / stage).is_dir():
        assert offences(partial(imports_of, packages=later), modules(LIBRARY / stage)) == {}


@pytest.mark.parametrize("nouns", ["rules", "ledger"])
def test_the_nouns_import_no_stage(nouns: str) -> None:
    rule = partial(imports_of, packages=[f"clearlane.{stage}" for stage in STAGES])
    assert offences(rule, modules(LIBRARY / nouns)) == {}


def test_only_the_edges_reach_the_network() -> None:
    inside = [path for path in modules(LIBRARY) if not named(path).startswith(REACHES_OUT)]
    assert offences(partial(imports_of, packages=NETWORK), inside) == {}


def test_only_the_edges_open_files() -> None:
    inside = [path for path in modules(LIBRARY) if not named(path).startswith(OPENS_FILES)]
    assert offences(lambda path: calls(path) & FILES, inside) == {}


def test_clock_chance_and_environment_are_arguments() -> None:
    inside = [path for path in modules(LIBRARY) if not named(path).startswith(COMMAND_LINE)]
    assert offences(breaks_clock_rule, inside) == {}


def test_sql_takes_its_moment_as_an_argument() -> None:
    assert offences(sql_clock, [path for path in modules(LIBRARY) if stage_of(path)]) == {}


def test_a_dag_file_is_wiring_only() -> None:
    assert offences(lambda path: path.read_text().splitlines()[80:], modules(ROOT / "dags")) == {}


def test_a_dag_file_imports_nothing_heavy() -> None:
    assert offences(lambda path: touches(graph(path), HEAVY), modules(ROOT / "dags")) == {}


def test_a_module_is_named_after_what_it_holds() -> None:
    everywhere = modules(*(ROOT / name for name in ("include", "dags", "plugins", "tests", "benchmarks")))
    assert offences(lambda path: VAGUE & {path.stem, *path.relative_to(ROOT).parent.parts}, everywhere) == {}


def test_a_module_says_what_it_is_in_one_to_six_lines() -> None:
    # Alembic writes the heads of migrations.
    written = [
        path
        for path in modules(LIBRARY, GLUE, ROOT / "dags", ROOT / "plugins")
        if "versions" not in path.parts
    ]
    assert offences(says_too_little_or_much, written) == {}


def test_the_library_loads_where_there_is_no_airflow() -> None:
    names = [
        ".".join(path.relative_to(ROOT / "include").with_suffix("").parts)
        for path in modules(LIBRARY)
        if path.name not in ("__init__.py", "__main__.py") and "migrations" not in path.parts
    ]
    loads = "import sys, importlib; sys.modules['airflow'] = None\n" + "".join(
        f"importlib.import_module({name!r})\n" for name in names
    )
    done = subprocess.run(
        [sys.executable, "-c", loads],
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
    )
    assert len(names) > 10
    assert done.returncode == 0, done.stderr


def test_every_package_that_is_imported_is_asked_for() -> None:
    written = re.findall(r"^([a-z0-9][a-z0-9._-]*)", (ROOT / "requirements.in").read_text(), re.I | re.M)
    asked = {normal(name) for name in written}
    assert offences(lambda path: unasked(path, asked), modules(LIBRARY, GLUE)) == {}


# -- the reading itself ------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "module.py"


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime\nx = datetime.now()",
        "import datetime as dt\nx = dt.datetime.utcnow()",
        "from datetime import datetime as moment\nx = moment.now()",
        "import pandas as pd\nx = pd.Timestamp.now()",
        "import os\nx = os.environ['A']",
        "import os as system\nx = system.environ.get('A')",
        "from uuid import uuid4\nx = uuid4()",
        "def f():\n    import random",
        "from secrets import token_hex",
    ],
)
def test_looking_at_the_clock_or_at_chance_is_seen(written: Path, code: str) -> None:
    written.write_text(code)
    assert breaks_clock_rule(written)


def test_an_argument_called_now_is_not_the_clock(written: Path) -> None:
    written.write_text("import sqlalchemy as sa\ndef f(now):\n    return now.date(), sa.func.now()")
    assert not breaks_clock_rule(written)


def test_a_clock_inside_sql_is_seen_and_one_in_a_docstring_is_not(written: Path) -> None:
    written.write_text(
        '"""No now() here."""\nq = "update t set recorded_at = now(), late = now() - due, d = current_date"'
    )
    assert sql_clock(written) == {"now()", "current_date"}


def test_imports_are_read_in_every_form(written: Path) -> None:
    written.write_text("import a.b\ndef f():\n    from c import d\nif TYPE_CHECKING:\n    import e")
    assert imports(ast.walk(tree(written))) == {"a.b", "c", "c.d", "e"}
    assert imports(at_import(tree(written))) == {"a.b"}


def test_relative_imports_are_resolved() -> None:
    nodes = ast.walk(ast.parse("from . import x\nfrom ..rules import y"))
    found = imports(nodes, "clearlane.score")
    assert {"clearlane.score.x", "clearlane.rules.y"} <= found


def test_the_import_graph_is_followed_through_our_modules() -> None:
    assert "sqlalchemy" in graph(LIBRARY / "ledger" / "database.py")
    assert touches(graph(LIBRARY / "ledger" / "__init__.py"), ["sqlalchemy"])

"""The demo: a PostgreSQL, an Airflow and a week of generated leads, on this machine alone.

`python -m clearlane_airflow.demo up | status | down`. Everything it makes lies under .demo/; nothing of it
needs root, Docker or an installed server, and `down` leaves no process behind.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from clearlane.ledger import server
from clearlane_airflow import connections, prepare, processes, settings
from clearlane_airflow.rest import Airflow

HOME = settings.ROOT / ".demo"
LOGS = HOME / "logs"
SAMPLE = settings.ROOT / "data" / "sample"
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
USER = PASSWORD = "admin"
SEED = 7
INTERVALS = (4, 1, 1, 1)  # days of each run: what gathered before a start, then three days as they come

_EVERY = 0.3  # seconds between two looks at a condition
_SETTINGS = {"synchronous_commit": "off", "shared_buffers": "256MB"}

app = typer.Typer(add_completion=False, help="Clearlane's demo on this machine.")
console = Console(highlight=False, emoji=False)


class Stopped(RuntimeError):
    """The demo cannot go on; the text says why and what to do, in a sentence."""


@dataclass(frozen=True)
class State:
    """What a demo remembers of itself between two commands (.demo/state.json)."""

    port: int
    secret: str
    end: datetime
    schedule: bool
    done: bool = False

    def save(self) -> None:
        file = HOME / "state.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self), default=str))

    @staticmethod
    def load() -> State | None:
        file = HOME / "state.json"
        if not file.exists():
            return None
        noted = json.loads(file.read_text())
        return State(**{**noted, "end": datetime.fromisoformat(noted["end"])})


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Where Airflow's UI will be.")] = 8080,
    schedule: Annotated[bool, typer.Option(help="Also start runs by the clock from now on.")] = False,
) -> None:
    """Start the demo, run the river for a week of leads, show what came of it."""
    with _plain_errors():
        state = State.load()
        if state is None or not _runs():
            state = _begin(state, port, schedule)
        if not state.done:
            run_intervals(_airflow(state), state.end)
            state = replace(state, done=True)
            state.save()
        _clearlane("report")
        _say_where(state)


@app.command()
def down() -> None:
    """Stop all that the demo started; its data stay in .demo/."""
    ended = processes.stop(LOGS)
    running = server.running(HOME / "postgres")
    if running is not None:
        running.stop()
    stopped = [*sorted(ended), *(["postgresql"] if running else [])]
    console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing of the demo was running.")


@app.command()
def erase() -> None:
    """Stop the demo and delete its data."""
    down()
    server.erase(HOME / "postgres")
    for folder in (HOME, SAMPLE):
        shutil.rmtree(folder, ignore_errors=True)


@app.command()
def status() -> None:
    """Say which parts of the demo run; exit 1 if not all of them do."""
    state, alive = State.load(), processes.alive(LOGS)
    database = server.running(HOME / "postgres")
    for part, runs in {"postgresql": database is not None, **{c: c in alive for c in COMPONENTS}}.items():
        console.print(f"{part:<14} {'running' if runs else 'stopped'}")
    if state is None or database is None or alive < set(COMPONENTS):
        raise typer.Exit(1)
    _say_where(state)


def _runs() -> bool:
    return server.running(HOME / "postgres") is not None and processes.alive(LOGS) >= set(COMPONENTS)


def run_intervals(airflow: Airflow, end: datetime) -> None:
    """Run lead_flow, live, for each interval that ends at `end` or before, one after the other."""
    start = end - timedelta(days=sum(INTERVALS))
    for number, days in enumerate(INTERVALS, 1):
        _run_interval(airflow, start, days, f"run {number} of {len(INTERVALS)}")
        start += timedelta(days=days)


def _run_interval(airflow: Airflow, start: datetime, days: int, which: str) -> None:
    run_id = f"demo__{start:%Y-%m-%d}"
    until = start + timedelta(days=days)
    text = f"lead_flow from {start:%a %d %b} to {until:%a %d %b} ({which})"
    with _phase(text) as shown:
        if not airflow.trigger("lead_flow", run_id, (start, until), {"mode": "live"}):
            airflow.retry("lead_flow", run_id)
        _until(lambda: _finished(airflow, run_id, shown), f"the run {run_id}", timeout=300)
        if airflow.state("lead_flow", run_id) != "success":
            red = [task for task, state in airflow.tasks("lead_flow", run_id) if state == "failed"]
            where = f"{airflow.url}/dags/lead_flow/runs/{run_id}"
            raise Stopped(f"lead_flow failed in {', '.join(red)}: see {where} (make demo tries again)")


def _begin(known: State | None, port: int, schedule: bool) -> State:
    """Start what does not run; what an earlier demo has done stays done."""
    processes.stop(LOGS)
    _need_free(port)
    HOME.mkdir(exist_ok=True)
    fresh = State(port=port, secret=secrets.token_urlsafe(64), end=_last_midnight(), schedule=schedule)
    state = replace(known, port=port, schedule=schedule) if known else fresh
    state.save()
    with _phase("PostgreSQL starts"):
        database = server.start(HOME / "postgres", ["airflow", "clearlane"], settings=_SETTINGS)
    environment = _environment(state, database)
    with _phase("Airflow's tables, the ledger's tables and the policy"):
        _run("-m", "clearlane_airflow.prepare", environment=environment)
    for component in COMPONENTS:
        processes.start(
            component,
            [sys.executable, "-m", "airflow", component],
            folder=LOGS,
            cwd=settings.ROOT,
            environment=environment,
        )
    if not state.done:
        with _phase(f"a sample of {sum(INTERVALS)} days is written"):
            _clearlane(
                *("sample", "--out", str(SAMPLE), "--end", state.end.isoformat(), "--seed", str(SEED)),
                shown=False,
            )
    _await(_airflow(state))
    return state


def _await(airflow: Airflow) -> None:
    with _phase("Airflow starts") as shown:
        _until(lambda: _well(airflow, shown), "Airflow", timeout=300)
        airflow.warm()
    with _phase("lead_flow is read"):
        _until(lambda: airflow.knows("lead_flow") or bool(airflow.import_errors()), "lead_flow", timeout=120)
        if broken := airflow.import_errors():
            raise Stopped("DAG files cannot be read:\n" + "\n".join(broken))


def _well(airflow: Airflow, shown: Status) -> bool:
    waiting = airflow.unhealthy()
    shown.update(f"Airflow starts: waiting for {', '.join(sorted(waiting))}")
    return not waiting


def _finished(airflow: Airflow, run_id: str, shown: Status) -> bool:
    tasks = airflow.tasks("lead_flow", run_id)
    ended = [task for task, state in tasks if state in ("success", "skipped", "failed", "upstream_failed")]
    shown.update(f"lead_flow: {len(ended)} of {len(tasks)} tasks")
    return airflow.state("lead_flow", run_id) in ("success", "failed")


def _until(holds: Callable[[], bool], what: str, *, timeout: float) -> None:
    """Wait until a condition holds; stop early where a part of the demo has died."""
    deadline = time.monotonic() + timeout
    while not holds():
        dead = processes.started(LOGS) - processes.alive(LOGS)
        for name in sorted(dead):
            raise Stopped(
                f"{name} ended by itself; the end of {LOGS / name}.log:\n{processes.tail(LOGS, name)}"
            )
        if time.monotonic() > deadline:
            raise Stopped(f"{what} did not get there in {timeout:.0f} s; the logs are in {LOGS}")
        time.sleep(_EVERY)


def _environment(state: State, database: server.Server) -> dict[str, str]:
    home = HOME / "airflow"
    return {
        **settings.environment(
            home=home,
            metadata_url=database.url("airflow", "psycopg2"),
            ledger_url=database.url("clearlane"),
            secret=state.secret,
            port=state.port,
        ),
        **settings.log_ports(),
        prepare.PASSWORD: PASSWORD,
        connections.LINK_SECRET: state.secret,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": str(state.schedule),
    }


def _clearlane(*arguments: str, shown: bool = True) -> None:
    """Run a command of the library's CLI on the demo's ledger."""
    database = server.running(HOME / "postgres")
    if database is None:
        raise Stopped("the demo's PostgreSQL does not run: make demo starts it")
    url = database.url("clearlane")
    _run("-m", "clearlane", *arguments, environment={"CLEARLANE_LEDGER_URL": url}, shown=shown)


def _run(*arguments: str, environment: dict[str, str], shown: bool = False) -> None:
    """Run a command of Python to its end; Stopped with what it said where it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.ROOT,
        env={**os.environ, **environment},
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        command = " ".join(arguments[1:3])
        raise Stopped(f"{command} failed (exit {done.returncode})\n{(done.stdout or '')[-3000:]}".rstrip())


def _airflow(state: State) -> Airflow:
    return Airflow(f"http://localhost:{state.port}", USER, PASSWORD)


def _say_where(state: State) -> None:
    database = server.running(HOME / "postgres")
    assert database is not None
    console.print()
    console.print(f"Airflow   [bold]http://localhost:{state.port}[/]   user {USER}, password {PASSWORD}")
    console.print(f"Ledger    {database.url('clearlane')}", soft_wrap=True)
    clock = "starts runs by the clock" if state.schedule else "starts no runs by the clock (SCHEDULE=on does)"
    console.print(f"The demo {clock}. [bold]make down[/] stops it.")


def _need_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Stopped(f"port {port} is busy: choose another, as in make demo PORT={port + 10}") from None


def _last_midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@contextmanager
def _phase(text: str) -> Iterator[Status]:
    """Show that something goes on, then that it is done and how long it took."""
    began = time.monotonic()
    with console.status(text) as shown:
        yield shown
    console.print(f"[green]✓[/] {text} [dim]({time.monotonic() - began:.0f} s)[/]")


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (Stopped, server.ServerFailed) as problem:
        console.print(f"[red]✗[/] {escape(str(problem))}", soft_wrap=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()

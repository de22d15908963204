"""The memory of a worker: the peak of every stage, each in a process of its own, for few leads and for many.

What a stage needs must not follow the batch: the peaks lie within 100 MB of each other.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.engines import empty_ledger
from clearlane import ledger, sample, steps
from clearlane import policy as policies

FEW = 10_000
AIM = 100
END = datetime(2026, 11, 18, tzinfo=UTC)
POLICY = Path(__file__).resolve().parents[1] / "include" / "policy"
PULLS = tuple(f"pull {source}" for source in ("crm", "web", "product"))
STAGES = (*PULLS, "quality", "identity", "enrich", "score", "route", "push", "refresh")


def main(leads: int) -> None:
    """Measure with FEW leads and with so many; a week of them as the sample company has it."""
    peaks = {size: dict(_peaks(size)) for size in (FEW, leads)}
    print(f"memory of a worker, in MB: {FEW:,} leads, {leads:,} leads, the difference (aim: at most {AIM})")
    for stage in STAGES:
        few, many = peaks[FEW][stage], peaks[leads][stage]
        print(f"  {stage:13} {few:5.0f} {many:5.0f} {many - few:+5.0f}")


def _peaks(leads: int) -> Iterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as folder, empty_ledger() as engine:
        _in_a_process("write", folder, str(leads))
        batch_id = _opened(engine, folder)
        address = engine.url.render_as_string(hide_password=False)
        for stage in STAGES:
            yield stage, float(_in_a_process(stage, address, batch_id))


def _opened(engine: sa.Engine, folder: str) -> str:
    texts = dict(policies.texts(POLICY))
    texts["sources"] = texts["sources"].replace("data/sample", folder)
    with engine.begin() as connection:
        policies.publish(connection, texts, by="benchmark", because="measured")
    batch = steps.open_batch(
        engine, as_of=END, dag_id="benchmark", run_id="memory", run_type="scheduled", mode="live", dry_run=True,
        window=None, code_version="benchmark",
    )  # fmt: skip
    return str(batch.batch_id)


def _in_a_process(*arguments: str) -> str:
    """What the last line says that this module prints for the arguments."""
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1] if done.stdout else ""


def _stage(name: str, address: str, batch_id: str) -> float:
    """Peak of this process in MB after the stage."""
    engine = ledger.connect(address)
    started = time.perf_counter()
    counts = _run(engine, name, batch_id)
    peak = _peak()
    print(f"  {name}: {peak:.0f} MB, {time.perf_counter() - started:.1f} s, {dict(counts)}", file=sys.stderr)
    return peak


def _peak() -> float:
    """Of this process in MB; what `resource` says would be its parent's where that was larger."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _run(engine: sa.Engine, name: str, batch_id: str) -> Mapping[str, int]:
    if name.startswith("pull "):
        return steps.pull(engine, batch_id, name.removeprefix("pull "), _no_secrets)
    if name == "push":
        return steps.push(engine, batch_id, END, _no_secrets)
    if name == "refresh":
        return steps.score_refresh(engine, END.replace(day=END.day + 1))
    stage = getattr(steps, name)
    return stage(engine, batch_id)


def _no_secrets(name: str) -> str:
    raise LookupError(f"the sample has no secret {name}")


if __name__ == "__main__":
    what, where, which = sys.argv[1:]
    if what == "write":
        sample.write(Path(where), end=END, seed=11, leads=int(which))
    else:
        print(_stage(what, where, which))

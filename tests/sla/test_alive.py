"""`clearlane alive` and `status`: exit codes and lines for a monitor and for people; the runbook knows each kind."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.sla.mails.sink import Sink, serving
from typer.testing import CliRunner

from clearlane import ledger, policy, steps
from clearlane.cli import app
from clearlane.sla import pipeline
from clearlane.sla.mails import MailFailed
from clearlane.sla.mails.smtp import MailServer, mail_server, sender

ROOT = Path(__file__).resolve().parents[2]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clearlane(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_url)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def ran(ledger_engine: sa.Engine) -> Any:
    """The default policy in force and its sources read; call it to have every DAG run so many minutes ago."""
    with ledger_engine.begin() as connection:
        policy.publish(connection, ROOT / "include/policy", by="test", because="test", in_force_from=None)
        known = policy.stored(connection, policy.in_force(connection, None))

    def run(minutes: float, *dags: str) -> None:
        at = datetime.now(UTC) - minutes * MINUTE
        with ledger_engine.begin() as connection:
            for dag in dags or known.sla.pipeline.runs:
                batch = ledger.open_batch(
                    connection, dag_id=dag, run_id=f"scheduled__{at}", run_type="scheduled", mode="live", dry_run=True,
                    window=None, as_of=at, sources=(), policy={}, code_version="0",
                )  # fmt: skip
                ledger.close_batch(connection, batch.batch_id)
            read = [
                (source.name, name) for source in known.sources.sources.values() for name in source.objects
            ]
            for source, name in read:
                connection.execute(
                    sa.text(
                        "insert into source_state values (:source, :name, :at)"
                        " on conflict (source, object) do update set watermark = :at"
                    ),
                    {"source": source, "name": name, "at": at},
                )

    return run


def test_a_pipeline_that_runs_is_alive(clearlane: Any, ran: Any) -> None:
    ran(3)
    told = clearlane("alive")
    assert (told.exit_code, told.output) == (0, "the pipeline keeps its promises\n")
    assert clearlane("alive", "--json").output == "[]\n"
    assert clearlane("status").output == "the pipeline keeps its promises\n"


def test_a_pipeline_that_died_is_not(clearlane: Any, ran: Any) -> None:
    ran(30)
    told = clearlane("alive")
    assert told.exit_code == 1
    assert [line.partition(":")[0] for line in told.output.splitlines()] == [
        "scheduler", "run lead_flow", "run sla_watch",
    ]  # fmt: skip
    assert [one["key"] for one in json.loads(clearlane("alive", "--json").output)] == [
        "scheduler", "run.lead_flow", "run.sla_watch",
    ]  # fmt: skip


def test_a_monitor_says_how_long_silence_is_life(clearlane: Any, ran: Any) -> None:
    ran(13)
    assert clearlane("alive", "--within", "20m").exit_code == 0
    assert clearlane("alive", "--within", "12 minutes").exit_code == 1
    told = clearlane("alive", "--within", "soon")
    assert told.exit_code == 2
    assert "'soon'" in told.output


def test_people_read_since_when_and_what_to_do(clearlane: Any, ran: Any) -> None:
    ran(180)
    ran(2, "lead_flow", "sla_watch")
    told = clearlane("status")
    assert told.exit_code == 0
    first, second = told.output.splitlines()
    assert first.startswith("run outcome_sync: no run since ")
    assert first.endswith("; for 3.0 h")
    assert second.strip() == f"{pipeline.KINDS['run'].do}; docs/runbook.md#run"


def test_people_read_what_failed_where_no_check_looks(
    clearlane: Any, ran: Any, ledger_engine: sa.Engine
) -> None:
    ran(3)
    because = "the task score_refresh of score_refresh failed in the run 1: OSError"
    assert steps.tell_incident(ledger_engine, "run.score_refresh", because, datetime.now(UTC))
    told = clearlane("status").output
    assert told.startswith(f"run score_refresh: {because}; last seen ")
    assert clearlane("alive").exit_code == 0


def test_a_ledger_that_does_not_answer_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", "postgresql://somebody:secret@127.0.0.1:1/nowhere")
    told = CliRunner().invoke(app, ["alive"])
    assert told.exit_code == 1
    assert told.output == "ledger: it does not answer (OperationalError)\n"


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with serving(Sink()) as sink:
        monkeypatch.setenv("CLEARLANE_SMTP_URL", f"smtp://127.0.0.1:{sink.port}?from=clearlane@firm.example")
        yield sink


TO = ("alive", "--mail-to", "oncall@firm.example")


def test_it_mails_by_itself_once_until_it_is_over(clearlane: Any, ran: Any, sink: Sink) -> None:
    ran(30)
    for _ in range(3):
        assert clearlane(*TO).exit_code == 1
    [told] = sink.got
    assert told["To"].addresses[0].addr_spec == "oncall@firm.example"
    assert told["From"].addresses[0].addr_spec == "clearlane@firm.example"
    assert "no DAG runs" in str(told["Subject"])
    text = " ".join(told.get_body(("plain",)).get_content().split())
    assert "no dag has run since" in text.lower()
    assert pipeline.KINDS["scheduler"].do in text
    ran(0)
    assert clearlane(*TO).exit_code == 0
    assert len(sink.got) == 1  # what comes and goes is one incident
    seen_long_ago(clearlane)
    assert clearlane(*TO).exit_code == 0
    assert clearlane(*TO).exit_code == 0
    assert [subject.split(":")[0] for subject in sink.subjects] == ["Wrong with the pipeline", "Over"]
    assert pipeline.KINDS["scheduler"].do not in sink.got[1].get_body(("plain",)).get_content()


def seen_long_ago(clearlane: Any) -> None:
    engine = ledger.connect(os.environ["CLEARLANE_LEDGER_URL"])
    with engine.begin() as connection:
        connection.execute(sa.text("update incident set seen_at = seen_at - interval '1 hour'"))
    engine.dispose()


def test_a_mail_that_does_not_leave_is_tried_again(
    clearlane: Any, ran: Any, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(30)
    up = os.environ["CLEARLANE_SMTP_URL"]
    monkeypatch.setenv("CLEARLANE_SMTP_URL", "smtp://127.0.0.1:1?from=clearlane@firm.example")
    told = clearlane(*TO)
    assert told.exit_code == 1
    assert "it stays owed" in told.output
    assert "oncall" not in told.output
    monkeypatch.setenv("CLEARLANE_SMTP_URL", up)
    assert clearlane(*TO).exit_code == 1
    assert len(sink.got) == 1


def test_who_is_refused_is_said_without_the_address(clearlane: Any, ran: Any, sink: Sink) -> None:
    ran(30)
    sink.refused["oncall@firm.example"] = "550 nobody here"
    told = clearlane(*TO)
    assert told.exit_code == 1
    assert "oncall" not in told.output
    assert sink.got == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "--mail-to needs CLEARLANE_SMTP_URL"),
        ("http://mail.firm.example", "CLEARLANE_SMTP_URL: the address of the mail server is smtp://HOST"),
        ("smtp://joe:s3cret@mail.firm.example", "names no sender"),
    ],
)
def test_a_mail_server_that_is_none_is_said_first(
    clearlane: Any, monkeypatch: pytest.MonkeyPatch, url: str | None, said: str
) -> None:
    if url:
        monkeypatch.setenv("CLEARLANE_SMTP_URL", url)
    told = clearlane(*TO)
    assert told.exit_code == 2
    assert said in told.output
    assert "s3cret" not in told.output


def test_an_address_of_a_mail_server_is_read_whole() -> None:
    assert mail_server("smtps://joe%40firm.example:p%2Fw@mail.firm.example") == MailServer(
        "mail.firm.example", 465, True, "joe@firm.example", "joe@firm.example", "p/w"
    )
    assert mail_server("smtp://mail:587?from=a@firm.example") == MailServer(
        "mail", 587, False, "a@firm.example"
    )
    assert "p/w" not in repr(mail_server("smtps://joe%40firm.example:p%2Fw@mail.firm.example"))


def test_a_login_is_given_over_tls_only(sink: Sink) -> None:
    server = mail_server(f"smtp://joe:s3cret@127.0.0.1:{sink.port}?from=a@firm.example")
    with pytest.raises(MailFailed, match="cannot be reached") as failed:
        sender(server)(EmailMessage())
    assert failed.value.down
    assert sink.got == []


def test_the_runbook_has_an_entry_for_each_kind() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    section = runbook.partition("## The pipeline breaks a promise")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", section, re.M) == list(pipeline.KINDS)

"""Erased means erased: nowhere in the ledger, not on disk, and not after the source sends everything again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from tests.companies import END, WINDOWS
from tests.e2e.rivers import River
from typer.testing import CliRunner

from clearlane import explain, replay, steps
from clearlane.cli import app
from clearlane.ledger import doctor
from clearlane.privacy import erasing
from clearlane.privacy.tombstones import Key, KeyMissing

KEY = Key("a secret of these tests", kept=True)
ANYBODY = """
select k.value from lead_key k join lead l using (lead_id) join place p on p.lead_id = l.lead_id
where k.kind = 'email' and p.place = :place order by 1 limit 1
"""


@pytest.fixture
def river(new_river: Callable[..., River], all_days: str) -> River:
    return new_river("erasing", like=all_days)


def address(river: River, place: str = "owned") -> str:
    with river.engine.connect() as connection:
        return str(connection.execute(sa.text(ANYBODY), {"place": place}).scalar_one())


def erase(river: River, name: str, *places: Path, key: Key = KEY) -> erasing.Erased:
    with river.engine.begin() as connection:
        return erasing.erase(
            connection, name, by="dpo", because="asked by mail", at=END, key=key, places=places
        )


def left(river: River, *values: str) -> list[str]:
    """Columns in which a value is, asked of the rows themselves: an independent look."""
    with river.engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        return [
            table
            for table in tables
            for value in values
            if connection.execute(
                sa.text(
                    f'select count(*) from "{table}" t where position(lower(:value) in lower(t::text)) > 0'
                ),
                {"value": value},
            ).scalar_one()
        ]


def test_nothing_is_left_in_any_table(river: River) -> None:
    email = address(river)
    assert "inbox" in left(river, email)
    done = erase(river, email)
    assert done.searched.left == 0
    assert done.searched.columns > 100
    assert left(river, email) == []


def test_the_ledger_keeps_its_promises(river: River) -> None:
    for place in ("owned", "nurture"):
        erase(river, address(river, place))
    with river.engine.connect() as connection:
        broken = [one for one in doctor.examine(connection) if one.count]
    assert broken == []


def test_why_the_score_was_is_told_of_nobody_any_more(river: River) -> None:
    email = address(river)
    with river.engine.connect() as connection:
        lead = str(explain.find(connection, email))
        titles = {section.title for section in explain.story(connection, lead).sections}
    erase(river, email)
    with river.engine.connect() as connection:
        told = explain.story(connection, lead)
    gone = {"Scored", "Nearly scored", "What would lift it", "How it came about"} & titles
    assert "Scored" in gone
    assert not gone & {section.title for section in told.sections}
    assert (told.score, "erased: nothing tells any more who this was" in told.headline) == (None, True)


def test_aggregates_stay(river: River) -> None:
    figures = (
        "select count(*), sum(score) from score",
        "select count(*) from decision",
        "select count(*) from activity",
        "select count(*) from turn",
    )
    before = [rows(river, statement) for statement in figures]
    erase(river, address(river))
    assert [rows(river, statement) for statement in figures] == before


def rows(river: River, statement: str, **bound: object) -> list[tuple[object, ...]]:
    with river.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), bound)]


def test_the_source_sends_everything_again(river: River) -> None:
    """The same records count as duplicates, changed ones are dropped as erased, and nobody comes back."""
    email = address(river)
    lead = rows(
        river, "select lead_id, external_id from lead join lead_key using (lead_id) where value = :e", e=email
    )[0]
    done = erase(river, email)
    river.run(WINDOWS[2], run_id="again")
    with river.engine.begin() as connection:
        connection.execute(
            sa.text("""
            insert into inbox (source, object, record_key, external_id, source_time, payload, record)
            select source, 'leads', 'changed:' || number, case number when 1 then external_id else 'new id' end,
                       cast(:at as timestamptz),
                   '{}', jsonb_build_object('id', 'x', 'email', upper(:email), 'first_name', 'Zebediah', 'company', 'A')
            from lead cross join generate_series(1, 2) number where lead_id = :lead
            """),
            {"email": email, "lead": lead[0], "at": WINDOWS[2][0]},
        )
    river.run(None, run_id="changed", as_of=END)
    assert rows(river, "select state, payload, record from inbox where record_key like 'changed%'") == [
        ("erased", {}, None),
        ("erased", {}, None),
    ]
    assert left(river, email, "Zebediah") == []
    assert done.tombstones > 0
    with river.engine.connect() as connection:
        assert [one.check.id for one in doctor.examine(connection) if one.count] == []


def arrive(river: River, object: str, payload: object, *, read: bool) -> str:
    """A record that a run has just pulled, readable or not; the run judges it."""
    batch_id = river.open(None, run_id=f"pulled {object}", as_of=END)
    with river.engine.begin() as connection:
        said = {
            "batch": batch_id,
            "object": object,
            "payload": json.dumps(payload),
            "state": "waiting" if read else "quarantined",
        }
        seq = connection.execute(sa.text("""
            insert into inbox (source, object, record_key, external_id, source_time, batch_id, payload, record, state)
            values ('crm', :object, 'new ' || :object, 'new', cast(:at as timestamptz), cast(:batch as uuid), :payload,
                    case when :state = 'waiting' then cast(:payload as jsonb) end, :state) returning seq
            """), {**said, "at": END}).scalar_one()  # fmt: skip
        if not read:
            connection.execute(
                sa.text("insert into quarantine (seq, reasons, since) values (:seq, '[{}]', :at)"),
                {"seq": seq, "at": END},
            )
    steps.quality(river.engine, batch_id, lane="plain")
    return batch_id


def test_a_line_that_nobody_can_read_is_emptied_where_it_names_the_erased(river: River) -> None:
    email = address(river)
    erase(river, email)
    for number, raw in enumerate((f'7,"Smith, {email.upper()};half a line', '8,"somebody@else.example;half')):
        arrive(river, f"leads{number}", {"raw": raw}, read=False)
    assert left(river, email) == []
    lines = """select state, (select count(*) from quarantine q where q.seq = i.seq) from inbox i
        where external_id = 'new' order by seq"""
    assert rows(river, lines) == [("erased", 0), ("quarantined", 1)]


def test_what_an_account_says_of_the_erased_is_written_over(river: River) -> None:
    email = address(river)
    erase(river, email)
    arrive(river, "accounts", {"id": "new", "name": "Acme", "note": f"ask {email}, not x{email}"}, read=True)
    (payload, record, state) = rows(
        river, "select payload, record, state from inbox where external_id = 'new'"
    )[0]
    assert state == "waiting"
    assert re.fullmatch(rf"ask erased-[0-9a-f]{{12}}, not x{re.escape(email)}", str(payload["note"]))  # type: ignore[index]
    assert record["note"] == payload["note"]  # type: ignore[index]


ALONE = """
    select min(k.value), split_part(min(p.value), '|', 1) from lead_key k join lead_key p using (lead_id)
    where k.kind = 'email' and p.kind = 'phone_name' and p.value like '+49%' and not exists (
        select from lead_key o where o.lead_id <> k.lead_id and o.kind = 'phone_name'
          and split_part(o.value, '|', 1) = split_part(p.value, '|', 1))
    group by k.lead_id order by 1 limit 1
"""


def test_a_phone_that_was_theirs_alone_is_written_over_too(river: River) -> None:
    """In whatever form it is written, but for the phone of somebody who has the number now."""
    email, number = (str(value) for value in rows(river, ALONE)[0])
    erase(river, email)
    forms = (f"{number[:3]} ({number[3:5]}) {number[5:]}", f"0049 {number[3:]}", f"0{number[3:]}")
    other = "+49 30 901820"
    notes = ", ".join([*forms, other])
    arrive(
        river, "opportunities", {"id": "new", "name": "Deal", "country": "Germany", "note": notes}, read=True
    )
    arrive(river, "leads", {"id": "next", "last_name": "Byron", "company": "A", "phone": number}, read=True)
    told = dict(rows(river, "select object, payload ->> 'note' from inbox where external_id = 'new'"))  # type: ignore[arg-type]
    assert re.fullmatch(r"(erased-[0-9a-f]{12}, ){3}" + re.escape(other), str(told["opportunities"]))
    assert rows(river, "select payload ->> 'phone' from inbox where record_key = 'new leads'") == [(number,)]


def test_a_phone_that_a_company_goes_by_stays_the_companys(river: River) -> None:
    """As its name does; the person's own records say it no more."""
    email, number = (str(value) for value in rows(river, ALONE)[0])
    one = "(select min(revision_id) from account_revision)"
    river_change(
        river, f"update account_revision set phone = :number where revision_id = {one}", number=number
    )
    assert erase(river, email).shared >= 1
    assert set(left(river, number)) == {"account_revision"}


def test_again_is_the_same_and_strangers_are_unknown(river: River) -> None:
    email = address(river)
    erase(river, email)
    again = erase(river, email)
    assert {table for table in again.counts if "by value" not in table} <= {"mail", "outbox"}
    with pytest.raises(erasing.Unknown, match="nobody"):
        erase(river, "nobody@nowhere.example")


def test_others_keep_what_is_theirs(river: River) -> None:
    email = address(river)
    longer = f"x{email}"
    river_change(river, "update outbox set note = :note", note=f"ask {longer}, not {email}!")
    erase(river, email)
    notes = {
        row[0] for row in rows(river, "select distinct note from outbox where note <> 'withdrawn: erased'")
    }
    assert notes
    assert all(longer in str(note) and f"not {email}" not in str(note) for note in notes)


def river_change(river: River, statement: str, **bound: object) -> None:
    with river.engine.begin() as connection:
        connection.execute(sa.text(statement), bound)


def test_a_table_that_nobody_knows_of_stops_the_erasing(river: River) -> None:
    email = address(river)
    river_change(river, "create table tomorrow (said jsonb)")
    river_change(
        river, "insert into tomorrow select jsonb_build_object('who', cast(:email as text))", email=email
    )
    with pytest.raises(erasing.Incomplete, match=r"tomorrow\.said") as refused:
        erase(river, email)
    assert email not in str(refused.value)
    assert "inbox" in left(river, email)


def test_reports_on_disk_are_written_over(river: River, tmp_path: Path) -> None:
    email = address(river)
    (tmp_path / "run").mkdir()
    page, picture = tmp_path / "run" / "page.html", tmp_path / "run" / "picture.png"
    page.write_text(f"<td>{email}</td><a href='?q={email.replace('@', '%40').upper()}'>other</a>")
    picture.write_bytes(b"\x89PNG\xff" + email.encode())
    done = erase(river, email, tmp_path)
    assert page.read_text() == "<td>erased</td><a href='?q=erased'>other</a>"
    assert not picture.exists()
    assert (done.searched.left, done.searched.files) == (0, 1)


def test_a_replay_says_that_the_person_was_erased(river: River) -> None:
    email = address(river)
    lead = rows(
        river, "select survivor_id from lead join lead_key using (lead_id) where value = :e", e=email
    )[0][0]
    erase(river, email)
    with river.engine.connect() as connection:
        (one, *_) = replay.of_lead(connection, lead)
        assert replay.newest(connection)
        assert replay.finding(connection).count == 0
    assert "the person was erased" in "\n".join(replay.lines(one))


def test_two_at_once_are_one_after_the_other(river: River) -> None:
    email = address(river)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: erase(river, email), range(2)))
    assert sorted(done.tombstones > 0 for done in both) == [False, True]
    assert left(river, email) == []


def test_without_the_key_no_run_goes_on(river: River) -> None:
    erase(river, address(river), key=Key("from the connection", kept=False))
    with pytest.raises(LookupError, match="no connection clearlane_privacy"):
        river.run(None, run_id="keyless", as_of=END)
    other = replace(river, secrets=lambda name: "http://:another@")
    with pytest.raises(KeyMissing, match="come back"):
        other.run(None, run_id="other key", as_of=END)
    same = replace(river, secrets=lambda name: "http://:from%20the%20connection@")
    same.run(None, run_id="right key", as_of=END)


def test_the_command_tries_erases_and_verifies(
    river: River, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    email = address(river)
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("CLEARLANE_DATA_DOCS", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_CLEARLANE_PRIVACY", "http://:secret@")

    def called(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["erase", email, *arguments])

    who = ("--by", "dpo", "--because", "asked")
    assert called("--verify").exit_code == 1
    assert "nothing was changed" in called(*who, "--dry-run").output
    assert "inbox" in left(river, email)
    done = called(*who)
    assert (done.exit_code, "0 found in" in done.output) == (0, True), done.output
    assert "delete by hand" in done.output
    assert email not in done.output
    again = called("--verify")
    assert (again.exit_code, "no folder" in again.output) == (0, False)
    monkeypatch.delenv("CLEARLANE_DATA_DOCS")
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    assert "no folder of Data Docs and reports was searched" in called("--verify").output


def test_every_record_of_the_person_goes(river: River) -> None:
    several = """
    select survivor_id, min(k.value), count(distinct l.lead_id) from lead l join lead_key k using (lead_id)
    where k.kind = 'email' and k.current group by 1 having count(distinct l.lead_id) > 1 order by 3 desc, 2 limit 1
    """
    survivor, email, count = rows(river, several)[0]
    done = erase(river, str(email))
    places = "select place, reason, count(*) from place join lead using (lead_id) where survivor_id = :id group by 1, 2"
    assert rows(river, places, id=survivor) == [("closed", "erased", count)]
    assert sum(" leads " in record for record in done.records) == count


def test_a_name_and_a_number_in_what_people_wrote_go(river: River) -> None:
    alone = """
    select k.value, r.attributes ->> 'phone',
           concat_ws(' ', r.attributes ->> 'first_name', r.attributes ->> 'last_name')
    from lead_key k join lead_revision r using (lead_id)
    where k.kind = 'email' and k.current and r.attributes ? 'phone' and r.attributes ->> 'last_name' not in (
        select o.attributes ->> 'last_name' from lead_revision o
        where o.lead_id <> r.lead_id and o.attributes ? 'last_name')
    order by 1 limit 1
    """
    email, phone, name = (str(value) for value in rows(river, alone)[0])
    said = f"{name.upper()} asked; call {phone}\nor {name}, not {name}sen"
    river_change(
        river,
        "insert into incident (key, because, opened_at, seen_at) values ('k', :said, :at, :at)",
        said=said,
        at=END,
    )
    erase(river, email)
    because = str(rows(river, "select because from incident where key = 'k'")[0][0])
    assert phone not in because
    assert because.lower().count(name.lower()) == 1, "only as a part of another name"

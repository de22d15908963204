"""Promises kept: clocks that warn, breach, pause; the log of the watch; mails; answered links; incidents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CLOCK_INDEXES = {
    "sla_clock_warn_ix": (
        "warn_at",
        "warned_at is null and (met_at is null or met_at > warn_at) and (ended_at is null or ended_at > warn_at)",
    ),
    "sla_clock_due_ix": (
        "due_at",
        "breached_at is null and (met_at is null or met_at > due_at) and (ended_at is null or ended_at > due_at)",
    ),
    "sla_clock_breached_ix": (
        "clock_id",
        "met_at is null and ended_at is null and breached_at is not null",
    ),
    "sla_clock_unverified_ix": ("clock_id", "unverified_since is not null"),
}
_LAST_DECISION = "coalesce(pg_sequence_last_value('decision_seq'), 0)"


def _time(name: str, comment: str | None = None, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _text(name: str, comment: str | None = None, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def _number(name: str, comment: str | None = None) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), nullable=True, comment=comment)


def _id(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _detail(name: str, comment: str | None = None) -> "sa.Column[object]":
    return sa.Column(name, JSONB(), server_default="{}", nullable=False, comment=comment)


def _lead(*, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column("lead_id", sa.UUID(), nullable=nullable)


def _of(table: str, column: str, other: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other or column.removesuffix('_id')}.{column}"], name=op.f(f"{table}_{column}_fk")
    )


def upgrade() -> None:
    op.create_index(op.f("outcome_seq_ix"), "outcome", ["seq"])
    op.create_index(
        "outcome_touch_ix",
        "outcome",
        ["occurred_at"],
        postgresql_where=sa.text("kind in ('first_touch', 'meeting', 'accepted')"),
    )
    _widen_clocks()
    _create_log()
    _create_mail()
    op.create_table(
        "link_use",
        _text("token_hash", "SHA-256 of the signed token: it is never kept itself"),
        _lead(),
        _text("rep_id"),
        _text("answer", "accept or decline"),
        _text("reason", nullable=True),
        _time("used_at"),
        _of("link_use", "lead_id"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("link_use_pk")),
        comment="Links of mails that were answered, each once.",
    )
    op.create_index(op.f("link_use_lead_id_ix"), "link_use", ["lead_id"])
    op.create_table(
        "incident",
        _id("incident_id"),
        _text("key", "what is wrong: one open incident each"),
        _text("because"),
        _time("opened_at"),
        _time("seen_at", "last found so"),
        _time("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("incident_pk")),
        comment="What is wrong with the pipeline itself.",
    )
    op.create_index(
        "incident_open_ix", "incident", ["key"], unique=True, postgresql_where=sa.text("closed_at is null")
    )


def _widen_clocks() -> None:
    for column in (
        sa.Column(
            "step",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="of a follow-up: which attempt; else 1",
        ),
        _text("place", "of a queue: where the lead waits", nullable=True),
        _time("warn_at", "null: never warned", nullable=True),
        _time("reassign_at", "null: never taken away", nullable=True),
        sa.Column(
            "met_late",
            sa.Boolean(),
            nullable=True,
            comment="met by a touch that was logged over 24 h after it happened",
        ),
        _time("warned_at", "the moment of the run that warned", nullable=True),
        _time("breached_at", "the moment of the run that found it past due and untouched", nullable=True),
        _time("unverified_since", "past due, its source not read since; null: verified", nullable=True),
        _time("paused_at", "stands still since; null: runs", nullable=True),
        _text("paused_because", nullable=True),
    ):
        op.add_column("sla_clock", column)
    op.alter_column(
        "sla_clock",
        "kind",
        comment="arrival, assignment, accept; queue: a place that is no rep; follow_up",
    )
    for index, (indexed, where) in _CLOCK_INDEXES.items():
        op.create_index(index, "sla_clock", [indexed], postgresql_where=sa.text(where))
    op.drop_constraint("sla_clock_decision_kind_key", "sla_clock")
    op.create_unique_constraint(
        "sla_clock_decision_kind_step_key", "sla_clock", ["decision_seq", "kind", "step"]
    )


def _create_log() -> None:
    op.create_table(
        "sla_owed",
        sa.Column("clock_id", sa.BigInteger(), nullable=False),
        _time("since"),
        _text("rep_id", "null: a queue owed it", nullable=True),
        _text("team", nullable=True),
        _text("place"),
        _of("sla_owed", "clock_id", "sla_clock"),
        sa.PrimaryKeyConstraint("clock_id", "since", name=op.f("sla_owed_pk")),
        comment="Who owed a promise from a moment on, until the next row of the clock.",
    )
    op.create_table(
        "sla_event",
        _id("event_id"),
        _number("clock_id"),
        _lead(),
        _text(
            "kind",
            "warn, breach, reassign, escalate_manager, escalate_head, suspend, time_out, exhausted,"
            " unverified, verified, withdrawn (a breach that a touch in time, logged later, belies)",
        ),
        _time("occurred_at", "the moment in business time at which it fell due"),
        _time("noted_at", "the moment of the run that noted it"),
        _text("rep_id", "who owed it then", nullable=True),
        _text("team", nullable=True),
        _text("to_rep_id", "who is told, beside the rep", nullable=True),
        _text("cause", "no_one_eligible, rep_silent, pipeline_late, crm_late", nullable=True),
        _detail("detail"),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        _of("sla_event", "clock_id", "sla_clock"),
        _of("sla_event", "lead_id"),
        _of("sla_event", "batch_id"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("sla_event_pk")),
        sa.UniqueConstraint(
            "clock_id",
            "kind",
            "rep_id",
            name="sla_event_clock_kind_rep_key",
            postgresql_nulls_not_distinct=True,
        ),
        comment="What the watch did about promises, each once: the log that alerts and figures are made from.",
    )
    op.create_index(op.f("sla_event_lead_id_ix"), "sla_event", ["lead_id"])
    _create_pause()
    op.create_index("sla_event_noted_ix", "sla_event", ["noted_at"])
    op.create_index(
        "sla_event_rep_ix",
        "sla_event",
        ["rep_id", "occurred_at"],
        postgresql_where=sa.text("kind = 'breach'"),
    )
    op.create_table(
        "suspension",
        _id("suspension_id"),
        _text("rep_id"),
        _text("because"),
        _time("began_at"),
        _time("until", "when the rep takes turns again"),
        sa.Column(
            "begun_seq",
            sa.BigInteger(),
            server_default=sa.text(_LAST_DECISION),
            nullable=False,
            comment="the last decision number given out when this was written: later ones knew it",
        ),
        _number("ended_seq", "the last decision number given out when somebody ended it early"),
        _time("ended_at", nullable=True),
        _text("ended_because", nullable=True),
        sa.PrimaryKeyConstraint("suspension_id", name=op.f("suspension_pk")),
        sa.UniqueConstraint("rep_id", "began_at", name="suspension_rep_began_key"),
        comment="Reps who take no turns for a time because they were silent too often.",
    )


def _create_pause() -> None:
    op.create_table(
        "pause",
        _id("pause_id"),
        _lead(),
        _text("key", "what asked for it: an activity, or a person and the moment; asked once"),
        _text("because"),
        _text("by", "null: the lead itself, by an activity", nullable=True),
        _time("began_at"),
        _time("until"),
        _time("ended_at", "when somebody ended it before `until`", nullable=True),
        _of("pause", "lead_id"),
        sa.PrimaryKeyConstraint("pause_id", name=op.f("pause_pk")),
        sa.UniqueConstraint("key", name=op.f("pause_key_key")),
        comment="Times in which the promises to a lead stand still, because it asked for a later date.",
    )
    op.create_index(op.f("pause_lead_id_ix"), "pause", ["lead_id"])


def _create_mail() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("mail_claim_seq")))
    op.create_table(
        "mail",
        _id("mail_id"),
        _text("key", "what it is about and whom it is for: owed once, whoever asks"),
        _text("kind", "notice, warn, breach, ..., digest, publish, incident: a template's name"),
        _text("person", "id in teams.yaml, or a role"),
        _text("address"),
        _text(
            "urgency",
            "now: never waits; soon: may be joined with others; quiet: waits for quiet hours to end",
        ),
        _lead(nullable=True),
        _number("clock_id"),
        _number("decision_seq"),
        _detail("facts", "what the template says, beyond what the ledger says when it is sent"),
        _time("send_after"),
        _time("expires_at", "not sent any more from then on", nullable=True),
        sa.Column("state", sa.Text(), server_default="owed", nullable=False),
        _number("digest_id", "the mail that it was joined into"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _time("next_attempt_at", nullable=True),
        _number("claimed_by", "number of the last claim: it fences who comes late"),
        _time("claimed_until", nullable=True),
        _time("begun_at", "since then the mail server may have it, whatever we heard", nullable=True),
        sa.Column(
            "again",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="sent once more, marked as such",
        ),
        _time("sent_at", nullable=True),
        _text("message_id", nullable=True),
        _text("error", nullable=True),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.Column(
            "owed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('owed', 'sent', 'joined', 'refused', 'dead', 'expired', 'dropped')",
            name=op.f("mail_state_check"),
        ),
        sa.CheckConstraint("urgency in ('now', 'soon', 'quiet')", name=op.f("mail_urgency_check")),
        _of("mail", "lead_id"),
        _of("mail", "clock_id", "sla_clock"),
        _of("mail", "decision_seq", "decision"),
        _of("mail", "batch_id"),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("mail_pk")),
        sa.UniqueConstraint("key", name=op.f("mail_key_key")),
        comment="Mails owed to people, one row each.",
    )
    op.create_index(op.f("mail_lead_id_ix"), "mail", ["lead_id"])
    op.create_index("mail_owed_ix", "mail", ["send_after"], postgresql_where=sa.text("state = 'owed'"))
    op.create_index("mail_person_ix", "mail", ["person", "sent_at"])
    op.create_index(
        "mail_digest_ix", "mail", ["digest_id"], postgresql_where=sa.text("digest_id is not null")
    )
    op.create_table(
        "bounce",
        _id("bounce_id"),
        _text("address"),
        _text("because"),
        _time("noted_at"),
        _time("ended_at", "since then it is written to again", nullable=True),
        sa.PrimaryKeyConstraint("bounce_id", name=op.f("bounce_pk")),
        comment="Addresses that mails came back from: the manager is written to instead.",
    )
    op.create_index(
        "bounce_open_ix", "bounce", ["address"], unique=True, postgresql_where=sa.text("ended_at is null")
    )


def downgrade() -> None:
    op.drop_index("outcome_touch_ix", "outcome")
    op.drop_index(op.f("outcome_seq_ix"), "outcome")
    for name in ("incident", "link_use", "bounce", "mail", "suspension", "sla_event", "sla_owed", "pause"):
        op.drop_table(name)
    op.execute(sa.schema.DropSequence(sa.Sequence("mail_claim_seq")))
    op.execute("delete from sla_clock where kind in ('queue', 'follow_up')")
    op.drop_constraint("sla_clock_decision_kind_step_key", "sla_clock")
    op.create_unique_constraint("sla_clock_decision_kind_key", "sla_clock", ["decision_seq", "kind"])
    op.alter_column("sla_clock", "kind", comment="arrival, assignment or accept")
    for name in (
        "paused_because", "paused_at", "unverified_since", "breached_at", "warned_at", "met_late",
        "reassign_at", "warn_at", "place", "step",
    ):  # fmt: skip
        op.drop_column("sla_clock", name)

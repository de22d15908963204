"""Writes that are claimed for a time, scores without a decision, and how each system may be written to."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATES = "state in ('owed', 'sent', 'superseded', 'dead'{})"


def _time(name: str, comment: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment)


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("push_claim_seq")))
    for column in (
        sa.Column(
            "score_id",
            sa.BigInteger(),
            nullable=True,
            comment="whose score, band, grade and stage it carries",
        ),
        sa.Column(
            "claimed_by",
            sa.BigInteger(),
            nullable=True,
            comment="number of the last claim: it fences who comes late",
        ),
        _time("claimed_until", "in flight until then, unless noted before"),
        _time("begun_at", "since then the source may have it, whatever we heard"),
        sa.Column("note", sa.Text(), nullable=True, comment="what was left out or done by hand, and why"),
        sa.Column("by", sa.Text(), nullable=True, comment="who retried or dropped it"),
        sa.Column(
            "sent_revision",
            sa.BigInteger(),
            nullable=True,
            comment="newest revision of the record then: an owner in it is older",
        ),
    ):
        op.add_column("outbox", column)
    op.create_foreign_key("outbox_score_id_fk", "outbox", "score", ["score_id"], ["score_id"])
    op.alter_column("outbox", "batch_id", nullable=True)
    op.alter_column("outbox", "decision_seq", comment="null: a score only")
    op.alter_column("outbox", "attempts", comment="sendings that count against it")
    op.drop_constraint("outbox_state_check", "outbox")
    op.create_check_constraint(op.f("outbox_state_check"), "outbox", _STATES.format(", 'dropped'"))
    op.create_index("outbox_record_ix", "outbox", ["external_id", "source", "object", "outbox_id"])
    op.execute(
        "update outbox x set score_id = d.score_id from decision d where d.decision_seq = x.decision_seq"
    )
    op.create_table(
        "push_state",
        sa.Column("source", sa.Text(), nullable=False),
        _time("next_request_at", "the first moment that no request has taken yet"),
        _time("paused_until", "the source asked to be left alone"),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="of the source as a whole, in a row",
        ),
        _time("open_until", "after too many failures nothing is sent until then"),
        sa.Column("error", sa.Text(), nullable=True, comment="of the last failure"),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("push_state_pk")),
        comment="How each system may be written to at the moment; shared by all who write to it.",
    )


def downgrade() -> None:
    op.drop_table("push_state")
    op.execute("delete from outbox where batch_id is null")
    op.execute("update outbox set state = 'superseded' where state = 'dropped'")
    op.drop_index("outbox_record_ix", "outbox")
    op.drop_constraint("outbox_state_check", "outbox")
    op.create_check_constraint(op.f("outbox_state_check"), "outbox", _STATES.format(""))
    op.alter_column("outbox", "decision_seq", comment=None)
    op.alter_column("outbox", "attempts", comment=None)
    op.alter_column("outbox", "batch_id", nullable=False)
    op.drop_constraint("outbox_score_id_fk", "outbox")
    for name in ("sent_revision", "by", "note", "begun_at", "claimed_until", "claimed_by", "score_id"):
        op.drop_column("outbox", name)
    op.execute(sa.schema.DropSequence(sa.Sequence("push_claim_seq")))

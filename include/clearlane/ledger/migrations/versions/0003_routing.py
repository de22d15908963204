"""What people decide by hand, and why a lead is routed again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KINDS = "band, match, decline, breach, departure, override"
_ALL_KINDS = f"{_KINDS}, stage, owner, retry, pool_age; assign, claim, release: done by hand"


def upgrade() -> None:
    _decided("live", "shadow", "hand")
    _say(_ALL_KINDS, _KINDS)
    _handle_events()
    _return_turns()
    op.add_column(
        "place",
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="waits until then: the first live run from then on routes it",
        ),
    )


def _handle_events() -> None:
    op.add_column(
        "routing_event",
        sa.Column(
            "handled_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the last decision number given out when it was handled: later ones knew it; null: no effect",
        ),
    )
    op.create_index(
        "routing_event_open_ix",
        "routing_event",
        ["occurred_at"],
        postgresql_where=sa.text("handled_batch is null"),
    )
    op.add_column(
        "decision",
        sa.Column(
            "event_id",
            sa.BigInteger(),
            nullable=True,
            comment="what called for it, where that is an event",
        ),
    )
    op.create_foreign_key("decision_event_id_fk", "decision", "routing_event", ["event_id"], ["event_id"])


def _return_turns() -> None:
    op.drop_constraint(op.f("turn_decision_seq_fk"), "turn", type_="foreignkey")
    op.alter_column(
        "turn",
        "decision_seq",
        comment="of the decision; a return has a number of its own",
        existing_type=sa.BigInteger(),
        existing_nullable=False,
    )
    op.add_column(
        "turn",
        sa.Column(
            "returned_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the decision whose turn is given back: once",
        ),
    )
    op.create_unique_constraint(op.f("turn_returned_seq_key"), "turn", ["returned_seq"])
    op.create_foreign_key(
        op.f("turn_returned_seq_fk"), "turn", "decision", ["returned_seq"], ["decision_seq"]
    )


def downgrade() -> None:
    op.drop_column("place", "until")
    _keep_turns()
    op.drop_constraint("decision_event_id_fk", "decision", type_="foreignkey")
    op.drop_column("decision", "event_id")
    op.drop_index("routing_event_open_ix", table_name="routing_event")
    op.drop_column("routing_event", "handled_seq")
    _decided("live", "shadow")
    _say(_KINDS, _ALL_KINDS)


def _keep_turns() -> None:
    op.drop_column("turn", "returned_seq")
    op.execute("delete from turn where kind = 'return'")
    op.alter_column(
        "turn",
        "decision_seq",
        comment=None,
        existing_type=sa.BigInteger(),
        existing_nullable=False,
        existing_comment="of the decision; a return has a number of its own",
    )
    op.create_foreign_key(
        op.f("turn_decision_seq_fk"), "turn", "decision", ["decision_seq"], ["decision_seq"]
    )


def _decided(*modes: str) -> None:
    name = op.f("decision_mode_check")
    op.drop_constraint(name, "decision", type_="check")
    op.create_check_constraint(name, "decision", f"mode in ({', '.join(map(repr, modes))})")


def _say(kinds: str, before: str) -> None:
    op.alter_column(
        "routing_event",
        "kind",
        comment=kinds,
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment=before,
    )

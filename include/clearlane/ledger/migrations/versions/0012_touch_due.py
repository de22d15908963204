"""Leads of which a touch, a promise or an owner is new; what every sweep looks for among all clocks."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Every open promise to a lead with a touch is looked at once more.
_OPEN = """
insert into touch_due (lead_id)
select distinct k.lead_id from sla_clock k
join lead own on own.lead_id = k.lead_id join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
where k.met_at is null and k.ended_at is null and o.kind in ('first_touch', 'meeting', 'accepted')
"""
_INDEXES = {
    "sla_clock_paused_ix": ("lead_id", "paused_at is not null and met_at is null and ended_at is null"),
    "sla_clock_follow_up_ix": ("clock_id", "kind = 'follow_up' and ended_at is null"),
}


def upgrade() -> None:
    op.create_table(
        "touch_due",
        sa.Column("due_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("due_id", name=op.f("touch_due_pkey")),
        comment="Leads of which a touch, a promise or an owner is new, until a run has held one against the other.",
    )
    op.execute(_OPEN)
    for name, (column, only) in _INDEXES.items():
        op.create_index(name, "sla_clock", [column], postgresql_where=sa.text(only))


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, table_name="sla_clock")
    op.drop_table("touch_due")

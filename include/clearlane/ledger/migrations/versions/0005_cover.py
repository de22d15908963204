"""Who covers for whom: leads in working contact while their owner is away."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LAST_DECISION = "coalesce(pg_sequence_last_value('decision_seq'), 0)"


def upgrade() -> None:
    op.create_table(
        "cover",
        sa.Column("cover_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("rep_id", sa.Text(), nullable=False, comment="the owner, who is away and stays the owner"),
        sa.Column(
            "cover_rep_id", sa.Text(), nullable=False, comment="who gets alerts and inquiries meanwhile"
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="when the owner is back"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column(
            "begun_seq",
            sa.BigInteger(),
            server_default=sa.text(_LAST_DECISION),
            nullable=False,
            comment="the last decision number given out when this was written: later ones knew it",
        ),
        sa.Column(
            "ended_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the last decision number given out when this ended: open until then",
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("cover_lead_id_fk")),
        sa.PrimaryKeyConstraint("cover_id", name=op.f("cover_pk")),
        comment="Who covers for the owner of a lead while the owner is away.",
    )
    op.create_index(op.f("cover_lead_id_ix"), "cover", ["lead_id"], unique=False)
    op.create_index(
        "cover_open_ix", "cover", ["lead_id"], unique=True, postgresql_where=sa.text("ended_at is null")
    )


def downgrade() -> None:
    op.drop_table("cover")

"""What people say on whether two records are one person, and what bringing records together changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_verdict",
        sa.Column("verdict_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("other_id", sa.UUID(), nullable=False, comment="the greater id"),
        sa.Column(
            "verdict", sa.Text(), nullable=False, comment="same: they are one person; apart: they are two"
        ),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_batch", sa.UUID(), nullable=True),
        sa.CheckConstraint(
            "verdict in ('same', 'apart', 'withdraw')", name=op.f("person_verdict_verdict_check")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("person_verdict_lead_id_fk")),
        sa.ForeignKeyConstraint(["other_id"], ["lead.lead_id"], name=op.f("person_verdict_other_id_fk")),
        sa.ForeignKeyConstraint(
            ["taken_batch"], ["batch.batch_id"], name=op.f("person_verdict_taken_batch_fk")
        ),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("person_verdict_pk")),
        comment="What people said on whether two records are one person; of each pair the latest counts.",
    )
    op.create_index(op.f("person_verdict_lead_id_ix"), "person_verdict", ["lead_id"])
    op.create_index(op.f("person_verdict_other_id_ix"), "person_verdict", ["other_id"])
    op.create_index(
        "person_verdict_new_ix",
        "person_verdict",
        ["verdict_id"],
        postgresql_where=sa.text("taken_batch is null"),
    )
    op.create_table(
        "joining",
        sa.Column("joining_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("members", ARRAY(sa.UUID()), nullable=False, comment="records that were brought together"),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "seq",
            sa.BigInteger(),
            nullable=False,
            comment="the last decision number given out then: later decisions knew it",
        ),
        sa.Column(
            "undone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since then its members are of several persons",
        ),
        sa.PrimaryKeyConstraint("joining_id", name=op.f("joining_pk")),
        comment="Owners, promises and places that were brought together because records turned out to be one person.",
    )
    op.create_index(
        "joining_open_ix",
        "joining",
        ["members"],
        postgresql_using="gin",
        postgresql_where=sa.text("undone_at is null"),
    )
    op.create_table(
        "joining_effect",
        sa.Column("joining_id", sa.BigInteger(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=True, comment="the columns that changed; null: the row is new"),
        sa.Column("after", JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["joining_id"], ["joining.joining_id"], name=op.f("joining_effect_joining_id_fk")
        ),
        sa.PrimaryKeyConstraint("joining_id", "relation", "key", name=op.f("joining_effect_pk")),
        comment="What a joining changed, row by row, so that it can be taken back.",
    )


def downgrade() -> None:
    for table in ("joining_effect", "joining", "person_verdict"):
        op.drop_table(table)

"""People who were erased: who asked, what keeps them from coming back, and inbox records emptied for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATES = "state in ('waiting', 'consumed', 'quarantined'{more})"


def upgrade() -> None:
    op.create_table(
        "erasure_key",
        sa.Column("key_id", sa.Text(), nullable=False, comment="tells keys apart without telling them"),
        sa.Column(
            "secret", sa.Text(), nullable=True, comment="null: the connection clearlane_privacy has it"
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("erasure_key_pk")),
        comment="The keys that tombstones are hashed with.",
    )
    op.create_table(
        "erasure",
        sa.Column("erasure_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False, comment="table -> rows"),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("erasure_pk")),
        comment="People who were erased: when, by whom and why, never who.",
    )
    op.create_table(
        "tombstone",
        sa.Column(
            "hash",
            sa.Text(),
            nullable=False,
            comment="HMAC-SHA256 of a record's id, e-mail or phone with name",
        ),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="record, email, email_name or phone_name"),
        sa.Column("erasure_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["erasure_key.key_id"], name=op.f("tombstone_key_id_fk")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.erasure_id"], name=op.f("tombstone_erasure_id_fk")),
        sa.PrimaryKeyConstraint("hash", name=op.f("tombstone_pk")),
        comment="What keeps an erased person from coming back: records that match are dropped on arrival.",
    )
    op.drop_constraint(op.f("inbox_state_check"), "inbox", type_="check")
    op.create_check_constraint(op.f("inbox_state_check"), "inbox", STATES.format(more=", 'erased'"))


def downgrade() -> None:
    op.drop_constraint(op.f("inbox_state_check"), "inbox", type_="check")
    op.execute("update inbox set state = 'consumed' where state = 'erased'")
    op.create_check_constraint(op.f("inbox_state_check"), "inbox", STATES.format(more=""))
    op.drop_table("tombstone")
    op.drop_table("erasure")
    op.drop_table("erasure_key")

"""Writes that a merge owes: whose joining they go with, and what was known when they were owed."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

JOINING = "the merge that owes it, and takes it back when it is taken back"
SEQ = "of a write of no decision: the last decision number given out when it was owed"
REVISION = "of a write of no decision: the newest revision of the record when it was owed"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("joining_id", sa.BigInteger(), nullable=True, comment=JOINING))
    op.add_column("outbox", sa.Column("knew_seq", sa.BigInteger(), nullable=True, comment=SEQ))
    op.add_column("outbox", sa.Column("knew_revision", sa.BigInteger(), nullable=True, comment=REVISION))
    op.create_foreign_key("outbox_joining_id_fk", "outbox", "joining", ["joining_id"], ["joining_id"])
    op.create_index(
        "outbox_joining_ix", "outbox", ["joining_id"], postgresql_where=sa.text("joining_id is not null")
    )
    op.create_index(
        "outbox_merged_ix",
        "outbox",
        ["source", sa.text("(fields ->> 'merged_into')")],
        postgresql_where=sa.text("object = 'merges'"),
    )


def downgrade() -> None:
    op.execute("delete from outbox where joining_id is not null")
    op.drop_index("outbox_merged_ix", "outbox")
    op.drop_index("outbox_joining_ix", "outbox")
    for column in ("joining_id", "knew_seq", "knew_revision"):
        op.drop_column("outbox", column)

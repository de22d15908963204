"""What names a decision is found by it, so that old decisions of shadow runs can go without reading whole tables."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NAMING = ("assignment", "place", "inquiry", "mail", "outbox")


def upgrade() -> None:
    for table in NAMING:
        op.create_index(f"{table}_decision_seq_ix", table, ["decision_seq"])


def downgrade() -> None:
    for table in NAMING:
        op.drop_index(f"{table}_decision_seq_ix", table)

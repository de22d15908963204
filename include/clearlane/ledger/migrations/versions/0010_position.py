"""Where a source's own journal of changes was left."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "where a live run left the source's own journal of changes"
    op.add_column("source_state", sa.Column("position", sa.Text(), nullable=True, comment=comment))


def downgrade() -> None:
    op.drop_column("source_state", "position")

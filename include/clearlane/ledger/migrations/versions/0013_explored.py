"""Which decisions gave a lead to sales that policy would have nurtured, so that the review can learn from it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "the share of leads below the threshold of which this is one, given to sales to learn; null: none of them"
    op.add_column("decision", sa.Column("explored", sa.Double(), nullable=True, comment=comment))


def downgrade() -> None:
    op.drop_column("decision", "explored")

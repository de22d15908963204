"""Leads that were none for their rep, and promotions put off to another day."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "assignment",
        sa.Column(
            "returned_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the last decision number given out when it was found to be no lead for the rep:"
            " the caps of later ones do not count it",
        ),
    )
    op.add_column(
        "routing_event",
        sa.Column(
            "put_off_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a promotion for which its team had no room that day: runs before this moment pass it over",
        ),
    )


def downgrade() -> None:
    op.drop_column("routing_event", "put_off_until")
    op.drop_column("assignment", "returned_seq")

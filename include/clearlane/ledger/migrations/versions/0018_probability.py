"""The chance of conversion beside the points of a score, and in a review the model that may tell it."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NAMED = "scoring, routing, teams, sla, contract or sources"


def upgrade() -> None:
    comment = "chance of conversion; null: the policy has no model of it for the lead"
    op.add_column("score", sa.Column("probability", sa.Double(), nullable=True, comment=comment))
    comment = "the parts of the model that move it most, in words"
    op.add_column("score", sa.Column("probability_because", sa.Text(), nullable=True, comment=comment))
    comment = "the model of probability that may be switched on, JSON; null: none may"
    op.add_column("weight_review", sa.Column("predictive", sa.Text(), nullable=True, comment=comment))
    comment = f"{NAMED}; or a file's that one of them names"
    op.alter_column("policy_file", "name", comment=comment, existing_comment=NAMED)


def downgrade() -> None:
    op.alter_column(
        "policy_file", "name", comment=NAMED, existing_comment=f"{NAMED}; or a file's that one of them names"
    )
    op.drop_column("weight_review", "predictive")
    op.drop_column("score", "probability_because")
    op.drop_column("score", "probability")

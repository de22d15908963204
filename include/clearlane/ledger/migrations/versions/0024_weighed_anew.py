"""Among how many a record's person was looked for, and whose records are to be grouped anew."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was weighed before was asked about by the number that the policy names by default.
    op.add_column(
        "person_alike",
        sa.Column(
            "records",
            sa.BigInteger(),
            server_default="100000",
            nullable=False,
            comment="among how many one was looked for when the two were weighed: a power of ten",
        ),
    )
    op.create_table(
        "person_due",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("person_due_lead_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("person_due_pk")),
        comment="Records that the next runs group anew, because what is merged without asking has changed.",
    )


def downgrade() -> None:
    op.drop_table("person_due")
    op.drop_column("person_alike", "records")

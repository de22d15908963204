"""Records that may be one person, and what speaks for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_block",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("person_block_lead_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", "key", name=op.f("person_block_pk")),
        comment="Keys by which records that may be one person find each other, of each record's newest revision.",
    )
    op.create_index("person_block_key_ix", "person_block", ["key"])
    op.create_table(
        "person_alike",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("other_id", sa.UUID(), nullable=False, comment="the greater id"),
        sa.Column(
            "weight", sa.Double(), nullable=False, comment="of the evidence that they are one person, in bits"
        ),
        sa.Column("evidence", JSONB(), nullable=False, comment="[bits, field, how far it agrees]"),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("person_alike_lead_id_fk")),
        sa.ForeignKeyConstraint(["other_id"], ["lead.lead_id"], name=op.f("person_alike_other_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", "other_id", name=op.f("person_alike_pk")),
        comment="Records that are alike enough to be looked at; what two records weigh depends on the two alone.",
    )
    op.create_index("person_alike_other_ix", "person_alike", ["other_id"])
    op.create_index("person_alike_weight_ix", "person_alike", ["weight"])


def downgrade() -> None:
    for table in ("person_alike", "person_block"):
        op.drop_table(table)

"""What the records of each source were like, day by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quality_profile",
        sa.Column("day", sa.Date(), nullable=False, comment="of the source's time, UTC"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False, comment="'' is the record as a whole"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="records; of a field those looked at"),
        sa.Column(
            "filled", sa.BigInteger(), nullable=False, comment="with a usable value; '': records looked at"
        ),
        sa.Column(
            "unusable", sa.BigInteger(), nullable=False, comment="values emptied; '': records in quarantine"
        ),
        sa.Column("variety", sa.BigInteger(), nullable=False, comment="different values"),
        sa.Column(
            "shape",
            JSONB(),
            server_default="{}",
            nullable=False,
            comment="kind of value -> count; a kind is a hash or a size, never a value",
        ),
        sa.Column(
            "quantiles", ARRAY(sa.Double()), nullable=True, comment="5, 25, 50, 75, 95 % of the numbers"
        ),
        sa.Column(
            "known_seq", sa.BigInteger(), nullable=False, comment="the newest inbox record when it was made"
        ),
        sa.PrimaryKeyConstraint("day", "source", "object", "field", name=op.f("quality_profile_pk")),
        comment="What the records of each source were like, day by day: counts and no value of a record.",
    )


def downgrade() -> None:
    op.drop_table("quality_profile")

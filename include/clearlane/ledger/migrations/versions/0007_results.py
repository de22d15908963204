"""What reps made of leads, measured by the day, for picks by best fit."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "results",
        sa.Column("results_id", sa.Text(), nullable=False, comment="hash of the content"),
        sa.Column(
            "day",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="start of the UTC day: what was known up to then",
        ),
        sa.Column(
            "segment",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="attributes whose values make leads alike",
        ),
        sa.Column(
            "window_days", sa.Integer(), nullable=False, comment="leads given in so many days before count"
        ),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="rows of [values, rep, [offered, accepted, decided, won]]",
        ),
        sa.PrimaryKeyConstraint("results_id", name=op.f("results_pk")),
        sa.UniqueConstraint(
            "day", "segment", "window_days", name=op.f("results_day_segment_window_days_key")
        ),
        comment="What reps made of leads, by segment: measured once a day, read by picks by best fit.",
    )
    op.add_column(
        "decision",
        sa.Column(
            "results_id",
            sa.Text(),
            nullable=True,
            comment="the measured results that the pick compared; null: picked by turn",
        ),
    )
    op.create_foreign_key(
        op.f("decision_results_id_fk"), "decision", "results", ["results_id"], ["results_id"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("decision_results_id_fk"), "decision", type_="foreignkey")
    op.drop_column("decision", "results_id")
    op.drop_table("results")

"""Reviews of the points, and what a person decided about each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_STATUSES = "'nothing', 'proposed', 'approved', 'edited', 'rejected', 'timed_out', 'rolled_back'"


def _text(name: str, comment: str | None = None, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def _time(name: str, comment: str | None = None, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _json(name: str, comment: str) -> "sa.Column[object]":
    return sa.Column(name, JSONB(), nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "weight_review",
        sa.Column("review_id", sa.UUID(), nullable=False, comment="the batch_id of its run"),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        _text("mode", "shadow: a report only, never decided"),
        _time("since", "leads routed from then on are learnt from"),
        _time("until"),
        _time("as_of", "what was known then"),
        sa.Column(
            "horizon_days", sa.Float(), nullable=False, comment="within which an outcome of a lead counts"
        ),
        _text("status"),
        _text("current_hash", "the scoring.yaml that was judged"),
        _text("proposed_text", "scoring.yaml as it would be; null: nothing is proposed", nullable=True),
        _json("changes", "what is proposed, a rule each"),
        _json("bounds", "rule -> the lowest and the highest points that a person may choose"),
        _json("figures", "what was measured, and what the proposal promises, with intervals"),
        _json("reasons", "the verdict in sentences"),
        _text("report", "the page, HTML"),
        _text("refusal", "why the last answer could not be taken; it is asked for again", nullable=True),
        _text("decided_by", "as Airflow knows who answered; null: nobody did", nullable=True),
        _time("decided_at", nullable=True),
        _text("because", "of the decision", nullable=True),
        _text("final_text", "scoring.yaml as it was approved", nullable=True),
        _time("in_force_from", nullable=True),
        _text("published_hash", nullable=True),
        sa.Column(
            "reviewed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("mode in ('live', 'shadow')", name=op.f("weight_review_mode_check")),
        sa.CheckConstraint(f"status in ({_STATUSES})", name=op.f("weight_review_status_check")),
        sa.PrimaryKeyConstraint("review_id", name=op.f("weight_review_pk")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("weight_review_batch_id_fk")),
        *(
            sa.ForeignKeyConstraint([name], ["policy_file.hash"], name=op.f(f"weight_review_{name}_fk"))
            for name in ("current_hash", "published_hash")
        ),
        comment="Reviews of the points, and what a person decided about each.",
    )
    op.create_index(op.f("weight_review_published_hash_ix"), "weight_review", ["published_hash"])


def downgrade() -> None:
    op.drop_table("weight_review")

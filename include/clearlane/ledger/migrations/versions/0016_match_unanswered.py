"""One more cause of a breach: nobody said which company it is."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BEFORE = "no_one_eligible, rep_silent, pipeline_late, crm_late"


def upgrade() -> None:
    op.alter_column("sla_event", "cause", comment=f"{BEFORE}, match_unanswered", existing_comment=BEFORE)


def downgrade() -> None:
    op.alter_column("sla_event", "cause", comment=BEFORE, existing_comment=f"{BEFORE}, match_unanswered")

"""Providers that are paid: what they are asked, what is still open, what was spent, and answers with an age."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

WORK = "revision, activity, account, merge{more}"
STATE = "How each system may be written to{more}"


def upgrade() -> None:
    op.add_column(
        "enrichment",
        sa.Column(
            "turn",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="1: counts ever, later from observed_at",
        ),
    )
    op.add_column(
        "enrichment",
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the moment from which the next turn counts",
        ),
    )
    op.add_column(
        "enrichment",
        sa.Column(
            "asked_key",
            sa.Text(),
            nullable=True,
            comment="hash of what a provider that is paid was asked about",
        ),
    )
    op.drop_constraint(op.f("enrichment_pk"), "enrichment", type_="primary")
    op.create_primary_key(op.f("enrichment_pk"), "enrichment", ["revision_id", "provider", "turn"])
    op.create_index(
        "enrichment_asked_ix",
        "enrichment",
        ["provider", "asked_key"],
        postgresql_where=sa.text("asked_key is not null"),
    )
    op.create_table_comment(
        "enrichment",
        "What a provider added to a lead revision; what it is asked about again is a further turn.",
        existing_comment="What a provider added to a lead revision.",
    )
    op.create_table(
        "enrichment_ask",
        sa.Column("revision_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column(
            "asked_key",
            sa.Text(),
            nullable=False,
            comment="hash of what it is asked about; asks of one key are one request",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="not asked before"),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "claimed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a process is asking, and until then nobody else does",
        ),
        sa.Column(
            "answered_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="until the lead's profile has been written with the answer",
        ),
        sa.Column("because", sa.Text(), nullable=True, comment="why it is still open"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["lead_revision.revision_id"], name=op.f("enrichment_ask_revision_id_fk")
        ),
        sa.PrimaryKeyConstraint("revision_id", "provider", name=op.f("enrichment_ask_pk")),
        comment="What providers that are paid are still to be asked, and answers that no profile holds yet.",
    )
    op.create_index("enrichment_ask_key_ix", "enrichment_ask", ["provider", "asked_key"])
    op.create_index("enrichment_ask_due_ix", "enrichment_ask", ["due_at"])
    op.create_table(
        "provider_day",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC"),
        sa.Column(
            "asked",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="requests begun; never more than the budget",
        ),
        sa.Column("known", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unknown", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("provider", "day", name=op.f("provider_day_pk")),
        comment="What each provider that is paid was asked in a day.",
    )
    _say(WORK.format(more=", waiting, event, suppressed or enrichment"), STATE.format(more=_ALL))


def downgrade() -> None:
    _say(WORK.format(more=" or waiting"), STATE.format(more=_WRITERS))
    op.drop_table("provider_day")
    op.drop_table("enrichment_ask")
    op.create_table_comment("enrichment", "What a provider added to a lead revision.")
    op.drop_index("enrichment_asked_ix", "enrichment")
    op.execute("delete from enrichment where turn > 1")
    op.drop_constraint(op.f("enrichment_pk"), "enrichment", type_="primary")
    op.create_primary_key(op.f("enrichment_pk"), "enrichment", ["revision_id", "provider"])
    for column in ("turn", "until", "asked_key"):
        op.drop_column("enrichment", column)


_ALL = ", or a provider asked, at the moment; shared by all processes."
_WRITERS = " at the moment; shared by all who write to it."


def _say(work: str, state: str) -> None:
    op.alter_column("work", "reason", comment=work)
    op.create_table_comment("push_state", state)

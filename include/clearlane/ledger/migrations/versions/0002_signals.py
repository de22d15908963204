"""What behaviour adds up to, kept; where each lead stands; and from what each score was made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create sequence known_seq")
    op.create_table(
        "counting",
        sa.Column("counting_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="of types, condition, half-life and bucket: not of points or caps",
        ),
        sa.Column("types", postgresql.ARRAY(sa.Text()), nullable=False, comment="activity types that count"),
        sa.Column(
            "condition",
            sa.Text(),
            nullable=True,
            comment="SQL over an activity's columns; null: every activity of the types",
        ),
        sa.Column(
            "bucket", sa.Text(), nullable=False, comment="span (of 32 half-lives), day or each (moment)"
        ),
        sa.Column("half_life_days", sa.Double(), nullable=True, comment="null: does not fade"),
        sa.CheckConstraint("bucket in ('span', 'day', 'each')", name=op.f("counting_bucket_check")),
        sa.PrimaryKeyConstraint("counting_id", name=op.f("counting_pk")),
        sa.UniqueConstraint("fingerprint", name=op.f("counting_fingerprint_key")),
        comment="What a signal counts: one row per way of counting that some version of the model asks for.",
    )
    op.create_table(
        "signal_due",
        sa.Column("due_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "activity_id", sa.UUID(), nullable=True, comment="null: count this record's activities anew"
        ),
        sa.PrimaryKeyConstraint("due_id", name=op.f("signal_due_pk")),
        comment="Activities that no signal holds yet.",
    )
    op.create_index(op.f("signal_due_lead_id_ix"), "signal_due", ["lead_id"], unique=False)
    op.create_table(
        "score_override",
        sa.Column("override_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=True, comment="shown in place of the computed one"),
        sa.Column("band", sa.Text(), nullable=True, comment="in place of the one that the score would give"),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="taken back before `until`"),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.CheckConstraint("score is not null or band is not null", name=op.f("score_override_says_check")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("score_override_lead_id_fk")),
        sa.PrimaryKeyConstraint("override_id", name=op.f("score_override_pk")),
        comment="What a person said a lead is worth, with the reason and until when.",
    )
    op.create_index(op.f("score_override_lead_id_ix"), "score_override", ["lead_id"], unique=False)
    op.create_table(
        "signal",
        sa.Column(
            "lead_id",
            sa.UUID(),
            nullable=False,
            comment="the lead record; a person has those of all its records",
        ),
        sa.Column("counting_id", sa.Integer(), nullable=False),
        sa.Column(
            "bucket",
            sa.BigInteger(),
            nullable=False,
            comment="number of the span, the UTC day or the microsecond",
        ),
        sa.Column("n", sa.Integer(), nullable=False, comment="activities"),
        sa.Column(
            "value",
            sa.Double(),
            nullable=False,
            comment="their weights, each 2^((moment - start of span) / half-life)",
        ),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["counting_id"], ["counting.counting_id"], name=op.f("signal_counting_id_fk"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("lead_id", "counting_id", "bucket", name=op.f("signal_pk")),
        comment="What each lead record has done, counted: sums that only what is new is added to.",
    )
    op.create_table(
        "standing",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="up to when decay is counted"),
        sa.Column("score_id", sa.BigInteger(), nullable=False, comment="the newest history row"),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("fit", sa.Double(), nullable=False),
        sa.Column("engagement", sa.Double(), nullable=False),
        sa.Column("negative", sa.Double(), nullable=False),
        sa.Column("band", sa.Text(), nullable=False),
        sa.Column("band_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column(
            "scored_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was last scored: weights are those of then",
        ),
        sa.Column("policy_hash", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("disqualified", sa.Text(), nullable=True),
        sa.Column("override_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "raised_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the last hand-raise no longer stands",
        ),
        sa.Column(
            "weights",
            postgresql.ARRAY(sa.Double()),
            nullable=True,
            comment="of each rule where something fades; null: only scoring tells what time does",
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.lead_id"], name=op.f("standing_lead_id_fk")),
        sa.ForeignKeyConstraint(["score_id"], ["score.score_id"], name=op.f("standing_score_id_fk")),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("standing_pk")),
        comment="Where each person stands now, decay included: the one row that score_refresh keeps up to date.",
    )
    op.add_column(
        "activity",
        sa.Column(
            "known_seq",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="number of the identity run that wrote it: in the order in which runs committed",
        ),
    )
    op.add_column(
        "batch",
        sa.Column(
            "known_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the activities known when its identity had ended",
        ),
    )
    op.create_index(op.f("batch_known_seq_ix"), "batch", ["known_seq"], unique=False)
    op.create_index(
        "lead_profile_account_ix",
        "lead_profile",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("account_id is not null"),
    )
    op.add_column(
        "score",
        sa.Column(
            "band_before",
            sa.Text(),
            nullable=True,
            comment="of the score before this one; an input of the band",
        ),
    )
    op.add_column("score", sa.Column("band_before_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "score",
        sa.Column(
            "stage_before",
            sa.Text(),
            nullable=True,
            comment="the furthest stage entered before; an input of the stage",
        ),
    )
    op.add_column("score", sa.Column("cycle", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "score",
        sa.Column("cycle_since", sa.DateTime(timezone=True), nullable=True, comment="null: the first cycle"),
    )
    op.add_column(
        "score",
        sa.Column(
            "known_seq", sa.BigInteger(), server_default="0", nullable=False, comment="activities known then"
        ),
    )
    op.add_column(
        "score",
        sa.Column(
            "activities", sa.Integer(), server_default="0", nullable=False, comment="counted until as_of"
        ),
    )
    op.add_column(
        "score",
        sa.Column(
            "members",
            postgresql.ARRAY(sa.UUID()),
            nullable=True,
            comment="the records the person was made of; null: one",
        ),
    )
    op.add_column("score", sa.Column("override_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "score",
        sa.Column(
            "account",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what the other people of the account came to; null: no rule asks",
        ),
    )
    op.create_foreign_key(
        op.f("score_override_id_fk"), "score", "score_override", ["override_id"], ["override_id"]
    )
    for table in ("lead_profile", "assignment"):
        op.add_column(
            table,
            sa.Column(
                "begun_seq",
                sa.BigInteger(),
                server_default="0",
                nullable=False,
                comment="the last decision number given out when this was written: later ones knew it",
            ),
        )
    op.add_column(
        "assignment",
        sa.Column(
            "ended_seq",
            sa.BigInteger(),
            nullable=True,
            comment="the last decision number given out when this ended: open until then",
        ),
    )
    op.execute("update assignment set begun_seq = decision_seq where decision_seq is not null")
    op.execute(
        "update assignment a set ended_seq = coalesce((select min(d.decision_seq) from decision d"
        " where d.lead_id = a.lead_id and d.mode = 'live' and d.decision_seq > a.begun_seq), a.begun_seq)"
        " where ended_at is not null"
    )
    for table in ("lead_profile", "assignment"):
        last = sa.text("coalesce(pg_sequence_last_value('decision_seq'), 0)")
        op.alter_column(table, "begun_seq", server_default=last)
    op.create_table_comment(
        "score",
        "What a lead scored, and from what: a row for each change. The newest score_id of a moment counts.",
        existing_comment="What a lead scored as of a moment under a policy. The newest score_id of a moment counts.",
    )


def downgrade() -> None:
    op.create_table_comment(
        "score",
        "What a lead scored as of a moment under a policy. The newest score_id of a moment counts.",
        existing_comment="What a lead scored, and from what: a row for each change."
        " The newest score_id of a moment counts.",
    )
    op.drop_column("assignment", "ended_seq")
    op.drop_column("assignment", "begun_seq")
    op.drop_column("lead_profile", "begun_seq")
    op.drop_constraint(op.f("score_override_id_fk"), "score", type_="foreignkey")
    op.drop_column("score", "account")
    op.drop_column("score", "override_id")
    op.drop_column("score", "members")
    op.drop_column("score", "activities")
    op.drop_column("score", "known_seq")
    op.drop_column("score", "cycle_since")
    op.drop_column("score", "cycle")
    op.drop_column("score", "stage_before")
    op.drop_column("score", "band_before_since")
    op.drop_column("score", "band_before")
    op.drop_index("lead_profile_account_ix", table_name="lead_profile")
    op.drop_index(op.f("batch_known_seq_ix"), table_name="batch")
    op.drop_column("batch", "known_seq")
    op.drop_column("activity", "known_seq")
    op.drop_table("standing")
    op.drop_table("signal")
    op.drop_index(op.f("score_override_lead_id_ix"), table_name="score_override")
    op.drop_table("score_override")
    op.drop_index(op.f("signal_due_lead_id_ix"), table_name="signal_due")
    op.drop_table("signal_due")
    op.drop_table("counting")
    op.execute("drop sequence known_seq")

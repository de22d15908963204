"""Names of companies that are alike, and what people say on whether a company is an account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "company_block",
        sa.Column("side", sa.Text(), nullable=False, comment="lead or account"),
        sa.Column("name", sa.Text(), nullable=False, comment="normalised name of a company"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("side", "name", "key", name=op.f("company_block_pkey")),
        comment="Keys by which names of leads' companies and of accounts find each other; written once for each name.",
    )
    op.create_index("company_block_key_ix", "company_block", ["key", "side"])
    op.create_table(
        "alike",
        sa.Column("company", sa.Text(), nullable=False, comment="normalised name of leads' companies"),
        sa.Column("name_key", sa.Text(), nullable=False, comment="normalised name of accounts"),
        sa.Column(
            "weight",
            sa.Double(),
            nullable=False,
            comment="of the evidence that they are one company, in nats",
        ),
        sa.Column(
            "evidence",
            JSONB(),
            nullable=False,
            comment="[weight, what, in the lead's name, in the account's]",
        ),
        sa.PrimaryKeyConstraint("company", "name_key", name=op.f("alike_pkey")),
        comment="Names that are alike enough to be looked at; what two names weigh depends on them alone.",
    )
    op.create_index("alike_name_key_ix", "alike", ["name_key"])
    op.create_table(
        "match_verdict",
        sa.Column("verdict_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company", sa.Text(), nullable=False, comment="normalised name of leads' companies"),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_batch", sa.UUID(), nullable=True),
        sa.CheckConstraint(
            "verdict in ('accept', 'refuse', 'withdraw')", name=op.f("match_verdict_verdict_check")
        ),
        sa.ForeignKeyConstraint(
            ["taken_batch"], ["batch.batch_id"], name=op.f("match_verdict_taken_batch_fkey")
        ),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("match_verdict_pkey")),
        comment="What people said on whether a company is an account; of each pair the latest counts.",
    )
    op.create_index(op.f("match_verdict_company_ix"), "match_verdict", ["company"])
    op.create_index(
        "match_verdict_new_ix",
        "match_verdict",
        ["verdict_id"],
        postgresql_where=sa.text("taken_batch is null"),
    )
    op.alter_column("lead", "account_rule", comment="contact, domain, name, person or alike")


def downgrade() -> None:
    op.alter_column("lead", "account_rule", comment="contact, domain or name")
    for table in ("match_verdict", "alike", "company_block"):
        op.drop_table(table)

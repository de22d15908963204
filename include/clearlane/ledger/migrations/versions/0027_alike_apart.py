"""What the words of two names weigh, their legal forms and the most that sisters bear out, each by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_BEFORE = "of the evidence that they are one company, in nats"
_APART = """
update alike a set weight = said.words, forms = said.forms, ceiling = 4.5 + said.beside
from (
    select company, name_key, coalesce(sum(nats) filter (where not of_forms), 0) as words,
           coalesce(sum(nats) filter (where of_forms), 0) as forms,
           sum(nats) filter (where what in ('only the lead', 'only the account', 'instead')) as beside
    from alike cross join lateral (
        select cast(piece ->> 0 as double precision) as nats, piece ->> 1 as what,
               piece ->> 1 in ('same legal form', 'other legal form', 'letter by letter') as of_forms
        from jsonb_array_elements(evidence) piece
    ) pieces group by company, name_key
) said
where (said.company, said.name_key) = (a.company, a.name_key)
"""


def upgrade() -> None:
    """The evidence that was kept says them, to a hundredth."""
    op.add_column(
        "alike",
        sa.Column("forms", sa.Double(), server_default="0", nullable=False, comment="of the legal forms"),
    )
    op.add_column(
        "alike",
        sa.Column(
            "ceiling",
            sa.Double(),
            nullable=True,
            comment="the most that names of sisters bear out; null: they are no sisters",
        ),
    )
    op.execute(_APART)
    op.alter_column(
        "alike", "weight", comment="of the words, for one company, in nats", existing_comment=_BEFORE
    )


def downgrade() -> None:
    op.execute("update alike set weight = least(weight + forms, ceiling + ln(2000.0::float8))")
    op.alter_column("alike", "weight", comment=_BEFORE)
    op.drop_column("alike", "ceiling")
    op.drop_column("alike", "forms")

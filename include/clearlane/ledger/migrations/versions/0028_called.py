"""Phones by which leads and accounts find each other."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_INDEX = "account_revision_phone_ix"
_COMMENTS = {
    ("lead_revision", "keys"): (
        "kind of lead_key -> [values]; and phone, city and address, which are no keys",
        "kind of lead_key -> [values]; and city and address, which are no keys",
    ),
    ("lead_key", "kind"): (
        "email, role_email, email_name, phone_name, domain, company",
        "email, role_email, email_name, phone_name, phone, domain, company",
    ),
}


def upgrade() -> None:
    op.create_index(_INDEX, "account_revision", ["phone"])
    _say(before=0, after=1)


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="account_revision")
    op.execute("delete from lead_key where kind = 'phone'")
    _say(before=1, after=0)


def _say(before: int, after: int) -> None:
    for (table, column), said in _COMMENTS.items():
        op.alter_column(table, column, comment=said[after], existing_comment=said[before])

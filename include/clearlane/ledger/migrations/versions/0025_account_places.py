"""Phone, city and address of accounts, which speak for a match."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_COLUMNS = {
    "phone": "E.164; as given among the attributes",
    "city_key": "normalised city",
    "address_key": "words of the street and number, normalised",
}
_KEYS = "kind of lead_key -> [values]"


def upgrade() -> None:
    """They are null until an account comes with something new: no run has normalised what came before."""
    for name, comment in _COLUMNS.items():
        op.add_column("account_revision", sa.Column(name, sa.Text(), nullable=True, comment=comment))
    _say_of_keys(f"{_KEYS}; and phone, city and address, which are no keys", _KEYS)


def downgrade() -> None:
    _say_of_keys(_KEYS, None)
    for name in _COLUMNS:
        op.drop_column("account_revision", name)


def _say_of_keys(comment: str, before: str | None) -> None:
    op.alter_column("lead_revision", "keys", comment=comment, existing_comment=before)

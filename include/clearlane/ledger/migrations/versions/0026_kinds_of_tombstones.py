"""A phone that was an erased person's alone is a kind of tombstone, too."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_BEFORE = "record, email, email_name or phone_name"
_NOW = "record, email, email_name, phone_name or phone"


def upgrade() -> None:
    op.alter_column("tombstone", "kind", comment=_NOW, existing_comment=_BEFORE)


def downgrade() -> None:
    op.alter_column("tombstone", "kind", comment=_BEFORE, existing_comment=_NOW)

"""The account of which an account is a part."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEX = "account_revision_parent_ix"


def upgrade() -> None:
    """What a source called `parent` so far was kept among the attributes."""
    op.add_column(
        "account_revision",
        sa.Column(
            "parent_external_id",
            sa.Text(),
            nullable=True,
            comment="the account it is a part of, in the same source",
        ),
    )
    op.execute(
        "update account_revision set attributes = attributes - 'parent',"
        " parent_external_id = nullif(btrim(attributes ->> 'parent'), '')"
        " where length(attributes ->> 'parent') <= 500"
    )
    op.create_index(_INDEX, "account_revision", ["source", "parent_external_id"])


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="account_revision")
    op.execute(
        "update account_revision set attributes = attributes || jsonb_build_object('parent', parent_external_id)"
        " where parent_external_id is not null"
    )
    op.drop_column("account_revision", "parent_external_id")

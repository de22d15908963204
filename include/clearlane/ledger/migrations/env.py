"""Alembic's entry: runs on the connection it is handed, under a lock against a second migration."""

import sqlalchemy as sa
from alembic import context

from clearlane.ledger.models import metadata

connection = context.config.attributes["connection"]
connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('clearlane.migrate'))"))
context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()

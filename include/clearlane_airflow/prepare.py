"""Makes Airflow and the ledger ready to start: databases, tables, the login, the first policy.

`python -m clearlane_airflow.prepare`, for the demo and for docker-compose.yaml alike. Everything it needs to know
is in the environment; run again it brings tables up to date and leaves the rest as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa

from clearlane import ledger, policy
from clearlane_airflow.settings import ROOT

PASSWORD = "CLEARLANE_ADMIN_PASSWORD"


def prepare(environment: Mapping[str, str]) -> None:
    """Prepare what `environment` names; raises RuntimeError with what Airflow said where it fails."""
    ledger_url = environment["CLEARLANE_LEDGER_URL"]
    write_login(Path(environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]), environment[PASSWORD])
    migrating = subprocess.Popen(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    create_where_missing(ledger_url)
    ledger.migrate(ledger_url)
    publish_first(ledger_url, ROOT / "include" / "policy")
    said, _ = migrating.communicate()
    if migrating.returncode != 0:
        raise RuntimeError(f"airflow db migrate failed:\n{said[-2000:]}")


def write_login(file: Path, password: str) -> None:
    """Write the password of the user admin where the simple auth manager reads it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"admin": password}))


def create_where_missing(url: str) -> None:
    """Create the database of an address on its server, where it is not there yet and may be created."""
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    server = sa.create_engine(address.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        known = "select 1 from pg_database where datname = :name"
        if connection.scalar(sa.text(known), {"name": address.database}) is None:
            quoted = connection.dialect.identifier_preparer.quote(str(address.database))
            connection.execute(sa.text(f"create database {quoted}"))
    server.dispose()


def publish_first(url: str, folder: Path) -> None:
    """Put a policy folder in force where none ever was; later changes are published by a person."""
    engine = ledger.connect(url)
    with engine.begin() as connection:
        if not policy.in_force(connection, None):
            policy.publish(connection, folder, by="setup", because="the first policy of this ledger")
    engine.dispose()


if __name__ == "__main__":
    prepare(os.environ)

"""The environment in which Airflow runs: settings.env, and what differs from place to place."""

from __future__ import annotations

import os
import socket
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PYTHONPATH = (FOLDER.parent, FOLDER / "config")


def shared() -> dict[str, str]:
    """The settings of settings.env: name → value."""
    lines = (FOLDER / "settings.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def environment(
    *,
    home: Path,
    metadata_url: str,
    ledger_url: str,
    secret: str,
    port: int = 8080,
    dags: Path = ROOT / "dags",
) -> dict[str, str]:
    """Everything a component of Airflow needs to know, on top of the variables of the machine.

    `metadata_url` is the SQLAlchemy address (psycopg2) of Airflow's own database, `ledger_url` that of the
    ledger; `secret` signs the tokens between the components; `port` is the api-server's.
    """
    return {
        **shared(),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_url,
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": secret,
        "AIRFLOW__API__SECRET_KEY": secret,
        "CLEARLANE_LEDGER_URL": ledger_url,
        "CLEARLANE_URL": f"http://localhost:{port}",
        "PYTHONPATH": os.pathsep.join(map(str, PYTHONPATH)),
    }


def log_ports() -> dict[str, str]:
    """Two free ports for the log servers of scheduler and triggerer, so that two Airflows can share a machine."""
    with socket.socket() as one, socket.socket() as other:
        for bound in (one, other):
            bound.bind(("127.0.0.1", 0))
        ports = [str(bound.getsockname()[1]) for bound in (one, other)]
    names = ("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT")
    return dict(zip(names, ports, strict=True))

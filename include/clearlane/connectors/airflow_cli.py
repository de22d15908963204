"""What an installed Airflow knows of a connection, asked through its own command: its secrets backends count too."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path

PATIENCE = 120  # seconds: the command imports Airflow


def connection_uri(airflow: Path, name: str) -> str | None:
    """The connection's URI, credentials included; None where there is no such command or connection."""
    if not airflow.exists():
        return None
    command = [str(airflow), "connections", "get", name, "--output", "json"]
    with suppress(subprocess.TimeoutExpired, ValueError, LookupError):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return str(json.loads(answer.stdout)[0]["get_uri"]) if answer.returncode == 0 else None
    return None

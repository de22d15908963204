"""Whether one part of Airflow is well: `python -m clearlane_airflow.health scheduler`, exit 0 or 1.

Asks the api-server at CLEARLANE_AIRFLOW_URL, which costs a container's health check a fraction of what Airflow's
own command costs. For the api-server it asks for the execution API, which the first question builds.
"""

from __future__ import annotations

import os
import sys

import requests

from clearlane_airflow.rest import Airflow


def well(airflow: Airflow, part: str) -> bool:
    """Whether `part` (api-server, scheduler, triggerer, dag-processor) reports as healthy."""
    if part != "api-server":
        return part.replace("-", "_") not in airflow.unhealthy()
    try:
        airflow.warm()
    except requests.RequestException:
        return False
    return True


if __name__ == "__main__":
    url = os.environ.get("CLEARLANE_AIRFLOW_URL", "http://localhost:8080")
    sys.exit(0 if well(Airflow(url, user="", password=""), sys.argv[1]) else 1)

"""Registers what Clearlane adds to Airflow's UI. Only the api-server loads the pages behind it."""

import sys

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/clearlane/data-docs"
IN_API_SERVER = "api-server" in sys.argv

if IN_API_SERVER:
    from clearlane_airflow.data_docs import app


class ClearlaneUi(AirflowPlugin):
    """Data Docs as a tab of each run."""

    name = "clearlane_ui"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Data Docs"}] if IN_API_SERVER else []
    external_views = [  # noqa: RUF012
        {
            "name": "Data Docs",
            "href": f"{PREFIX}/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "data-docs",
        }
    ]

"""What Clearlane adds to Airflow: pages of its UI, which only the api-server loads, and what deadlines count from."""

import sys

from airflow.plugins_manager import AirflowPlugin

from clearlane_airflow.deadlines import Queued

PREFIX = "/clearlane/data-docs"
ANSWERS = "/clearlane/answers"
REST = "/clearlane"
IN_API_SERVER = "api-server" in sys.argv

if IN_API_SERVER:
    from clearlane_airflow import alive, answers, data_docs


class ClearlaneUi(AirflowPlugin):
    """Data Docs as a tab of each run; the pages behind the links of mails; what a monitor asks."""

    name = "clearlane_ui"
    deadline_references = [Queued]  # noqa: RUF012
    fastapi_apps = (
        [
            {"app": data_docs.app, "url_prefix": PREFIX, "name": "Data Docs"},
            {"app": answers.app, "url_prefix": ANSWERS, "name": "Answers"},
            {"app": alive.app, "url_prefix": REST, "name": "Alive"},  # last: it would take the others' paths
        ]
        if IN_API_SERVER
        else []
    )
    external_views = [  # noqa: RUF012
        {
            "name": "Data Docs",
            "href": f"{PREFIX}/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "data-docs",
        }
    ]

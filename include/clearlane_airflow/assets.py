"""The assets that wake DAGs. An event is a wake-up and never carries a lead: the tables are the queue."""

from airflow.sdk import Asset

INBOX = Asset(name="clearlane_inbox", uri="x-clearlane://ledger/inbox")
OUTBOX = Asset(name="clearlane_outbox", uri="x-clearlane://ledger/outbox")

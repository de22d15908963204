"""The glue between Airflow and the library: assets, defaults, connections, and the tasks of the DAGs."""

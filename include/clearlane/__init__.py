"""Lead scoring and routing: the library behind the DAGs. It imports no Airflow."""

__version__ = "0.1.0"

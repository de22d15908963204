"""`python -m clearlane`: see `clearlane.cli`."""

from clearlane.cli import app

app(prog_name="clearlane")

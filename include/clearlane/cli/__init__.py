"""The command line: try a policy on files, ask the ledger why, work the quarantine, check the promises.

Exit codes: 0 yes, 1 the answer is no (errors found, an invariant broken), 2 the input cannot be read.
"""

from __future__ import annotations

import typer

from clearlane.cli import (
    connectors,
    enrich,
    identity,
    ledger,
    policy,
    privacy,
    project,
    push,
    quality,
    review,
    route,
    score,
    sla,
)

STAGES = {
    "Policy": policy,
    "Ledger": ledger,
    "Connectors": connectors,
    "Quality": quality,
    "Identity": identity,
    "Enrich": enrich,
    "Score": score,
    "Route": route,
    "Push": push,
    "SLA": sla,
    "Review": review,
    "Privacy": privacy,
    "Project": project,
}

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
for title, stage in STAGES.items():
    for entry in (*stage.commands.registered_commands, *stage.commands.registered_groups):
        entry.rich_help_panel = title
    app.add_typer(stage.commands)

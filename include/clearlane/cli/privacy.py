"""`clearlane erase`, `retention` and `suppress`: whom we may know, and for how long."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from clearlane.cli.borders import connection_of, ledger_engine, open_ledger, possible, readable, this_moment
from clearlane.cli.console import err, say, say_all, stop
from clearlane.cli.options import Because

commands = typer.Typer()
suppress_app = typer.Typer(help="Addresses and domains that nobody may contact.", no_args_is_help=True)
commands.add_typer(suppress_app, name="suppress")


@commands.command()
def erase(
    name: Annotated[str, typer.Argument(metavar="EMAIL | LEAD", help="e-mail address, lead id or SOURCE:ID")],
    by: Annotated[str | None, typer.Option(help="who does this")] = None,
    because: Annotated[str | None, typer.Option(help="why; without the person's name")] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="also in the files of this folder; may be given several times")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="say what would go, and change nothing")] = False,
    verify: Annotated[
        bool, typer.Option(help="only search for an e-mail, phone or name; exit 1 where it is found")
    ] = False,
) -> None:
    """Remove a person everywhere, Data Docs and reports included, keep them away, and prove it by a search."""
    from clearlane.privacy import erasing, showing

    folders = [*(folder or ()), *_data_docs()]
    if not folders:
        err.print(showing.NO_FOLDER, soft_wrap=True)
    with possible(), open_ledger() as connection:
        if verify:
            searched = erasing.verify(connection, name, folders)
            say_all(showing.search(searched))
            raise typer.Exit(1 if searched.left else 0)
        if not by or not because:
            stop("--by and --because: say who asks for this and why")
        key = _privacy_key(connection)
        try:
            done = erasing.erase(
                connection, name, by=by, because=because, at=this_moment(), key=key, secrets=connection_of,
                places=() if dry_run else folders,
            )  # fmt: skip
        except erasing.Incomplete as incomplete:
            stop(f"nothing was erased: {incomplete}", code=1)
        if dry_run:
            connection.rollback()
    say_all(showing.erased(done, key, dry_run=dry_run))
    if done.searched.left:
        raise typer.Exit(1)


@commands.command()
def retention(
    dry_run: Annotated[bool, typer.Option(help="count what is too old, and change nothing")] = False,
) -> None:
    """Prune what is older than `retention:` of contract.yaml keeps it, as the DAG does every week."""
    from clearlane import steps
    from clearlane.privacy import showing

    docs_dir = next(iter(_data_docs()), None)
    with ledger_engine() as engine:
        counts = steps.retention(
            engine, this_moment(), key=_privacy_key, secrets=connection_of, docs_dir=docs_dir, dry_run=dry_run
        )
    say_all(showing.pruned(counts, dry_run=dry_run))


@suppress_app.command("import")
def suppress_import(
    file: Annotated[
        Path, typer.Argument(help="CSV or Parquet: email or domain; scope: contact or marketing")
    ],
    because: Because,
) -> None:
    """Put addresses and domains on the list of those whom nobody may contact; the next run follows it."""
    from clearlane.privacy import suppressing, tombstones

    with readable(), possible(), open_ledger() as connection:
        keys = tombstones.keys_in_use(connection, connection_of)
        done = suppressing.load(connection, file, because=because, at=this_moment(), keys=keys)
    say(f"{done.read} read, {done.changed} new or stricter, {done.erased} erased before and not kept")


def _data_docs() -> list[Path]:
    """The folder of Data Docs, as Airflow has it."""
    named = os.environ.get("CLEARLANE_DATA_DOCS")
    home = os.environ.get("AIRFLOW_HOME")
    folder = Path(named) if named else Path(home) / "data_docs" if home else None
    return [folder] if folder and folder.is_dir() else []


def _privacy_key(connection: Any) -> Any:
    """What new tombstones are hashed with: the connection's password, else a secret that the ledger keeps."""
    from secrets import token_hex

    from clearlane.privacy import tombstones

    try:
        address = connection_of(tombstones.CONNECTION)
    except LookupError:
        return tombstones.key_for(connection, None, token_hex(32))
    return tombstones.key_for(connection, tombstones.secret_of(address), token_hex(32))

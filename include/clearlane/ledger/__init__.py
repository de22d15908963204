"""The project's own database: tables, migrations, sessions. The only door to it."""

from clearlane.ledger.batches import (
    Batch,
    Mode,
    batch_of,
    close_batch,
    keep_from_erasing,
    mode_of,
    open_batch,
)
from clearlane.ledger.bulk import copy_frame, copy_out, copy_rows, refresh_statistics, stage_rows, staging
from clearlane.ledger.database import NotMigrated, connect, migrate, require_migrated

__all__ = [
    "Batch",
    "Mode",
    "NotMigrated",
    "batch_of",
    "close_batch",
    "connect",
    "copy_frame",
    "copy_out",
    "copy_rows",
    "keep_from_erasing",
    "migrate",
    "mode_of",
    "open_batch",
    "refresh_statistics",
    "require_migrated",
    "stage_rows",
    "staging",
]

"""Where a source is: the address that policy gives, or the connection it names."""

from __future__ import annotations

from typing import Final

from clearlane.connectors.protocol import Secrets
from clearlane.policy.model import Source

_CONNECTION: Final = "connection:"


def resolved(source: Source, secrets: Secrets) -> str:
    """The address itself; `connection:<name>` is what `secrets` says of that name."""
    if source.address.startswith(_CONNECTION):
        return secrets(source.address.removeprefix(_CONNECTION).strip())
    return source.address

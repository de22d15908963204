"""Where a source is: the address that policy gives, or the connection it names.

An Airflow connection comes as a URI (`type://login:password@host:port/schema?extras`); `placed` reads it for
systems that speak HTTP.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from clearlane.connectors.protocol import Secrets, SourceFailed
from clearlane.policy.model import Source

_CONNECTION: Final = "connection:"
_WEB: Final = ("http", "https")


@dataclass(frozen=True)
class Place:
    """A system that speaks HTTP, and what its connection says beside the host."""

    base: str
    """`https://api.example.com/v3`, without a slash at its end and without credentials"""
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    extras: Mapping[str, str] = field(default_factory=dict, repr=False)


def resolved(source: Source, secrets: Secrets) -> str:
    """The address itself; `connection:<name>` is what `secrets` says of that name."""
    if source.address.startswith(_CONNECTION):
        return secrets(source.address.removeprefix(_CONNECTION).strip())
    return source.address


def placed(source: Source, secrets: Secrets) -> Place:
    """The source's address read as that of a system that speaks HTTP; SourceFailed where it has no host.

    `https` unless a protocol is said: in the address, in the connection's host (`http://crm.example.com`) or as
    its schema. The type of a connection says none; on this machine and for names without a dot it means `http`.
    """
    written = source.address
    text = resolved(source, secrets)
    kind, _, rest = text.partition("://")
    inner, _, after = rest.partition("://")
    said = kind if text == written and kind in _WEB else ""
    if inner in _WEB:
        said, rest = inner, after
    try:
        return _place(urlsplit(f"//{rest}"), said)
    except ValueError:
        pass  # raised below: what the parser says may hold the address
    raise SourceFailed(
        f"source {source.name}: its address is not understood; allowed: https://HOST[:PORT][/PATH]"
    )


def _place(parts: SplitResult, said: str) -> Place:
    # Airflow quotes the host field whole, and writes the port behind it: `https%3A%2F%2Fcrm.example.com%2Fapi:8443`.
    quoted, _, port = _parted(parts.netloc.rpartition("@")[2])
    scheme, separator, bare = unquote(quoted).rpartition("://")
    host, _, beneath = bare.partition("/")
    path = "/".join(filter(None, (beneath.strip("/"), unquote(parts.path).strip("/"))))
    said = scheme if separator else said
    if path in _WEB:  # an Airflow connection of type http keeps the protocol in its schema
        said, path = path, ""
    where = f"{host}:{port}" if port else host
    name = urlsplit(f"//{where}").hostname
    if not name or urlsplit(f"//{where}").port == 0:
        raise ValueError("no host")
    base = f"{said or _protocol(name)}://{where}" + (f"/{path}" if path else "")
    return Place(base, _decoded(parts.username), _decoded(parts.password), _extras(parts.query))


def _parted(authority: str) -> tuple[str, str, str]:
    """Host, colon and port; a bracketed IPv6 address holds colons of its own."""
    return (
        (authority, "", "") if authority.endswith("]") or ":" not in authority else authority.rpartition(":")
    )


def _protocol(host: str) -> str:
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = "." not in host
    return "http" if here else "https"


def _decoded(text: str | None) -> str | None:
    return unquote(text) if text else None


def _extras(query: str) -> dict[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    nested = json.loads(found.pop("__extra__", "") or "{}")
    return found | {str(name): str(value) for name, value in dict(nested).items() if value is not None}


def uri(connection: Mapping[str, Any]) -> str:
    """An Airflow connection written as JSON (`conn_type, host, login, password, port, schema, extra`) as its URI."""
    said = {name: "" if value is None else str(value) for name, value in connection.items()}
    user = f"{quote(said.get('login', ''), safe='')}:{quote(said.get('password', ''), safe='')}@"
    port = f":{said['port']}" if said.get("port") else ""
    extra = connection.get("extra") or {}
    nested = extra if isinstance(extra, str) else json.dumps(extra)
    where = quote(said.get("host", ""), safe="") + port
    schema, query = quote(said.get("schema", ""), safe=""), urlencode({"__extra__": nested})
    return f"{said.get('conn_type') or 'generic'}://{user}{where}/{schema}?{query}"

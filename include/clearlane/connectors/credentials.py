"""How a source is told who asks: bearer token, basic, header, query parameter, OAuth 2 with renewal.

Nothing here shows a secret: no repr, no message, no log.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from requests import PreparedRequest
from requests.auth import AuthBase

Fetch = Callable[[str, Mapping[str, str], AuthBase], Mapping[str, Any]]
"""(address, form, credentials) -> the answer of a token request, which holds an `access_token`"""

EARLY: Final = (
    60.0  # seconds before its end at which a token is renewed: a request under way must not outlive it
)


class Auth(AuthBase):
    """Credentials that are put on each request. Those that end are fetched before, and renewed when refused."""

    def ready(self, fetch: Fetch, now: float) -> None:
        """See to it that the next request has credentials that hold; `now` is of a monotonic clock, in seconds."""

    def renew(self, fetch: Fetch, now: float) -> bool:
        """Whether new credentials were got for those that were just refused."""
        return False


class Open(Auth):
    """No credentials; also none of a .netrc."""

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        return r


@dataclass(frozen=True)
class Bearer(Auth):
    token: str = field(repr=False)
    scheme: str = "Bearer"

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers["Authorization"] = f"{self.scheme} {self.token}"
        return r


@dataclass(frozen=True)
class Basic(Auth):
    """RFC 7617, in UTF-8; some systems take an API key as the user with an empty password."""

    user: str = field(repr=False)
    password: str = field(default="", repr=False)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        pair = f"{self.user}:{self.password}".encode()
        r.headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        return r


@dataclass(frozen=True)
class Header(Auth):
    """A key in a header of its own: `Api-Token`, or `Authorization` as `Token token=…`."""

    name: str
    value: str = field(repr=False)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers[self.name] = self.value
        return r


@dataclass(frozen=True)
class Query(Auth):
    """A key as a parameter of the address."""

    name: str
    value: str = field(repr=False)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        parts = urlsplit(r.url or "")
        key = urlencode({self.name: self.value})
        r.url = str(urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, key))))))
        return r


class OAuth(Auth):
    """OAuth 2: client credentials, or a refresh token (RFC 6749, sections 4.4 and 6).

    The token is fetched at the first request, renewed `EARLY` seconds before its end and once when it is refused. A
    refresh token that the answer replaces is kept for this process: where a vendor rotates them at each use, give
    client credentials instead.
    """

    def __init__(
        self,
        address: str,
        client_id: str,
        client_secret: str,
        *,
        refresh_token: str | None = None,
        scope: str | None = None,
        basic: bool = False,
        token: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._address, self._basic = address, basic
        self._client = {"client_id": client_id, "client_secret": client_secret}
        self._form = {"grant_type": "client_credentials", **(extra or {})}
        if refresh_token:
            self._form |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
        if scope:
            self._form["scope"] = scope
        self._token, self._ends = token, float("inf")
        self._lock = Lock()
        self.said: Mapping[str, Any] = {}
        """what the last answer said beside the tokens: `instance_url`, `scope` …"""

    def __repr__(self) -> str:
        return "OAuth()"

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r

    def ready(self, fetch: Fetch, now: float) -> None:
        with self._lock:
            if self._token is None or now >= self._ends:
                self._fetched(fetch, now)

    def renew(self, fetch: Fetch, now: float) -> bool:
        with self._lock:
            self._fetched(fetch, now)
        return True

    def _fetched(self, fetch: Fetch, now: float) -> None:
        user = Basic(self._client["client_id"], self._client["client_secret"]) if self._basic else Open()
        answer = fetch(self._address, self._form if self._basic else self._form | self._client, user)
        self._token = answer["access_token"]
        self._ends = now + _lasts(answer.get("expires_in")) - EARLY
        if "refresh_token" in self._form and answer.get("refresh_token"):
            self._form["refresh_token"] = str(answer["refresh_token"])
        self.said = {name: value for name, value in answer.items() if not name.endswith("token")}


def _lasts(expires_in: object) -> float:
    """Seconds; a token without an end is used until it is refused. Half of a short one is spent, not all of it."""
    try:
        seconds = float(str(expires_in))
    except ValueError:
        return float("inf")
    return max(seconds, 2 * EARLY)

"""The way to Salesforce: simple-salesforce logs in and forms the requests, our own client sends them.

So every request has time-outs, retries and a bound, a session that ended is renewed mid-run, credentials go to the
connection's host alone, and what is refused is said by its codes: messages of Salesforce quote records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest

from clearlane.connectors.address import Place
from clearlane.connectors.credentials import Auth, Fetch
from clearlane.connectors.http import Answer, Http, Patience, Refused
from clearlane.connectors.protocol import SourceFailed

NOT_ASSIGNED: Final = {"Sforce-Auto-Assign": "FALSE"}
"""without it REST runs the active assignment rules on every update of a lead, case or account (REST API Developer
Guide, Assignment Rule Header)"""
EXHAUSTED: Final = 900.0
"""seconds for which an organisation without requests is left alone: its 24 hours roll, some come back"""
CROWDED: Final = 60.0
"""seconds for which one is left alone that has too many long requests under way at once"""
HELD_BACK: Final = "held-back"  # what simple-salesforce holds in place of the session id
_AGAIN: Final = ("GET", "PATCH")  # what is uploaded twice is there twice
_TOO_LONG: Final = (414, 431)  # a query stands in the address, which may have 16,384 bytes
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_.]{1,79}")
_NAMED: Final = re.compile(r"(?:No such column|[sS]Object type) '([\w.]{1,80})'")
_FAULT: Final = re.compile(rb"<(?:sf:exceptionCode|faultcode)>(?:sf:)?([A-Z_]{2,80})</")
_KNOWN: Final[Mapping[str, str]] = {
    "API_CURRENTLY_DISABLED": "this user has no access to the API",
    "API_DISABLED_FOR_ORG": "this edition of Salesforce has no API",
    "CANNOT_UPDATE_CONVERTED_LEAD": "the lead was converted",
    "ENTITY_IS_DELETED": "the record was deleted",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule refuses it",
    "INACTIVE_OWNER_OR_USER": "the owner is no active user",
    "INSUFFICIENT_ACCESS": "this user may not edit the record",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "this user may not refer to that owner or record",
    "INSUFFICIENT_ACCESS_OR_READONLY": "this user may not edit the record",
    "INVALID_FIELD": "not there, or hidden from this user (field-level security)",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "this user may not edit the field (field-level security)",
    "INVALID_LOGIN": "user, password or security token is wrong",
    "INVALID_SESSION_ID": "the session has ended or is not accepted",
    "INVALID_TYPE": "no such object, or hidden from this user",
    "NOT_FOUND": "not there, or hidden from this user",
    "REQUEST_LIMIT_EXCEEDED": "the organisation's API requests of the last 24 hours are used up",
    "STRING_TOO_LONG": "longer than the field",
    "UNABLE_TO_LOCK_ROW": "another process holds the record",
    "invalid_client": "the consumer key or secret is wrong",
    "invalid_grant": "user, key or policy of the connected app does not allow it",
}


class Denied(SourceFailed):
    """A request that Salesforce refused; `codes` are its error codes."""

    def __init__(self, said: str, codes: tuple[str, ...], retry_after: float | None) -> None:
        super().__init__(said, retry_after)
        self.codes = codes


class Session(Auth):
    """A session id. `login` fetches one at the first request, and another when it is refused."""

    def __init__(self, token: str | None, login: Callable[[], str] | None) -> None:
        self._token, self._login = token, login
        self._lock = Lock()

    def __repr__(self) -> str:
        return "Session()"

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r

    def ready(self, fetch: Fetch, now: float) -> None:
        with self._lock:
            if self._token is None and self._login:
                self._token = self._login()

    def renew(self, fetch: Fetch, now: float) -> bool:
        if self._login is None:
            return False
        with self._lock:
            self._token = self._login()
        return True


class Wire(requests.Session):
    """What simple-salesforce takes for its session. Each request goes to the host of `http`, whatever host it names."""

    def __init__(self, http: Http) -> None:
        super().__init__()
        self._http = http

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        """The answer of status 2xx; raises Denied, or SourceFailed where none came. Updates have the same effect
        when they are sent again."""
        try:
            return self._http.ask(method, path, idempotent=method in _AGAIN, **options)
        except Refused as refused:
            denied = _denied(refused)
        raise denied  # outside of the handler: the answer behind it names people

    def request(  # type: ignore[override]  # of the many options of requests, those that simple-salesforce uses
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        **_: Any,
    ) -> requests.Response:
        answer = self.ask(method, urlsplit(url).path, params=params, data=data, headers=headers, json=json)
        return _Response(answer)


class _Response(requests.Response):
    """An answer as simple-salesforce reads it; what is no JSON is our failure, not its quotation."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self.status_code, self._content = answer.status, answer.body
        self.headers.update(answer.headers)

    def json(self, **_: Any) -> Any:
        return self._answer.json()


def wired(source: str, place: Place, version: str, patience: Patience, wait: Callable[[float], None]) -> Wire:
    """The wire to the connection's host, with what the connection gives to log in with."""
    options: dict[str, Any] = {"patience": patience, "wait": wait}
    gate = Wire(Http(source, place.base, **options))
    auth = _session(source, place, version, gate)
    return Wire(Http(source, place.base, auth, headers=NOT_ASSIGNED, **options))


def _session(source: str, place: Place, version: str, gate: Wire) -> Session:
    if _host(place) in ("login", "test"):
        allowed = "its My Domain: https://NAME.my.salesforce.com"
        raise SourceFailed(f"source {source}: the connection's host holds no records; allowed: {allowed}")
    given = _given(place)
    token = place.extras.get("session_id") or (place.password if not place.login else None)
    by_app = "consumer_key" in given and {"consumer_secret", "privatekey", "privatekey_file"} & set(given)
    if by_app or (place.login and place.password):
        return Session(token, lambda: _logged_in(source, place, version, gate, given))
    if token:
        return Session(token, None)
    raise SourceFailed(
        f"source {source}: its connection has nothing to log in with; allowed: user and password (with"
        " security_token), consumer_key with consumer_secret or private_key, or a session id as password"
    )


def _given(place: Place) -> dict[str, str]:
    """Arguments of simple-salesforce's login, by the names of Airflow's own Salesforce connection.

    Of several ways those of one: it would prefer the login of SOAP, which ends.
    """
    extras = place.extras
    password = place.password if place.login else None
    app = {"consumer_key": extras.get("consumer_key")}
    signed = {"privatekey": extras.get("private_key"), "privatekey_file": extras.get("private_key_file_path")}
    secret = {"consumer_secret": extras.get("consumer_secret")}
    token = extras.get("security_token")
    user: dict[str, str | None] = {"username": place.login}
    if app["consumer_key"] and any(signed.values()):
        named = app | signed | user
    elif app["consumer_key"] and any(secret.values()):
        named = app | secret | (user | {"password": password + (token or "")} if password else {})
    else:
        named = user | {"password": password, "security_token": token}
        named["organizationId"] = extras.get("organization_id")
    return {name: value for name, value in named.items() if value}


def _logged_in(source: str, place: Place, version: str, gate: Wire, given: Mapping[str, str]) -> str:
    from simple_salesforce.login import SalesforceLogin

    try:
        arguments: dict[str, Any] = dict(given)
        token, _ = SalesforceLogin(
            **arguments,
            domain=_domain(place, given),
            sf_version=version,
            session=gate,
            instance_url=_host(place),
        )
    except SourceFailed:
        raise
    except Exception as error:  # of keys that cannot be read, XML, JSON: their texts quote what they read
        token, said = None, type(error).__name__
    else:
        said = "no session id in the answer"
    if isinstance(token, str) and token:
        return token
    raise SourceFailed(f"source {source}: the login to Salesforce failed ({said})")


def _host(place: Place) -> str:
    return str(urlsplit(place.base).hostname).removesuffix(".salesforce.com")


def _domain(place: Place, given: Mapping[str, str]) -> str:
    """A signed key is for `login` or `test` (a sandbox), anything else for the host itself."""
    if not {"privatekey", "privatekey_file"} & set(given):
        return _host(place)
    return place.extras.get("domain") or ("test" if ".sandbox." in place.base else "login")


# --- what is said ---------------------------------------------------------------------------------


def explained(code: str, fields: Iterable[str] = ()) -> str:
    """`CODE (Field__c): what it means`: an error code, the fields that it is about, no message and no value."""
    about = ", ".join(sorted(fields))
    return f"{code}{f' ({about})' if about else ''}" + (f": {_KNOWN[code]}" if code in _KNOWN else "")


def _denied(refused: Refused) -> Denied:
    found = list(_errors(refused.answer))
    if not found:
        longer = "; read fewer columns (`extras: false`)" if refused.status in _TOO_LONG else ""
        return Denied(f"{refused}{longer}", (), refused.retry_after)
    if b"ConcurrentRequests" in refused.answer.body or b"ConcurrentPerOrg" in refused.answer.body:
        crowded = f"{refused.answer.asked} answered {refused.status}: too many long requests at once"
        return Denied(crowded, (found[0][0],), CROWDED)
    said = "; ".join(dict.fromkeys(explained(code, fields) for code, fields in found))
    codes = tuple(code for code, _ in found)
    retry_after = EXHAUSTED if "REQUEST_LIMIT_EXCEEDED" in codes else refused.retry_after
    return Denied(f"{refused.answer.asked} answered {refused.status}: {said}", codes, retry_after)


def _errors(answer: Answer) -> Iterable[tuple[str, list[str]]]:
    """The codes of an error answer, of REST, of a token request or of SOAP, each with the fields it names."""
    fault = _FAULT.search(answer.body)
    if fault:
        yield fault[1].decode(), []
        return
    try:
        said = answer.json()
    except SourceFailed:
        return
    for error in said if isinstance(said, list) else [said]:
        if isinstance(error, dict):
            code = str(error.get("errorCode") or error.get("error") or "")
            if _CODE.fullmatch(code):
                yield code, named_fields(error)


def named_fields(error: Mapping[str, Any]) -> list[str]:
    """Fields that an error names in its list, or the column or object in the sentence of a query's error."""
    listed = [str(field) for field in error.get("fields") or () if re.fullmatch(r"[\w.]{1,80}", str(field))]
    return listed or _NAMED.findall(str(error.get("message") or ""))

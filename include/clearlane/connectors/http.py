"""One polite HTTP client for every system: time-outs, retries, pace, renewed tokens, JSON or a clear failure.

Every failure is a SourceFailed that names source, method, path and status: no query, no header, no body, since
these hold tokens and people. Waiting and the clock are arguments, so that tests never sleep.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from clearlane.connectors.credentials import Auth, Open
from clearlane.connectors.protocol import SourceFailed

_LOG: Final = logging.getLogger(__name__)
_WIRE: Final = logging.getLogger("urllib3.connectionpool")
_LIMIT: Final = re.compile(r"rate-?limit", re.IGNORECASE)
_BLOCK: Final = 65_536  # bytes
_TRANSIENT: Final = frozenset({429, 502, 503, 504, *range(520, 525)})  # the last are Cloudflare's
_HINTS: Final = {
    400: "the request is not understood",
    401: "the credentials are not accepted",
    402: "the account has no credits left",
    403: "the credentials lack a permission",
    404: "there is no such thing",
    429: "too many requests",
}


@dataclass(frozen=True)
class Patience:
    """How long to wait for one answer, and how often to ask again. Seconds."""

    connect: float = 10
    read: float = 60
    """between two pieces of an answer"""
    whole: float = 300
    """for an answer that comes drop by drop"""
    tries: int = 5
    first_wait: float = 1
    longest_wait: float = 60
    """of one pause; a source that asks for more is left alone until the next run"""


@dataclass(frozen=True)
class Pace:
    """At most so many requests in so many seconds."""

    requests: int
    seconds: float = 1


@dataclass(frozen=True)
class Answer:
    """What came back, whole. Only connectors see headers and body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    asked: str
    """source, method and path, for messages"""

    def json(self) -> Any:
        """The body as JSON, read once; SourceFailed where it is a web page, breaks off or is none."""
        return self._json

    @cached_property
    def _json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass  # raised below: the error would quote the body
        raise SourceFailed(f"{self.asked} answered {self.status} with {self._found()}, expected JSON")

    def limits(self) -> str | None:
        """What the headers say of limits, as `X-RateLimit-Remaining 99`; None where they say nothing."""
        said = [
            f"{name} {value}"
            for name, value in self.headers.items()
            if "ratelimit" in name.lower().replace("-", "")
        ]
        return ", ".join(said) or None

    def is_page(self) -> bool:
        """Whether it is a web page: of a login, of maintenance, of a proxy, whatever its status says."""
        start = self.body[:200].lstrip().lower()
        return "html" in self.headers.get("Content-Type", "") or start.startswith((b"<!doctype", b"<html"))

    def _found(self) -> str:
        if self.is_page():
            return "a web page (a login, maintenance or proxy page?)"
        unfinished = self.body[:200].lstrip()[:1] in (b"{", b"[")
        return "malformed or unfinished JSON" if unfinished else f"{len(self.body)} bytes of no JSON"


@dataclass(frozen=True)
class Spent:
    """A limit that is used up for so long that asking again is of no use; `wait`: seconds to leave the source alone."""

    said: str
    wait: float


Verdict = Callable[[Answer], Spent | None]
"""what a connector knows of an answer that looks as if it would pass soon, and will not"""


class Failed(SourceFailed):
    """One request that failed. `again`: the same request may succeed; `retry_after`: seconds the source asked for."""

    def __init__(self, text: str, *, again: bool = False, retry_after: float | None = None) -> None:
        super().__init__(text, retry_after)
        self.again = again


class Unanswered(Failed):
    """No answer came: nobody listens, or it took too long. `sent`: the request may have been done all the same."""

    def __init__(self, text: str, *, again: bool, sent: bool) -> None:
        super().__init__(text, again=again)
        self.sent = sent


class Refused(Failed):
    """An answer that says no. `answer` holds the body, which no message shows: it may name people."""

    def __init__(self, text: str, answer: Answer, *, again: bool, retry_after: float | None) -> None:
        super().__init__(text, again=again, retry_after=retry_after)
        self.answer = answer

    @property
    def status(self) -> int:
        return self.answer.status


class Http:
    """The requests of one source. `base` is the address that paths are relative to, without credentials.

    Reading requests (GET, HEAD) are tried again after broken connections, time-outs, 429, 502, 503 and 504, with
    exponential backoff and jitter, never sooner than Retry-After. Others only where the caller says `idempotent`,
    or where the request was surely not done (no connection, 429). A 401 renews the token once, where there is one
    to renew. Redirects are not followed: they would carry credentials to another place. What is `spent` is not
    tried again.
    """

    def __init__(
        self,
        source: str,
        base: str,
        auth: Auth | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        patience: Patience = Patience(),
        pace: Sequence[Pace] = (),
        spent: Verdict = lambda answer: None,
        largest: int = 64 * 1024 * 1024,  # bytes of one answer, unpacked
        seed: int = 0,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source, self.base = source, base.rstrip("/")
        self._auth = auth or Open()
        self._patience, self._largest, self._spent = patience, largest, spent
        self._wait, self._clock = wait, clock
        self._pacer = _Pacer(pace, wait, clock)
        self._seed = seed
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(max_retries=0))
        self._session.mount("https://", HTTPAdapter(max_retries=0))
        self._session.headers.update(
            {"Accept": "application/json", "User-Agent": "clearlane", **(headers or {})}
        )
        _hide_queries()

    def __repr__(self) -> str:
        return f"Http({self.source})"

    def get(self, path: str, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The JSON that a GET answers."""
        return self.ask("GET", path, params=params, **options).json()

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
        accept: Collection[int] = (),
    ) -> Answer:
        """The answer of status 2xx, or of one that `accept` names; raises Refused or Unanswered.

        `path` is relative to the base, or a whole address of the same host (a next page).
        """
        request = requests.Request(
            method, self.address(path), headers=dict(headers or {}), data=data, json=json
        )
        request.params = {
            name: _written(value) for name, value in (params or {}).items() if value is not None
        }
        safe = idempotent or method in ("GET", "HEAD")
        return self._retrying(lambda: self._accepted(request, safe, accept))

    def close(self) -> None:
        self._session.close()

    # --- one request --------------------------------------------------------------------------

    def _accepted(self, request: requests.Request, safe: bool, accept: Collection[int]) -> Answer:
        answer = self._authorised(request, safe)
        if 200 <= answer.status < 300 or answer.status in accept:
            return answer
        retry_after = _seconds(answer.headers)
        if spent := self._spent(answer):
            said = f"{answer.asked} answered {answer.status}: {spent.said}"
            raise Refused(said, answer, again=False, retry_after=retry_after or spent.wait)
        again = answer.status == 429 or (safe and answer.status in _TRANSIENT)
        if retry_after and retry_after > self._patience.longest_wait:
            again = False
        said = _HINTS.get(answer.status) or ("it points elsewhere" if answer.status < 400 else "it failed")
        asks = f"; it asks to wait {retry_after:.0f} s" if retry_after else ""
        raise Refused(
            f"{answer.asked} answered {answer.status}: {said}{asks}",
            answer,
            again=again,
            retry_after=retry_after,
        )

    def _authorised(self, request: requests.Request, safe: bool) -> Answer:
        """The answer under a token that holds; one renewal where the source says that it does not."""
        self._auth.ready(self._fetch, self._clock())
        answer = self._answer(request, self._auth, safe)
        if answer.status == 401 and self._auth.renew(self._fetch, self._clock()):
            answer = self._answer(request, self._auth, safe)
        return answer

    def _fetch(self, address: str, form: Mapping[str, str], auth: AuthBase) -> Mapping[str, Any]:
        """The answer to a token request, which goes where the credentials say, past `base`."""
        request = requests.Request("POST", address, data=dict(form))
        answer = self._answer(request, auth, safe=True)
        if answer.status != 200:
            raise Refused(
                f"{answer.asked} answered {answer.status}: no token was given", answer,
                again=answer.status in _TRANSIENT, retry_after=_seconds(answer.headers),
            )  # fmt: skip
        said = answer.json()
        if not isinstance(said, dict) or not isinstance(said.get("access_token"), str):
            raise SourceFailed(f"{answer.asked} answered {answer.status} without an `access_token`")
        return said

    def _answer(self, request: requests.Request, auth: AuthBase, safe: bool) -> Answer:
        self._pacer.turn()
        asked = f"source {self.source}: {request.method} {self._shown(str(request.url))}"
        request.auth = auth
        begun = self._clock()
        try:
            with self._sent(request) as response:
                body = b"".join(self._blocks(response, asked, begun, safe))
        except (requests.RequestException, HTTPError) as error:
            failure = _unanswered(asked, error, safe)
        else:
            return Answer(response.status_code, CaseInsensitiveDict(response.headers), body, asked)
        raise failure  # outside of the handler: the error behind it shows the whole address

    def _sent(self, request: requests.Request) -> requests.Response:
        prepared = self._session.prepare_request(request)
        settings = self._session.merge_environment_settings(prepared.url or "", {}, True, None, None)
        limits = (self._patience.connect, self._patience.read)
        return self._session.send(prepared, timeout=limits, allow_redirects=False, **settings)

    def _blocks(self, response: requests.Response, asked: str, begun: float, safe: bool) -> Iterable[bytes]:
        size = 0
        # Not iter_content: that waits for whole blocks, and for an answer that comes drop by drop without end.
        while block := response.raw.read1(_BLOCK, decode_content=True):
            size += len(block)
            if size > self._largest:
                raise Failed(f"{asked} answered with more than {self._largest:,} bytes")
            if self._clock() - begun > self._patience.whole:
                said = f"{asked} did not come to an end within {self._patience.whole:g} s"
                raise Unanswered(said, again=safe, sent=True)
            yield block

    # --- again --------------------------------------------------------------------------------

    def _retrying(self, attempt: Callable[[], Answer]) -> Answer:
        return Retrying(
            sleep=self._wait,
            stop=stop_after_attempt(self._patience.tries),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, Failed) and error.again),
            before_sleep=_tell,
            reraise=True,
        )(attempt)

    def _pause(self, state: RetryCallState) -> float:
        """Between half and all of a wait that doubles, and never less than the source asked for."""
        error = state.outcome.exception() if state.outcome else None
        doubled = self._patience.first_wait * 2.0 ** (state.attempt_number - 1)
        backoff = min(doubled, self._patience.longest_wait) * (0.5 + self._share(state.attempt_number) / 2)
        return max(backoff, (error.retry_after if isinstance(error, Failed) else None) or 0)

    def _share(self, attempt: int) -> float:
        """In [0, 1), as if by chance: other for each process, since their clocks started at other moments."""
        drawn = blake2b(f"{self._seed} {attempt} {self._clock()}".encode(), digest_size=4)
        return int.from_bytes(drawn.digest()) / 2**32

    # --- addresses ----------------------------------------------------------------------------

    def address(self, path: str) -> str:
        """The whole address of a path; of a whole address the one under our protocol, if it is of our host."""
        if "://" not in path:
            return f"{self.base}/{path.lstrip('/')}"
        ours, theirs = urlsplit(self.base), urlsplit(path)
        if theirs.netloc != ours.netloc:
            raise SourceFailed(f"source {self.source}: it points to another host than its own; not followed")
        return urlunsplit(theirs._replace(scheme=ours.scheme))

    def _shown(self, address: str) -> str:
        """The path, without what a person or a secret may hide in."""
        return "/".join(
            "…" if _personal(part) else part for part in (urlsplit(address).path or "/").split("/")
        )


def _written(value: Any) -> Any:
    """Truth as JSON writes it; the rest is left to requests."""
    return str(value).lower() if isinstance(value, bool) else value


def _personal(part: str) -> bool:
    return "@" in part or "%40" in part or len(part) > 60


def _unanswered(asked: str, error: Exception, safe: bool) -> Unanswered:
    """What became of a request without an answer; only of one that never left it is sure that it was not done."""
    unsent = isinstance(error, requests.ConnectTimeout) or _is_unsent(error)
    if isinstance(error, requests.Timeout | ReadTimeoutError):
        what = "could not be reached in time" if unsent else "did not answer in time"
    elif isinstance(error, requests.exceptions.SSLError):
        return Unanswered(f"{asked}: its certificate is not trusted", again=False, sent=False)
    else:
        what = "could not be reached" if unsent else "broke off"
    again = (safe or unsent) and isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError | HTTPError,
    )
    return Unanswered(f"{asked} {what} ({type(error).__name__})", again=again, sent=not unsent)


def _is_unsent(error: BaseException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3): a number, or a date against the answer's own Date."""
    said = headers.get("Retry-After", "").strip()
    if said.replace(".", "", 1).isdigit():
        return float(said)
    try:
        until, now = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("Date", ""))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _LOG.warning("%s; again in %.1f s (try %d)", error, state.upcoming_sleep, state.attempt_number + 1)


class _Pacer:
    """Waits until one more request keeps every pace."""

    def __init__(
        self, paces: Sequence[Pace], wait: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self._recent = [(pace, deque[float](maxlen=pace.requests)) for pace in paces]
        self._wait, self._clock = wait, clock

    def turn(self) -> None:
        for pace, recent in self._recent:
            if len(recent) == pace.requests:
                early = recent[0] + pace.seconds - self._clock()
                if early > 0:
                    self._wait(early)
        now = self._clock()
        for _, recent in self._recent:
            recent.append(now)


# --- the log of the wire --------------------------------------------------------------------------


class _NoQuery(logging.Filter):
    """urllib3 logs each address at DEBUG: keys and e-mail addresses stand in its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_cut(value) for value in record.args)
        return True


def _cut(value: object) -> object:
    if not isinstance(value, str) or not value.startswith("/"):
        return value
    path, question, _ = value.partition("?")
    shown = "/".join("…" if _personal(part) else part for part in path.split("/"))
    return f"{shown}{question and '?…'}"


def _hide_queries() -> None:
    if not any(isinstance(filter, _NoQuery) for filter in _WIRE.filters):
        _WIRE.addFilter(_NoQuery())

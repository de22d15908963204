"""The HTTP client against a real socket: what it asks again, what it gives up, and what it never says."""

from __future__ import annotations

import gzip
import itertools
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.connectors import SourceFailed
from clearlane.connectors.credentials import Auth, Basic, Bearer, Header, OAuth, Query
from clearlane.connectors.http import Http, Pace, Patience, Refused, Spent, Unanswered, _Pacer

from .conftest import Serve
from .local_server import Asked, Clock, Local, Reply

FOUR = Patience(tries=4)
SECRET, PERSON = "s3cr3t-t0ken", "ann@example.com"


@pytest.fixture
def client(clock: Clock) -> Callable[..., Http]:
    def client(local: Local, auth: Auth | None = None, **options: Any) -> Http:
        given = {"patience": FOUR, "wait": clock.wait, "clock": clock} | options
        return Http("crm", local.address, auth, **given)

    return client


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """The replies one after the other, the last one for ever."""
    following = itertools.chain(replies, itertools.repeat(replies[-1]))
    return lambda asked: next(following)


def test_what_is_read_is_asked_again_until_it_is_answered(serve: Serve, client: Any, clock: Clock) -> None:
    local = serve(
        in_turn(Reply(status=503), Reply(cut=True), Reply(status=502), Reply({"name": "Jürgen 李"}))
    )
    assert client(local).get("/leads") == {"name": "Jürgen 李"}
    assert len(local.asked) == 4
    assert [
        low <= waited <= high
        for waited, (low, high) in zip(clock.waits, [(0.5, 1), (1, 2), (2, 4)], strict=True)
    ]
    assert clock.waits == sorted(clock.waits)


@pytest.mark.parametrize(("headers", "wait"), [({}, 3600), ({"Retry-After": "17"}, 17)])
def test_a_limit_that_is_used_up_is_not_asked_again(
    serve: Serve, client: Any, clock: Clock, headers: dict[str, str], wait: float
) -> None:
    local = serve(in_turn(Reply({"limit": "day"}, 429, headers)))

    def spent(answer: Any) -> Spent | None:
        return Spent("the day is spent", 3600) if answer.json() == {"limit": "day"} else None

    with pytest.raises(Refused, match="GET /leads answered 429: the day is spent") as refused:
        client(local, spent=spent).get("/leads")
    assert (len(local.asked), clock.waits, refused.value.retry_after) == (1, [], wait)


def test_the_same_seed_at_the_same_time_waits_the_same(serve: Serve, client: Any, clock: Clock) -> None:
    local = serve(in_turn(Reply(status=503)))
    waits = []
    for seed in (1, 1, 2):
        clock.now, clock.waits = 0.0, []
        with pytest.raises(Refused):
            client(local, seed=seed).get("/leads")
        waits.append(clock.waits)
    assert waits[0] == waits[1] != waits[2]


def test_the_source_says_how_long_to_wait(serve: Serve, client: Any, clock: Clock) -> None:
    date = {"Date": "Sun, 22 Nov 2026 09:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 09:00:40 GMT"}
    local = serve(
        in_turn(Reply(status=429, headers={"Retry-After": "17"}), Reply(status=503, headers=date), Reply({}))
    )
    client(local).get("/leads")
    assert clock.waits == [17, 40]


def test_who_asks_for_too_long_is_left_alone(serve: Serve, client: Any, clock: Clock) -> None:
    local = serve(in_turn(Reply(status=429, headers={"Retry-After": "3600"})))
    with pytest.raises(
        Refused, match=r"GET /leads answered 429: too many requests; it asks to wait 3600 s"
    ) as caught:
        client(local).get("/leads")
    assert (caught.value.retry_after, clock.waits, len(local.asked)) == (3600, [], 1)


@pytest.mark.parametrize(
    ("reply", "idempotent", "times"),
    [
        (Reply(status=503), False, 1),  # it may have been done
        (Reply(cut=True), False, 1),
        (Reply(status=429), False, 4),  # it was not done
        (Reply(status=503), True, 4),
        (Reply(cut=True), True, 4),
        (Reply(status=500), True, 1),
        (Reply(status=422), True, 1),
    ],
)
def test_a_write_is_sent_again_only_where_that_is_safe(
    serve: Serve, client: Any, reply: Reply, idempotent: bool, times: int
) -> None:
    local = serve(lambda asked: reply)
    with pytest.raises(SourceFailed):
        client(local).ask("POST", "/leads", json={"a": 1}, idempotent=idempotent)
    assert len(local.asked) == times


def test_nobody_listens(client: Any, clock: Clock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        local = Local(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(Unanswered, match="POST /leads could not be reached") as caught:
            client(local).ask("POST", "/leads")
    assert (caught.value.sent, len(clock.waits)) == (False, 3)


def test_an_answer_that_never_comes_ends_at_the_time_out(serve: Serve, client: Any) -> None:
    local = serve(lambda asked: local.hang())
    with pytest.raises(Unanswered, match="did not answer in time") as caught:
        client(local, patience=Patience(read=0.1, tries=2)).ask("POST", "/leads")
    assert (caught.value.sent, local.times(1)) == (True, 1)


def test_an_answer_that_stops_in_the_middle_ends_at_the_time_out(serve: Serve, client: Any) -> None:
    def stopping() -> Iterator[bytes]:
        yield b'{"data": ['
        local.over.wait(60)

    local = serve(lambda asked: Reply(parts=stopping()))
    with pytest.raises(Unanswered, match="did not answer in time"):
        client(local, patience=Patience(read=0.1, tries=1)).get("/leads")


def test_an_answer_drop_by_drop_comes_to_an_end(serve: Serve, client: Any) -> None:
    ticks = itertools.count()

    def dripping() -> Iterator[bytes]:
        while not local.over.wait(0.01):
            yield b" "

    local = serve(lambda asked: Reply(parts=dripping()))
    http = client(local, patience=Patience(whole=3, tries=1), clock=lambda: float(next(ticks)))
    with pytest.raises(Unanswered, match="did not come to an end within 3 s"):
        http.get("/leads")


def test_an_answer_without_end_is_cut(serve: Serve, client: Any) -> None:
    bomb = Reply(gzip.compress(b" " * 5_000_000), headers={"Content-Encoding": "gzip"})
    local = serve(lambda asked: bomb)
    with pytest.raises(SourceFailed, match="more than 1,000,000 bytes"):
        client(local, largest=1_000_000).get("/leads")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<!DOCTYPE html><p>maintenance", "text/html", "a web page"),
        (b"\n <html>sign in", "application/json", "a web page"),
        (b'{"data": [{"email": "ann@example.com"', "application/json", "malformed or unfinished JSON"),
        (b"", "application/json", "0 bytes of no JSON"),
        (b"\xff\xfe\xfa", "application/json", "3 bytes of no JSON"),
        (b"[" * 100_000, "application/json", "malformed or unfinished JSON"),
    ],
)
def test_what_is_no_json_is_named_and_not_quoted(
    serve: Serve, client: Any, body: bytes, kind: str, said: str
) -> None:
    local = serve(lambda asked: Reply(body, headers={"Content-Type": kind}))
    with pytest.raises(SourceFailed, match=rf"^source crm: GET /leads answered 200 with {said}") as caught:
        client(local).get("/leads")
    assert PERSON not in str(caught.value)


def test_an_answer_that_breaks_off_is_asked_for_again(serve: Serve, client: Any) -> None:
    short = Reply(b'{"data": [', headers={"Content-Length": "500"}, parts=iter([b'{"data": [']))
    local = serve(in_turn(short, Reply({"data": [1]})))
    assert client(local).get("/leads") == {"data": [1]}
    assert len(local.asked) == 2


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        (Bearer("t"), ("Authorization", "Bearer t"), {}),
        (Bearer("t", "Token"), ("Authorization", "Token t"), {}),
        (Basic("ü", "p"), ("Authorization", "Basic w7w6cA=="), {}),
        (Header("Api-Token", "t"), ("Api-Token", "t"), {}),
        (Query("key", "t&x"), ("Authorization", None), {"key": "t&x"}),
    ],
)
def test_credentials_are_put_where_they_belong(
    serve: Serve, client: Any, auth: Auth, header: tuple[str, str], query: dict[str, str]
) -> None:
    local = serve(lambda asked: Reply({}))
    client(local, auth).get("/leads", {"page": 2})
    asked = local.asked[0]
    assert (asked.headers.get(header[0]), asked.query) == (header[1], {"page": "2"} | query)


class Tokens:
    """A server that gives numbered tokens and takes only the newest, each so many times."""

    def __init__(self, uses: int, **answer: Any) -> None:
        self.given, self.left, self.uses, self.answer = 0, 0, uses, answer
        self.forms: list[bytes] = []

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            self.given, self.left = self.given + 1, self.uses
            self.forms.append(asked.body)
            return Reply({"access_token": f"t{self.given}", **self.answer})
        self.left -= 1
        good = asked.headers["Authorization"] == f"Bearer t{self.given}" and self.left >= 0
        return Reply({"page": asked.query.get("page")}) if good else Reply({}, status=401)


def test_a_token_that_ends_in_the_middle_is_renewed(serve: Serve, client: Any) -> None:
    tokens = Tokens(uses=2)
    local = serve(tokens)
    http = client(local, OAuth(f"{local.address}/token", "id", "secret", scope="read"))
    assert [http.get("/leads", {"page": page})["page"] for page in range(5)] == ["0", "1", "2", "3", "4"]
    assert tokens.given == 3
    assert b"grant_type=client_credentials" in tokens.forms[0]
    assert b"scope=read" in tokens.forms[0]


def test_a_token_is_renewed_before_it_ends(serve: Serve, client: Any, clock: Clock) -> None:
    tokens = Tokens(uses=99, expires_in=600)
    local = serve(tokens)
    http = client(local, OAuth(f"{local.address}/token", "id", "secret"))
    for clock.now in (0, 530, 545):
        http.get("/leads")
    assert local.paths() == ["POST /token", "GET /leads", "GET /leads", "POST /token", "GET /leads"]


def test_a_refresh_token_that_is_replaced_is_used_from_then_on(serve: Serve, client: Any) -> None:
    tokens = Tokens(uses=1, refresh_token="second")
    local = serve(tokens)
    http = client(local, OAuth(f"{local.address}/token", "id", "secret", refresh_token="first", basic=True))
    http.get("/leads"), http.get("/leads")
    assert [b"refresh_token=first" in form for form in tokens.forms] == [True, False]
    assert b"secret" not in tokens.forms[0]
    assert local.asked[0].headers["Authorization"].startswith("Basic ")


def test_a_token_that_never_holds_is_renewed_once(serve: Serve, client: Any) -> None:
    tokens = Tokens(uses=0)
    local = serve(tokens)
    with pytest.raises(Refused, match="answered 401: the credentials are not accepted"):
        client(local, OAuth(f"{local.address}/token", "id", "secret")).get("/leads")
    assert local.paths() == ["POST /token", "GET /leads", "POST /token", "GET /leads"]


@pytest.mark.parametrize(
    "reply", [Reply({"error": "invalid_client"}, status=400), Reply({"token_type": "x"}), Reply([])]
)
def test_no_token_is_a_clear_failure(serve: Serve, client: Any, reply: Reply) -> None:
    local = serve(lambda asked: reply)
    with pytest.raises(
        SourceFailed, match=r"^source crm: POST /token .*(no token was given|without an `access_token`)"
    ):
        client(local, OAuth(f"{local.address}/token", "id", SECRET)).get("/leads")


# --- what is never said ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "auth", [Bearer(SECRET), Basic(SECRET, SECRET), Header("Api-Token", SECRET), Query("key", SECRET)]
)
@pytest.mark.parametrize(
    "reply", [Reply({"said": f"{PERSON} {SECRET}"}, status=500), Reply(cut=True), Reply(b"<html>")]
)
def test_no_secret_and_no_person_is_logged_or_raised(
    serve: Serve, client: Any, caplog: pytest.LogCaptureFixture, auth: Auth, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    local = serve(lambda asked: reply)
    http = client(local, auth)
    with pytest.raises(SourceFailed) as caught:
        http.get(f"/people/{PERSON}/notes", {"email": PERSON})
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr((http, auth, caught.value))
    assert SECRET not in told
    assert PERSON not in told
    assert PERSON.replace("@", "%40") not in told
    assert "GET /people/…/notes" in str(caught.value)


def test_no_oauth_secret_is_logged_or_raised(
    serve: Serve, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    local = serve(lambda asked: Reply({"error": SECRET}, status=503))
    auth = OAuth(f"{local.address}/token?key={SECRET}", "id", SECRET, refresh_token=SECRET)
    with pytest.raises(SourceFailed) as caught:
        client(local, auth).get("/leads")
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text + repr(auth)


def test_credentials_do_not_travel_to_another_host(serve: Serve, client: Any) -> None:
    elsewhere = serve(lambda asked: Reply({}))
    local = serve(lambda asked: Reply(status=307, headers={"Location": elsewhere.address}))
    with pytest.raises(SourceFailed, match="answered 307: it points elsewhere"):
        client(local, Header("Api-Token", SECRET)).get("/leads")
    with pytest.raises(SourceFailed, match="another host"):
        client(local, Header("Api-Token", SECRET)).get(f"{elsewhere.address}/leads")
    assert elsewhere.asked == []


def test_truth_is_written_as_json_writes_it(serve: Serve, client: Any) -> None:
    local = serve(lambda asked: Reply(asked.query))
    assert client(local).get("/leads", {"archived": False, "all": True, "none": None}) == {
        "archived": "false",
        "all": "true",
    }


def test_a_link_of_a_proxy_that_forgot_the_protocol_keeps_ours(serve: Serve) -> None:
    local = serve(lambda asked: Reply({}))
    http = Http("crm", local.address.replace("http:", "https:") + "/api")
    host = local.address.removeprefix("http://")
    assert http.address(f"http://{host}/api/leads?after=2") == f"https://{host}/api/leads?after=2"
    assert http.address("leads") == http.address("/leads") == f"https://{host}/api/leads"


def test_a_next_page_may_be_a_whole_address(serve: Serve, client: Any) -> None:
    local = serve(lambda asked: Reply(asked.query))
    assert client(local).get(f"{local.address}/leads?after=a%26b", {"limit": 5}) == {
        "after": "a&b",
        "limit": "5",
    }


# --- pace -----------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 5), max_size=40),
    st.lists(st.tuples(st.integers(1, 5), st.floats(0.1, 10)), min_size=1, max_size=3),
)
def test_no_window_ever_holds_more_requests_than_its_pace(
    pauses: list[float], paces: list[tuple[int, float]]
) -> None:
    clock, moments = Clock(), []
    pacer = _Pacer([Pace(*pace) for pace in paces], clock.wait, clock)
    for pause in pauses:
        clock.now += pause
        pacer.turn()
        moments.append(clock.now)
    for requests, seconds in paces:
        early = [late - first for first, late in zip(moments, moments[requests:], strict=False)]
        assert all(apart >= seconds - 1e-6 for apart in early)


def test_a_pace_is_kept_over_retries(serve: Serve, client: Any, clock: Clock) -> None:
    local = serve(in_turn(Reply(status=429), Reply({})))
    http = client(local, pace=[Pace(1, 10)], patience=Patience(first_wait=0.1))
    http.get("/leads")
    assert clock.now >= 10
    assert local.paths() == ["GET /leads", "GET /leads"]

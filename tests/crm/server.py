"""A real BottleCRM on this machine: its environment, its PostgreSQL with a template, a web server that may be killed.

The template (migrated, seeded, with access tokens) takes minutes to make and stays in `.crm/`; each test works on a
copy. The environment `.venv-crm` is what `make test-crm` makes.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import requests

from clearlane.ledger import server as postgres

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = Path(os.environ.get("CLEARLANE_CRM_PYTHON", ROOT / ".venv-crm" / "bin" / "python"))
HOME: Final = Path(os.environ.get("CLEARLANE_CRM_HOME", ROOT / ".crm"))
TEMPLATE: Final = "bottlecrm"
SCOPES: Final = (
    "leads:read", "leads:write", "contacts:read", "accounts:read", "opportunities:read", "users:read",
    "interactions:read", "activities:read", "custom-fields:read", "custom-fields:write",
)  # fmt: skip
"""what docs/connectors.md says a token of ours needs; custom-fields:write for `prepare` only"""
MACHINE: Final = "user6"
"""the administrator whose token is ours"""
_UP_WITHIN: Final = 120.0  # seconds

Record = dict[str, Any]


def missing() -> str | None:
    """Why the tests cannot run here; None where they can."""
    if not PYTHON.exists():
        return "BottleCRM is not installed: `make test-crm` does it, with a Python of 3.12 or newer"
    return None


@dataclass(frozen=True)
class People:
    """Access tokens by member (`boss`, `user1` … `user5`, `machine`), and e-mail addresses by member."""

    tokens: Mapping[str, str]
    emails: Mapping[str, str]


class Api:
    """The CRM as one of its members uses it."""

    def __init__(self, address: str, token: str) -> None:
        self._address = f"{address}/api/"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self._session.request(method, self._address + path, timeout=60, **body)
        answer.raise_for_status()
        return answer.json()

    def lead(self, id: str) -> Record:
        found: Record = self.ask("GET", f"leads/{id}/")["lead_obj"]
        return found

    def leads(self) -> list[Record]:
        """All leads but those converted."""
        page = self.ask("GET", "leads/", params={"limit": 5000})
        found: list[Record] = page["open_leads"]["open_leads"] + page["close_leads"]["close_leads"]
        return found


class Crm:
    """One running copy: `start` and `kill` its web server, ask its database."""

    def __init__(self, database: postgres.Server, name: str, people: People, folder: Path) -> None:
        self.people, self._database, self._name, self._folder = people, database, name, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            str(PYTHON), "-m", "uvicorn", "crm.asgi:application", "--host", "127.0.0.1",
            "--port", str(self._port), "--log-level", "warning",
        ]  # fmt: skip
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "web.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment(self._database, self._name), stdout=log, stderr=log
            )
        deadline = time.monotonic() + _UP_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"BottleCRM did not start: see {self._folder / 'web.log'}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/api/schema/", timeout=60).status_code > 0
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        """End the web server at once, in the middle of whatever it does."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def api(self, member: str) -> Api:
        return Api(self.address, self.people.tokens[member])

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement on the CRM's own database answers."""
        with psycopg.connect(_plain(self._database.url(self._name)), autocommit=True) as connection:
            done = connection.execute(statement, values)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def arrive(self, count: int, mark: str) -> list[str]:
        """That many new leads of nobody; their ids. Each has a name and a company of its own."""
        rows = self.rows(_ARRIVE, mark, mark, mark, mark, count)
        return [str(row[0]) for row in rows]

    def changes(self, member: str) -> int:
        """How often the CRM's audit trail says that the member changed a lead."""
        [[count]] = self.rows(_CHANGES, self.people.emails[member])
        return int(count)


_ARRIVE: Final = """
insert into lead select (jsonb_populate_record(l, jsonb_build_object(
    'id', gen_random_uuid(), 'email', %s || n || '@' || %s || n || '.example', 'first_name', 'Zoë',
    'last_name', %s || n,
    'company_name', %s || n || ' Ltd', 'created_at', now(), 'updated_at', now(), 'status', 'assigned', 'phone', '',
    'phone_e164', '', 'website', null, 'custom_fields', '{}'::jsonb))).*
from lead l, generate_series(1, %s) n
where l.id = (select id from lead where status = 'assigned' order by id limit 1)
returning id
"""
_CHANGES: Final = """
select count(*) from activity a join profile p on p.id = a.user_id join users u on u.id = p.user_id
where a.entity_type = 'Lead' and a.action = 'UPDATE' and u.email = %s
"""


def database() -> postgres.Server:
    """The PostgreSQL of `HOME`, started, with the template in it."""
    started = postgres.start(HOME, settings=postgres.THROWAWAY)
    if not (HOME / "people.json").exists():
        _make_template(started)
    return started


def people() -> People:
    return People(**json.loads((HOME / "people.json").read_text()))


def environment(server: postgres.Server, name: str) -> dict[str, str]:
    return {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")},
        "DJANGO_SETTINGS_MODULE": "crm.settings", "SECRET_KEY": "for tests alone, on one machine only",
        "ENV_TYPE": "dev", "DEBUG": "true", "DBHOST": str(server.sockets), "DBPORT": str(server.port),
        "DBUSER": "postgres", "DBPASSWORD": "", "DBNAME": name,
        "CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": "cache+memory://",
    }  # fmt: skip


# --- the template -----------------------------------------------------------------------------------


def _make_template(server: postgres.Server) -> None:
    """Migrate, seed and mint tokens once; what broke off is made anew."""
    server.drop(TEMPLATE)
    server.create(TEMPLATE)
    _django(server, "migrate")
    _django(server, "seed_data", *_SEED)
    crm = Crm(server, TEMPLATE, People({}, {}), HOME / "template")
    emails = {"boss" if role == "ADMIN" else _member(email): email for email, role in crm.rows(_MEMBERS)}
    crm.rows(_PROMOTE, emails[MACHINE])
    tokens = _first_tokens(server, list(emails.values()))
    crm.start()
    minted = {member: _minted(Api(crm.address, tokens[email]), member) for member, email in emails.items()}
    crm.kill()
    told = {"emails": emails | {"machine": emails[MACHINE]}, "tokens": minted | {"machine": minted[MACHINE]}}
    (HOME / "people.json").write_text(json.dumps(told))


_SEED: Final = ("--orgs", "1", "--users-per-org", "6", "--leads", "60", "--seed", "7", "--no-input")
_MEMBERS: Final = "select u.email, p.role from profile p join users u on u.id = p.user_id order by 1"
_PROMOTE: Final = """
update profile set role = 'ADMIN' where user_id = (select id from users where email = %s)
"""


def _member(email: str) -> str:
    return email.partition("_")[0]


def _minted(api: Api, member: str) -> str:
    """A personal access token: ours has the least scopes, a person's has all."""
    scopes = list(SCOPES) if member == MACHINE else ["*:read", "*:write"]
    token: str = api.ask("POST", "profile/tokens/", json={"name": member, "scopes": scopes})["token"]
    return token


def _first_tokens(server: postgres.Server, emails: Sequence[str]) -> dict[str, str]:
    """E-mail address -> a session's token, by the command that the CRM has for machines of developers."""
    calls = "; ".join(f"call_command('devlogin', {email!r}, org='MicroPyramid')" for email in emails)
    said = _django(server, "shell", "-c", f"from django.core.management import call_command; {calls}")
    found = re.findall(r"^access_token:\s+(\S+)", said, re.MULTILINE)
    return dict(zip(emails, found, strict=True))


def _django(server: postgres.Server, *words: str) -> str:
    (HOME / "template").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(PYTHON), "-m", "django", *words], cwd=HOME / "template", env=environment(server, TEMPLATE),
        capture_output=True, text=True, timeout=3600,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"django {words[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")

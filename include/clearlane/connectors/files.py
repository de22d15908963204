"""Files in a local folder or at any fsspec address: CSV, JSON Lines and Parquet, each optionally gzipped.

A broken row costs that row, a file that cannot be read on costs its rest; both are named with file and line.
A disk or network that fails is neither: it fails the source, which is read again.
Assignments go back as one CSV per call, named by its content.
"""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, Any, Final, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from clearlane.connectors.address import resolved
from clearlane.connectors.mapping import Mapper
from clearlane.connectors.protocol import (
    CHUNK,
    Broken,
    Chunk,
    Interval,
    Raw,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.text import Lines, csv_records, json_records
from clearlane.connectors.values import plain
from clearlane.policy.model import ObjectMapping, Source

_JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
_PARQUET: Final = (".parquet", ".pq")
_GZIP: Final = b"\x1f\x8b"
_BOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""how Excel workbooks begin, and zip archives"""
_NO_BOOKS: Final = "text: save the sheet as `CSV UTF-8`"
_ROWS: Final = 1_000
_BUFFER: Final = 65_536  # bytes
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ENDS: Final = (OSError, EOFError, zlib.error, csv.Error, ValueError, OverflowError, pa.ArrowException)
"""what ends the reading of one file: broken gzip or Parquet, bytes of no text, endless lines, impossible dates"""


class Files:
    """The files of one source; `source.push` names the folder to which assignments go."""

    def __init__(self, source: Source, secrets: Secrets) -> None:
        self._source = source
        self._system, self._root = _opened(source, secrets)

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """All records of all files that `object.read` names; the time of a file is not trusted."""
        mapper = Mapper(object)
        for path in self._paths(object.read):
            try:
                yield from self._chunks(path, mapper)
            except OSError as error:
                raise self._failed(
                    f"{self._named(path)} cannot be read now ({type(error).__name__})"
                ) from None

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """One CSV file for all writes of the same fields, there whole or not at all; a retry writes the same files.

        A column is there to be set: what a write leaves alone is in no column of its file.
        """
        alike: dict[frozenset[str], list[Write]] = {}
        for write in writes:
            alike.setdefault(frozenset(write.fields), []).append(write)
        for of_some in alike.values():
            content = _csv(of_some)
            name = f"assignments-{hashlib.sha256(content).hexdigest()[:16]}.csv"
            self._put(f"{self._push_folder()}/{name}", content)
        return tuple(Receipt(write.idempotency_key, "sent") for write in writes)

    def _paths(self, read: str) -> list[str]:
        try:
            self._system.invalidate_cache()
            found = self._system.glob(f"{glob.escape(self._root)}/{read}", detail=True)
        except Exception as error:  # of whatever library speaks to that file system
            raise self._failed(f"{read} cannot be listed ({type(error).__name__})") from None
        paths = sorted(path for path, about in found.items() if _is_ours(path, about))
        if not paths and not _is_pattern(read):
            raise self._failed(f"there is no file {read}")
        return paths

    def _chunks(self, path: str, mapper: Mapper) -> Iterator[Chunk]:
        file = self._named(path)
        records = _until_it_breaks(self._records(path, mapper))
        while batch := list(islice(records, CHUNK)):
            yield Chunk(
                [item for item in batch if isinstance(item, Raw)],
                [item for item in batch if isinstance(item, Broken)],
                file,
            )

    def _named(self, path: str) -> str:
        return path.removeprefix(self._root).lstrip("/")

    def _records(self, path: str, mapper: Mapper) -> Iterator[Raw | Broken]:
        with self._system.open(path, "rb") as stored, _unpacked(stored) as content:
            suffix = PurePosixPath(path.removesuffix(".gz")).suffix.lower()
            if suffix in _PARQUET:
                yield from _parquet(content, mapper)
            elif _is_book(content):
                yield Broken("", None, "an Excel workbook or zip archive", _NO_BOOKS, whole=True)
            else:
                yield from _text(content, mapper, json_lines=suffix in _JSON_LINES)

    def _push_folder(self) -> str:
        if self._source.push is None:
            raise self._failed("sources.yaml names no folder under `push`")
        return f"{self._root}/{self._source.push}".rstrip("/")

    def _put(self, path: str, content: bytes) -> None:
        folder, name = path.rsplit("/", 1)
        unfinished = f"{folder}/.{name}.unfinished"
        try:
            self._system.makedirs(folder, exist_ok=True)
            self._system.pipe_file(unfinished, content)
            self._system.mv(unfinished, path)
        except Exception as error:  # of whatever library speaks to that file system
            raise self._failed(f"{name} cannot be written ({type(error).__name__})") from None

    def _failed(self, what: str) -> SourceFailed:
        return SourceFailed(f"source {self._source.name}: {what}")


def _opened(source: Source, secrets: Secrets) -> tuple[Any, str]:
    """The file system and the root folder in it; an address may hold credentials, so no message shows it."""
    address = resolved(source, secrets)
    try:
        system, root = fsspec.core.url_to_fs(address)
        there = system.isdir(root)
    except Exception as error:  # of whatever library speaks to that file system
        kind = type(error).__name__
        raise SourceFailed(f"source {source.name}: its address cannot be opened ({kind})") from None
    if not there:
        raise SourceFailed(f"source {source.name}: its address is no folder")
    return system, root.rstrip("/")


def _is_ours(path: str, about: Mapping[str, Any]) -> bool:
    return about["type"] == "file" and not PurePosixPath(path).name.startswith(".")


def _is_pattern(read: str) -> bool:
    return not set("*?[").isdisjoint(read)


def _until_it_breaks(records: Iterable[Raw | Broken]) -> Iterator[Raw | Broken]:
    """The records; where the file cannot be read on, a last entry says after which line."""
    line: int | None = None
    try:
        for record in records:
            line = record.line
            yield record
    except _ENDS as error:
        if _is_of_the_system(error):
            raise
        where = "from its beginning" if line is None else f"after the record of line {line}"
        found = f"not readable {where} ({type(error).__name__}: {error})"
        yield Broken("", line, found, "a whole file", whole=True)


def _is_of_the_system(error: Exception) -> bool:
    """A failed disk or network, not a broken file: what was not read now is there at the next try."""
    content = (OSError, gzip.BadGzipFile)  # Arrow speaks of a broken file by an OSError without a number
    return isinstance(error, OSError) and (type(error) not in content or error.errno is not None)


def _unpacked(stored: IO[bytes]) -> IO[bytes]:
    start = stored.read(2)
    stored.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=stored)) if start == _GZIP else stored


def _is_book(content: IO[bytes]) -> bool:
    start = content.read(4)
    content.seek(0)
    return start in _BOOKS


def _text(content: IO[bytes], mapper: Mapper, *, json_lines: bool) -> Iterator[Raw | Broken]:
    lines = Lines(_decoded(content, mapper.mapping.encoding))
    if json_lines:
        return json_records(lines)
    return csv_records(lines, mapper.mapping.delimiter, mapper.columns)


def _decoded(content: IO[bytes], encoding: str) -> io.TextIOWrapper:
    """Text whose undecodable bytes become lone surrogates: they cost the rows that hold them."""
    buffered = io.BufferedReader(cast(io.RawIOBase, content))
    start = buffered.peek(2)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    name = marked or ("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    return io.TextIOWrapper(buffered, encoding=name, errors="surrogateescape", newline="")


def _parquet(content: IO[bytes], mapper: Mapper) -> Iterator[Raw | Broken]:
    """`line` is the number of the row, from 1."""
    line = 0
    # In one thread and small steps: what the reader holds does not follow the size of the file.
    for batch in pq.ParquetFile(content, buffer_size=_BUFFER).iter_batches(_ROWS, use_threads=False):
        for row in batch.to_pylist():
            line += 1
            yield Raw({name: plain(value) for name, value in row.items()}, line)


def _csv(writes: Sequence[Write]) -> bytes:
    names = sorted({name for write in writes for name in write.fields})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["idempotency_key", "object", "external_id", *names])
    for write in writes:
        values = (write.fields.get(name) for name in names)
        table.writerow([write.idempotency_key, write.object, write.external_id, *values])
    return text.getvalue().encode()

"""From six YAML texts to one frozen policy: every error at once, with file and line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from clearlane.policy import contract, routing, scoring, sla, sources, teams
from clearlane.policy.cross import across
from clearlane.policy.document import Document, read
from clearlane.policy.model import FILES, Policy
from clearlane.policy.problems import PolicyErrors, Problem, nearest
from clearlane.policy.shapes import FileShape, shaped

_SHAPES: Mapping[str, type[FileShape]] = {
    "scoring": scoring.ScoringShape,
    "routing": routing.RoutingShape,
    "teams": teams.TeamsShape,
    "sla": sla.SlaShape,
    "contract": contract.ContractShape,
    "sources": sources.SourcesShape,
}


def texts(directory: Path, *overlays: Path, names: Iterable[str] = FILES) -> Mapping[str, str]:
    """File name -> content; a file of a later folder replaces the same file of an earlier one.

    Raises PolicyErrors for a folder that is not there, holds none of the files, or cannot be decoded.
    """
    found: dict[str, str] = {}
    for folder in (directory, *overlays):
        found |= _folder(folder, tuple(names))
    return found


def _folder(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    if not folder.is_dir():
        raise PolicyErrors([Problem(str(folder), 0, "the folder", "no folder", "a folder with scoring.yaml")])
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    stray = [_stray(path) for stem, path in files.items() if stem not in FILES]
    if stray or not files:
        raise PolicyErrors(stray or [Problem(str(folder), 0, "the folder", "no policy file", _ALLOWED)])
    return {name: _decoded(files[name]) for name in names if name in files}


_ALLOWED = "allowed here: " + ", ".join(f"{name}.yaml" for name in FILES)


def _stray(path: Path) -> Problem:
    near = nearest(path.stem, FILES)
    return Problem(path.name, 0, "the file", f"the name {path.name}", _ALLOWED, near and f"{near}.yaml")


def _decoded(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Problem(path.name, 0, "the file", f"bytes that are no UTF-8 at {error.start}", "UTF-8 text")
        raise PolicyErrors([problem]) from None


def beside(directory: Path, name: str) -> str:
    """The text of another file of the folder, that a policy file names. Raises PolicyErrors where it is not there."""
    try:
        return _decoded(directory / name)
    except FileNotFoundError:
        problem = Problem(
            name, 0, "the file", "no such file", f"the folder {directory} holds what its policy names"
        )
        raise PolicyErrors([problem]) from None


def content_name(kind: str, content: str) -> str:
    """`predictive-3f2a9c1b04de.json`: what a file is called whose name is to say which content it has."""
    (digest,) = hashes({kind: content}).values()
    return f"{kind}-{digest[:12]}.json"


def hashes(contents: Mapping[str, str]) -> Mapping[str, str]:
    """File name -> sha256 of its content: the version of that file."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(contents.items())}


def load(directory: Path, *overlays: Path, names: Iterable[str] = FILES) -> Policy:
    """The policy of a folder. Absent files mean empty; raises PolicyErrors with every error."""
    return parse(texts(directory, *overlays, names=names))


def parse(contents: Mapping[str, str]) -> Policy:
    """The policy of stored contents (file name -> YAML). Raises PolicyErrors with every error."""
    return _parsed(tuple(sorted(contents.items())))


@lru_cache(maxsize=16)
def _parsed(contents: tuple[tuple[str, str], ...]) -> Policy:
    reading = _read(dict(contents))
    problems = reading.problems()
    if problems:
        raise PolicyErrors(problems)
    return reading.policy


@dataclass(frozen=True)
class _Reading:
    policy: Policy
    documents: Mapping[str, Document]

    def problems(self) -> list[Problem]:
        return [problem for document in self.documents.values() for problem in document.problems]


def _read(contents: Mapping[str, str]) -> _Reading:
    documents = {name: read(name, text) for name, text in contents.items()}
    shapes = {name: shaped(document, _SHAPES[name]) for name, document in documents.items()}
    model = _part(scoring, documents, shapes)
    words = scoring.vocabulary(model)
    policy = Policy(
        scoring=model,
        routing=_part(routing, documents, shapes, words)
        if shapes.get("scoring") or "scoring" not in shapes
        else routing.EMPTY,
        teams=_part(teams, documents, shapes),
        sla=_part(sla, documents, shapes),
        contract=_part(contract, documents, shapes),
        sources=_part(sources, documents, shapes),
        hashes=hashes(contents),
        sections={name: shape.section() for name, shape in shapes.items() if shape},
    )
    complete = all(shapes.values())
    return _Reading(across(policy, documents) if complete else policy, documents)


def _part(
    module: ModuleType, documents: Mapping[str, Document], shapes: Mapping[str, Any], *more: Any
) -> Any:
    """What a module builds of its file; its EMPTY where the file is absent or does not fit its shape."""
    name = module.__name__.rpartition(".")[2]
    shape = shapes.get(name)
    return module.built(documents[name], shape, *more) if shape else module.EMPTY

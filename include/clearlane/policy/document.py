"""YAML as plain data that remembers its lines.

Reads the YAML 1.2 core types only: `NO` is a text (Norway), `09:30` is a text (a time of day),
dates stay texts. Repeated keys are errors; aliases, tags and several documents are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import yaml

from clearlane.policy.problems import Path, Problem, dotted, shown

# libyaml's parser is ten times as fast; wheels carry it, a build from source may not.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Base):  # type: ignore[misc]  # one of the two
    """SafeLoader without the surprises of YAML 1.1."""


Loader.yaml_implicit_resolvers = {}


def _resolve(tag: str, pattern: str, first: str) -> None:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?[0-9]+$", "-+0123456789")
_resolve("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)

_NUMBERS = {"tag:yaml.org,2002:int": int, "tag:yaml.org,2002:float": float}
_MAX_DEPTH = 32


@dataclass
class Document:
    """The content of one policy file, the line of each path in it, and what could not be read."""

    name: str
    data: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def file(self) -> str:
        return f"{self.name}.yaml"

    def line(self, path: Path) -> int:
        """Line of the nearest enclosing path that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def report(self, path: Path, found: str, allowed: str, near: str | None = None) -> None:
        self.problems.append(Problem(self.file, self.line(path), dotted(path), found, allowed, near))

    def at(self, path: Path) -> Mapping[str, object]:
        """The mapping at a path; empty where there is none."""
        here = self.data
        for part in path:
            here = here[part]  # type: ignore[index]  # the path was found in this very data
        return here if isinstance(here, Mapping) else {}


def read(name: str, text: str) -> Document:
    """The document of a file's text; unreadable YAML leaves `data` empty and a problem with its line.

    Each caller adds to problems of its own; `data` and `lines` are those of every reader of the same text.
    """
    found = _read(name, text)
    return replace(found, problems=list(found.problems))


# A policy is read again with one file changed: by whoever tries candidates, and whenever one is published.
@lru_cache(maxsize=64)
def _read(name: str, text: str) -> Document:
    document = Document(name)
    try:
        node = yaml.compose(text, Loader=Loader) if _composable(document, text) else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        document.lines[()] = _line(mark)
        document.report((), said, "the file must be one readable YAML document")
        return document
    if node is not None:
        document.data = _value(document, node, ())
    return document


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


def _composable(document: Document, text: str) -> bool:
    """Whether the text may be composed: aliases could unfold, and nesting recurse, without bound."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > _MAX_DEPTH:
            document.lines[()] = _line(event.start_mark)
            deep = ("deep nesting", f"at most {_MAX_DEPTH} levels")
            document.report(
                (), *(deep if depth > _MAX_DEPTH else ("an alias", "write it out: aliases are not read"))
            )
            return False
    return True


def _value(document: Document, node: yaml.Node, path: Path) -> object:
    document.lines.setdefault(path, _line(node.start_mark))
    if isinstance(node, yaml.MappingNode):
        return dict(_entries(document, node, path))
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, item, (*path, index)) for index, item in enumerate(node.value)]
    return _scalar(node)


def _entries(document: Document, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, object]]:
    seen: set[str] = set()
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        here = (*path, key)
        if key in seen:
            line = _line(key_node.start_mark)
            document.problems.append(
                Problem(document.file, line, dotted(here), shown(key) + " a second time", "each key once")
            )
            continue
        seen.add(key)
        document.lines[here] = _line(key_node.start_mark)
        yield key, _value(document, value_node, here)


def _scalar(node: yaml.Node) -> object:
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag == "tag:yaml.org,2002:bool":
        return str(node.value).lower() == "true"
    number = _NUMBERS.get(node.tag)
    return number(node.value) if number else str(node.value)

"""A policy file's text with a few values changed: comments, order and layout stay, so that the difference is small."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import yaml

from clearlane.policy.document import Loader
from clearlane.policy.problems import Path, dotted

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NO_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Value = str | int | float
Entry = Mapping[str, Value | Sequence[Any]]


@dataclass(frozen=True)
class Edits:
    """What to change, by the paths of the text as it is: values, entries of lists to take out, entries to add.

    A value whose key is not there is added at the end of its mapping, entries go to the end of their list, which
    is made where its key is missing.
    """

    values: Mapping[Path, Value | Entry] = field(default_factory=dict)
    removed: frozenset[Path] = frozenset()
    added: Mapping[Path, Sequence[Entry]] = field(default_factory=dict)


class NotThere(LookupError):
    """A path that the text does not hold."""


def edited(text: str, edits: Edits) -> str:
    """The text with the edits made; it must be a readable policy file. NotThere names a path that it lacks."""
    text = text if text.endswith("\n") else f"{text}\n"
    for path, value in edits.values.items():
        text = _with_value(text, path, value)
    for path in sorted(edits.removed, key=lambda one: [*map(str, one[:-1]), -int(one[-1])]):
        text = _without(text, path)
    for path, entries in edits.added.items():
        text = _with_entries(text, path, entries)
    return text


def _with_value(text: str, path: Path, value: Value | Entry) -> str:
    root = _root(text)
    found = _entry(root, path)
    if found:
        return _replaced(text, _start(found[1]), _end(_last(found[1])), _written(value))
    parent, said = _at(root, path[:-1]), f"{path[-1]}: {_written(value)}"
    if parent.flow_style:
        return _inserted(text, _end(parent.value[-1][1]), f", {said}")
    return _inserted(text, _line_end(text, parent), f"{' ' * parent.start_mark.column}{said}\n")


def _without(text: str, path: Path) -> str:
    root = _root(text)
    entries, index = _at(root, path[:-1]), int(path[-1])
    if entries.flow_style:
        return _without_flow(text, entries.value, index)
    node = entries.value[index]
    text = _replaced(text, _line_start(text, node), _line_end(text, node), "")
    if len(entries.value) > 1:
        return text
    key = _found(root, path[:-1])[0]
    return _inserted(
        text, text.index(":", _end(key)) + 1, " []"
    )  # without entries the key would hold nothing


def _without_flow(text: str, entries: Sequence[Any], index: int) -> str:
    if index + 1 < len(entries):
        return _replaced(text, _start(entries[index]), _start(entries[index + 1]), "")
    return _replaced(
        text, _end(entries[index - 1]) if index else _start(entries[0]), _end(entries[index]), ""
    )


def _with_entries(text: str, path: Path, entries: Sequence[Entry]) -> str:
    root = _root(text)
    found, parent = _entry(root, path), _at(root, path[:-1])
    column = parent.start_mark.column
    if parent.flow_style:
        return _with_flow_entries(text, parent, found, path[-1], entries)
    if not found:
        made = f"{' ' * column}{path[-1]}:\n{_block(entries, column + 2)}"
        return _inserted(text, _line_end(text, parent), made)
    there = found[1]
    if there.value and there.flow_style:
        return _inserted(text, _end(there.value[-1]), "".join(f", {_flow(entry)}" for entry in entries))
    if there.value:
        return _inserted(text, _line_end(text, there), _block(entries, there.start_mark.column))
    made = "\n" + _block(entries, column + 2).rstrip("\n")
    begins = text.index(":", _end(found[0])) + 1
    return _replaced(text, begins, max(begins, _end(there)), made)


def _with_flow_entries(text: str, parent: Any, found: Any, key: str | int, entries: Sequence[Entry]) -> str:
    """Into a list that stands, or comes to stand, in braces."""
    flow = ", ".join(map(_flow, entries))
    if not found:
        return _inserted(text, _end(parent.value[-1][1]), f", {key}: [{flow}]")
    there = found[1]
    if there.value:
        return _inserted(text, _end(there.value[-1]), f", {flow}")
    return _replaced(text, _start(there), _end(there), f"[{flow}]")


# --- as text ------------------------------------------------------------------------------------------------


def _block(entries: Iterable[Entry], column: int) -> str:
    indent = " " * column
    return "".join(
        f"{indent}{'  ' if i else '- '}{name}: {_written(value)}\n"
        for entry in entries
        for i, (name, value) in enumerate(entry.items())
    )


def _flow(entry: Entry) -> str:
    return "{" + ", ".join(f"{name}: {_written(value)}" for name, value in entry.items()) + "}"


def _written(value: Value | Entry | Sequence[Any]) -> str:
    """Numbers short, plain words as they are, any other text in double quotes, lists and mappings on one line."""
    match value:
        case str():
            return value if _plain(value) else _quoted(value)
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return f"{value:g}"
        case Mapping():
            return _flow(value)
    return f"[{', '.join(map(_written, value))}]"


def _plain(value: str) -> bool:
    """Whether it is read as this text without quotes: by us, and by who takes `yes` for true."""
    words = value.replace("_", "").replace(" ", "").isalnum()
    return words and all(yaml.load(value, Loader=loader) == value for loader in (Loader, _Loader))


def _quoted(value: str) -> str:
    """As JSON, and what YAML takes for a break, or refuses, as escapes: control characters beyond JSON's."""
    return _NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _inserted(text: str, at: int, more: str) -> str:
    return _replaced(text, at, at, more)


def _replaced(text: str, start: int, end: int, by: str) -> str:
    return text[:start] + by + text[end:]


# --- where things stand -------------------------------------------------------------------------------------


def _root(text: str) -> Any:
    return yaml.compose(text, Loader=_Loader)


def _at(root: Any, path: Path) -> Any:
    return _found(root, path)[1]


def _found(root: Any, path: Path) -> tuple[Any, Any]:
    found = _entry(root, path)
    if found is None:
        raise NotThere(f"{dotted(path)} is not in the file")
    return found


def _entry(root: Any, path: Path) -> tuple[Any, Any] | None:
    """The key (None in a list) and the value at a path; None where it is not there."""
    key, node = None, root
    for part in path:
        if isinstance(part, int):
            inside = [(None, one) for one in islice(node.value, part, part + 1)]
        else:
            inside = [pair for pair in node.value if pair[0].value == part] if _is_mapping(node) else []
        if not inside:
            return None
        key, node = inside[0]
    return key, node


def _is_mapping(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode)


def _start(node: Any) -> int:
    return int(node.start_mark.index)


def _end(node: Any) -> int:
    return int(node.end_mark.index)


def _last(node: Any) -> Any:
    """The last value inside a node: a block's own end lies behind the comments that follow it."""
    while node.value and not isinstance(node, yaml.ScalarNode) and not node.flow_style:
        node = node.value[-1][1] if _is_mapping(node) else node.value[-1]
    return node


def _line_end(text: str, node: Any) -> int:
    """Just behind the last line of a node; of a text over several lines the end is there already."""
    at = _end(_last(node))
    return at if text[at - 1] == "\n" else text.index("\n", at) + 1


def _line_start(text: str, node: Any) -> int:
    return text.rfind("\n", 0, _start(node)) + 1

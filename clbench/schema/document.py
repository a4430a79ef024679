"""One YAML document of a stranger's: read as plain values, within bounds, with the line of every field."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any

import yaml

from clbench.errors import UserError

# The longest file that comes with clbench has 3 KB, and the largest sweep that is allowed has some hundred names.
_LARGEST = 2**20
_NODES, _DEPTH = 20_000, 40
_INTEGERS = 2**63
# What would move a terminal's cursor, turn its writing round or be no text at all; tab and line feed are text.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_NO_KEY = "a key is missing before the colon"
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """What a YAML text says.

    Attributes:
        content: None, bool, int, float, str, and lists and dicts of them.
    """

    content: Any
    _root: yaml.Node | None = field(repr=False)
    _keys: Mapping[yaml.Node, Hashable] = field(repr=False)

    def line(self, path: Sequence[Hashable]) -> int | None:
        """The line, from 1, of the field at ``path`` (keys and places), or of the innermost one around it."""
        node, line = self._root, None
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if self._is(pair[0], part)]
                if not found:
                    break
                (key, node) = found[-1]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def _is(self, key: yaml.Node, part: Hashable) -> bool:
        """Whether a key is the one that ``part`` means: as the file spells it, by its value, or by its value's text."""
        value = self._keys.get(key, key.value)
        spelt = str(value).lower() if isinstance(value, bool) else str(value)
        return key.value == part or value == part or spelt == str(part)


def read_document(path: Path) -> Document:
    """The YAML document in the file ``path``.

    Raises:
        UserError: no regular file, too large, not UTF-8, or as :func:`parse_document`.
    """
    try:
        about = path.stat()
        if not S_ISREG(about.st_mode):
            raise UserError(f"{path} cannot be read: it is not a regular file.")
        if about.st_size > _LARGEST:
            raise UserError(f"{path} has {about.st_size:,} bytes; a YAML file should have at most {_LARGEST:,}.")
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not a file path: {error}.") from error
    return parse_document(_text(data, path), str(path))


def parse_document(text: str, origin: str) -> Document:
    """The YAML document in ``text``; ``origin`` (a file name) opens the sentence of a :class:`UserError`.

    ``true`` and ``false`` are the only booleans, as in YAML 1.2: yes, no, on and off are words, and labels. Anchors and
    aliases are read, but count as often as they are used.

    Raises:
        UserError: no valid YAML; a key that comes twice; a date, a tag or an integer beyond 64 bits; control
            characters; or more, or more deeply nested, than any file of clbench needs.
    """
    found = _UNPRINTABLE.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        if found[0] != "\r" or text[found.end() : found.end() + 1] != "\n":
            raise UserError(f"{origin} is not valid YAML at line {line}: {_names(found[0])}.")
        text = text.replace("\r\n", "\n")
        return parse_document(text, origin)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return Document(None if root is None else loader.construct_document(root), root, loader.keys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        parts = [getattr(error, name, None) for name in ("context", "problem")]
        problem = " ".join(" ".join(filter(None, parts)).split()) or "it cannot be read"
        if problem.endswith("but found ':'"):
            problem = _NO_KEY
        raise UserError(f"{origin} is not valid YAML{where}: {problem}.") from error
    except Exception as error:  # whatever else the library makes of an illegal text, such as an escape beyond Unicode
        line = loader.line + 1
        raise UserError(f"{origin} is not valid YAML at line {line}: it cannot be read ({error}).") from error
    finally:
        loader.dispose()


def _text(data: bytes, path: Path) -> str:
    try:
        text = data.decode("utf-8")
        if "\0" in text:
            raise _wide(path)
        return text
    except UnicodeDecodeError as error:
        if b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise _wide(path) from error
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} cannot be read: it is not UTF-8 text, as byte {data[error.start]:#04x} in line {line} shows; save "
            "it as UTF-8."
        ) from error


def _wide(path: Path) -> UserError:
    return UserError(f"{path} cannot be read: it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8.")


def _names(character: str) -> str:
    return f"the character U+{ord(character):04X} is not allowed in it"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, bounded, for plain values alone, and with an error that has a line for each that is wrong.

    It builds none of the values that only YAML knows: dates, sets, bytes, ordered pairs.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.total = 0
        self.sizes: dict[int, int] = {}
        self.keys: dict[yaml.Node, Hashable] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            target = self.anchors.get(event.anchor)
            if target is not None and id(target) not in self.sizes:
                raise yaml.composer.ComposerError(None, None, f"'*{event.anchor}' stands inside of itself", mark)
            self._count(self.sizes[id(target)] if target is not None else 0, mark)
            return super().compose_node(parent, index)
        before = self.total
        self._count(1, mark)
        self.depth += 1
        if self.depth > _DEPTH:
            raise yaml.composer.ComposerError(None, None, f"it is nested more than {_DEPTH} deep", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        self.sizes[id(node)] = self.total - before
        return node

    def _count(self, more: int, mark: yaml.Mark) -> None:
        self.total += more
        if self.total > _NODES:
            problem = f"it has more than {_NODES:,} values, those that aliases repeat included"
            raise yaml.composer.ComposerError(None, None, problem, mark)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # a value that is not what its tag says, such as !!int abc
            raise self._wrong(node, f"{_short(node)} is no {node.tag.removeprefix(_TAG)}") from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{_short(node)} is not a mapping")
        seen = set()
        for key, _ in node.value:
            if key.tag == f"{_TAG}merge":
                continue
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise self._wrong(key, f"a key should be a word or a number, not {_short(key)}")
            if name is None:
                null = f"a key should be a word or a number, but is null; put {key.value} in quotes if it is a word"
                raise self._wrong(key, null if key.value else _NO_KEY)
            if name in seen:
                raise self._wrong(key, f"{_short(key)} should be there once, but is there twice")
            seen.add(name)
            self.keys[key] = name
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        text = super().construct_yaml_str(node)
        found = _UNPRINTABLE.search(text)
        if found is not None:
            raise self._wrong(node, _names(found[0]))
        return text

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node) if len(node.value) <= 80 else _INTEGERS
        if not -_INTEGERS <= value < _INTEGERS:
            raise self._wrong(node, f"{_short(node)} is an integer of more than 64 bits")
        return value

    def construct_undefined(self, node: yaml.Node) -> Any:
        tag = node.tag.replace(_TAG, "!!")
        if tag == "!!timestamp":
            raise self._wrong(node, f"{_short(node)} reads as a date, which no field is; put it in quotes")
        raise self._wrong(node, f"the tag {tag[:40]} is not read here; leave it out")

    def _wrong(self, node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
        return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _short(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return repr(node.value if len(node.value) <= 40 else f"{node.value[:40]} [..]")


_Loader.yaml_constructors = {f"{_TAG}{kind}": getattr(_Loader, f"construct_yaml_{kind}") for kind in _PLAIN}
_Loader.yaml_constructors[None] = _Loader.construct_undefined
# What a word without quotes is. Of YAML 1.1 remain dates, so that they are refused and not taken for text, underscores
# in numbers, and << for merging; gone are yes and no, 10:30 for 630, and 010 for 8, which are text.
_WORDS = {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|0o[0-7_]+",
    "float": r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag.removeprefix(_TAG) not in (*_WORDS, "value")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _rule in _WORDS.items():
    _first = list("tTfF") if _kind == "bool" else list("-+.0123456789")
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^(?:{_rule})$"), _first)

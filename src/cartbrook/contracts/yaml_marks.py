"""YAML with line numbers: nodes as they were written, and problems that say where they are.

Values are read from nodes and never constructed, so no tag of a file can make an object.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML without libyaml: the same nodes, slower
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
MAX_PROBLEMS = 100
_MAX_QUOTED = 60
_FEW = 12
_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_BOOLEANS = {"true": True, "false": False}


@dataclass(slots=True)
class Report:
    """The problems of one file, in the order of its lines."""

    source: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, path: str, what: str, hint: str | None = None) -> None:
        """Note a problem; `line` counts from 1, and 0 means the whole file."""
        place = f"{self.source}:{line}" if line else self.source
        text = f"{place}{f' {path}' if path else ''}: {what}"
        self.found.append((line, f"{text}. Hint: {hint}" if hint else text))

    def problems(self) -> list[str]:
        """Each problem once, by line."""
        return list(dict.fromkeys(text for _, text in sorted(self.found, key=lambda item: item[0])))


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: a node, the key it stands under, and the path that messages name."""

    node: yaml.Node
    report: Report
    path: str = ""
    key: str = ""

    @property
    def line(self) -> int:
        """Line of the file, counted from 1."""
        return _line(self.node.start_mark)

    @property
    def is_null(self) -> bool:
        """True where nothing stands, or null."""
        return bool(self.node.tag == _NULL)

    def problem(self, what: str, hint: str | None = None) -> None:
        """Note that something is wrong here."""
        self.report.add(self.line, self.path, what, hint)

    def within(self, name: str) -> Spot:
        """The same place with a longer path."""
        return Spot(self.node, self.report, f"{self.path}.{name}" if self.path else name, self.key)

    def mapping(self, known: Collection[str] | None = None) -> dict[str, Spot]:
        """The values of a mapping by key; unknown keys are problems, empty values count as absent."""
        if not isinstance(self.node, yaml.MappingNode):
            self.problem(f"{self.key or 'the file'} must be a mapping (key: value)")
            return {}
        spots: dict[str, Spot] = {}
        for key_node, value in self.node.value:
            key = Spot(key_node, self.report, self.path)
            if not isinstance(key_node, yaml.ScalarNode):
                key.problem("a key must be text")
            elif known is not None and key_node.value not in known:
                key.problem(f"unknown key {quoted(key_node.value)}", suggestion(key_node.value, known))
            elif value.tag != _NULL:
                spots.setdefault(key_node.value, Spot(value, self.report, self.path, key_node.value))
        return spots

    def items(self) -> list[Spot]:
        """The items of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.problem(f"{self.key} must be a list")
            return []
        return [Spot(node, self.report, self.path, self.key) for node in self.node.value]

    def text(self) -> str | None:
        """A scalar as it is written (so `no` and `1.0` stay what they look like), or None and a problem."""
        if isinstance(self.node, yaml.ScalarNode) and self.node.tag != _NULL and self.node.value.strip():
            return str(self.node.value)
        self.problem(f"{self.key} must be text")
        return None

    def texts(self) -> list[tuple[str, Spot]]:
        """One text, or a list of texts, each with its place."""
        spots = self.items() if isinstance(self.node, yaml.SequenceNode) else [self]
        return [(text, spot) for spot in spots if (text := spot.text()) is not None]

    def flag(self) -> bool | None:
        """True or false, or None and a problem."""
        value = _BOOLEANS.get(self.node.value.lower()) if isinstance(self.node, yaml.ScalarNode) else None
        if value is None or self.node.tag == _STRING:
            self.problem(f"{self.key} must be true or false")
            return None
        return value

    def choice(self, options: Iterable[str], noun: str) -> str | None:
        """A text out of `options`, or None and a problem."""
        text, known = self.text(), list(options)
        if text is not None and text not in known:
            self.problem(f"unknown {noun} {quoted(text)}", suggestion(text, known))
            return None
        return text


def compose(text: str, report: Report) -> Spot | None:
    """The root of a YAML text, or None with a problem noted; keys that stand twice in a mapping are problems too."""
    if len(text) > MAX_CHARACTERS:
        report.add(0, "", f"longer than {MAX_CHARACTERS:,} characters, which no contract is")
        return None
    try:
        if not _is_plain(text, report):
            return None
        node = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        report.add(_line(error.problem_mark), "", f"not YAML: {clipped(error.problem or 'cannot be read')}")
        return None
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML does not have
        report.add(0, "", f"not YAML: {clipped(str(error).splitlines()[0] if str(error) else 'cannot be read')}")
        return None
    if node is None:
        report.add(0, "", "the file is empty")
        return None
    _find_duplicates(node, report)
    return Spot(node, report)


def _is_plain(text: str, report: Report) -> bool:
    """False for aliases and deep nesting. Judged on events first: libyaml's composer recurses on the C stack and would crash."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.AliasEvent):
            report.add(_line(event.start_mark), "", "YAML aliases are not read", "write the value out")
            return False
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                report.add(_line(event.start_mark), "", f"nested deeper than {MAX_DEPTH} levels")
                return False
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return True


def _find_duplicates(node: yaml.Node, report: Report) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = _line(key.start_mark)
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                report.add(line, "", f"key {quoted(key.value)} stands twice, first on line {seen[key.value]}")
            elif isinstance(key, yaml.ScalarNode):
                seen[key.value] = line
            _find_duplicates(value, report)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _find_duplicates(item, report)


def _line(mark: Any) -> int:
    """Line of a mark, which is of another class with libyaml than without, and may be absent."""
    return int(mark.line) + 1 if mark is not None else 0


def quoted(text: str) -> str:
    """A text in quotes, short enough for a message."""
    return f'"{clipped(text)}"'


def clipped(text: str) -> str:
    """A text on one line and of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTED else line[: _MAX_QUOTED - 1] + "…"


def suggestion(word: str, options: Iterable[str]) -> str | None:
    """A hint that guesses what was meant, or names the few things that could have been."""
    import difflib  # only where something is wrong: it is slow to import

    by_folded = {option.lower(): option for option in sorted(options)}
    close = difflib.get_close_matches(word.lower()[:_MAX_QUOTED], by_folded, n=1)
    if close:
        return f'did you mean "{by_folded[close[0]]}"?'
    return f"one of {', '.join(by_folded.values())}" if 0 < len(by_folded) <= _FEW else None

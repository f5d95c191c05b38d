"""Published tables under the names that people use: ``SELECT * FROM gold.kpi_daily``.

Names are replaced before the engine sees the statement: Sail cannot bind a qualified name to a version (it takes
``CREATE TABLE ... OPTIONS (versionAsOf n)`` and then reads the head), and a replaced view would change earlier frames.
"""

from __future__ import annotations

import difflib
import itertools
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from cartbrook.errors import QueryError
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import SCHEMAS
from cartbrook.types import Publication

if TYPE_CHECKING:
    from pyarrow import Table
    from pyspark.sql import DataFrame

LAYERS = ("bronze", "silver", "gold", "ops")

_TOKEN = re.compile(
    r"(?P<gap>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
    r"|(?P<quoted>`(?:[^`]|``)*`)|(?P<word>[^\W\d]\w*)|(?P<other>[\d.]*\d\w*|.)",
    re.DOTALL,
)
_VIEW = re.compile(r"(bronze|silver|gold|ops)__(\w+?)__[0-9a-f]{8}")
_MISSING = re.compile(
    r"(?:table or view|view|table) (?:not found|with name)[^\n]*?[:\s`']([\w.]+)[`']?\s*(?:cannot be found|$)", re.IGNORECASE
)
_NO_COLUMN = re.compile(
    r"attribute ObjectName\(\[(.+?)\]\) is missing|column[^`]* name `(.+?)` cannot be resolved", re.IGNORECASE
)
_IDENTIFIER = re.compile(r'Identifier\("(.*?)"\)')
_AFTER_TABLE = frozenset(
    "where group having order limit offset union except minus intersect join inner left right full cross natural semi anti outer "
    "lateral on using window pivot unpivot tablesample sort cluster distribute for version timestamp select qualify".split()
)
"""Words that follow a table and are not its alias."""


@dataclass(slots=True)
class _Token:
    kind: str
    text: str

    @property
    def name(self) -> str | None:
        """The identifier, lower case; None if it is none."""
        if self.kind == "word":
            return self.text.lower()
        return self.text[1:-1].replace("``", "`").lower() if self.kind == "quoted" else None


class Views:
    """The tables of a lake as readers see them: pinned tables as of a publication, bronze and the ledger at their heads."""

    def __init__(self, lake: Lake, publication: Publication) -> None:
        self._lake = lake
        self._publication = publication
        self._made: dict[str, str] = {}
        self._suffix = uuid.uuid4().hex[:8]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tables."""
        return tuple(sorted({*SCHEMAS, *self._lake.tables_all()}))

    def read(self, name: str) -> DataFrame:
        """A table by name."""
        versions = self._publication.table_versions
        return self._lake.published(name, self._publication) if name in versions else self._lake.tables.read(name)

    def query(self, statement: str) -> Table:
        """The answer to one SELECT statement.

        Raises:
            QueryError: It is no such statement, names no table of ours, or the engine refuses it.
        """
        text = self._translated(statement)
        try:
            self._lake.expect()
            return self._lake.tables.session.sql(text).toArrow()
        except PySparkException as error:
            raise self._explained(error) from None

    def _translated(self, statement: str) -> str:
        tokens = _checked(list(_tokens(statement)))
        result: list[str] = []
        i, before = 0, ""
        while i < len(tokens):
            token = tokens[i]
            layer, table = token.name, _following_name(tokens, i)
            if table is not None and layer in LAYERS and f"{layer}.{table}" in self.names and before != ".":
                end = i + 3
                result.append(self._reference(tokens, end, f"{layer}.{table}", before))
                i, before = end, table
                continue
            if table is not None and before in ("from", "join"):
                raise self._unknown(f"{layer}.{table}")
            result.append(token.text)
            if token.kind != "gap":
                before = token.text.lower()
            i += 1
        return "".join(result)

    def _reference(self, tokens: list[_Token], end: int, name: str, before: str) -> str:
        """What stands for a table: its own name before a dot, else its view, under its own name where it has no alias."""
        table = name.split(".")[1]
        following = next((token for token in tokens[end:] if token.kind != "gap"), None)
        if following is not None and following.text == ".":
            return f"`{table}`"
        view = self._view(name)
        has_alias = following is not None and following.name is not None and following.name not in _AFTER_TABLE
        return view if has_alias or before == "table" else f"{view} AS `{table}`"

    def _view(self, name: str) -> str:
        if name not in self._made:
            view = f"{name.replace('.', '__')}__{self._suffix}"
            self.read(name).createOrReplaceTempView(view)
            self._made[name] = view
        return self._made[name]

    def _explained(self, error: PySparkException) -> QueryError:
        text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()
        text = _VIEW.sub(r"\1.\2", text)
        if "not found" in text.lower() and (missing := _MISSING.search(text)) and "column" not in text.lower():
            return self._unknown(missing[1])
        if column := _NO_COLUMN.search(text):
            name = ".".join(_IDENTIFIER.findall(column[1])) if column[1] else column[2]
            return QueryError(f"There is no column {name}.", hint="`SELECT * FROM <table> LIMIT 1` shows the columns.")
        return QueryError(f"The engine refuses the statement: {text[:500]}")

    def _unknown(self, name: str) -> QueryError:
        close = difflib.get_close_matches(name, self.names, 3, 0.6)
        close += [known for known in self.names if known.split(".")[1] == name.rsplit(".", maxsplit=1)[-1] and known not in close]
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(self.names)}."
        return QueryError(f"There is no table {name}.", hint=hint)


def _tokens(statement: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(statement):
        assert match.lastgroup is not None
        yield _Token(match.lastgroup, match[0])


def _checked(tokens: list[_Token]) -> list[_Token]:
    """The tokens of one SELECT statement, without what ends it."""
    while tokens and (tokens[-1].kind == "gap" or tokens[-1].text == ";"):
        tokens.pop()
    words = [token for token in tokens if token.kind != "gap"]
    if any(token.text == ";" for token in words):
        raise QueryError("One statement at a time.", hint="Put each into a call of its own.")
    first = next((token for token in words if token.text != "("), None)
    if first is None or first.name not in ("select", "with"):
        raise QueryError("Only SELECT (or WITH ... SELECT) is answered.", hint="Tables are written by cartbrook alone.")
    for token, following in itertools.pairwise(words):
        if token.kind == "word" and token.name == "insert" and following.name in ("into", "overwrite"):
            raise QueryError("Only SELECT (or WITH ... SELECT) is answered.", hint="Tables are written by cartbrook alone.")
        if token.text == "." and following.kind == "quoted" and "/" in following.text:
            raise QueryError("Tables are read by name, not by path.", hint="Such as gold.kpi_daily.")
    return tokens


def _following_name(tokens: list[_Token], i: int) -> str | None:
    """The name behind the dot, if tokens[i] begins ``name.name``."""
    if tokens[i].name is None or i + 2 >= len(tokens) or tokens[i + 1].text != ".":
        return None
    return tokens[i + 2].name

"""Errors: bounded messages, hints, exit codes, and a tree that its docstring draws."""

from __future__ import annotations

import inspect
import re

import pytest

from cartbrook import errors

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.CartbrookError)]


def test_the_tree_is_drawn_in_full():
    """Every class stands in the docstring, under its parent."""
    drawn: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        if match := re.match(r"([ │├└─]{4,})(\w+)", line):
            depth = len(match[1])
            path = [entry for entry in path if entry[0] < depth]
            drawn[match[2]] = path[-1][1] if path else None
            path.append((depth, match[2]))
    assert drawn == {
        cls.__name__: getattr(cls.__base__, "__name__", "") if cls.__base__ is not Exception else None for cls in CLASSES
    }


def test_messages_are_bounded():
    """A message has at most 2,000 characters and says that it was cut."""
    assert errors.CartbrookError("x" * 2_000).message == "x" * 2_000
    long = errors.CartbrookError("x" * 2_001).message
    assert (len(long), long[-1]) == (2_000, "…")


def test_a_hint_stands_below_the_message():
    """What to do follows what was wrong."""
    assert str(errors.CartbrookError("wrong", hint="do this")) == "wrong\n  Hint: do this"
    assert str(errors.CartbrookError("wrong")) == "wrong"


def test_contract_problems_are_counted():
    """All problems are told, and their number."""
    assert errors.ContractError(["a"]).message.startswith("1 problem in")
    error = errors.ContractError(["a", "b"])
    assert (error.problems, error.message) == (["a", "b"], "2 problems in the data contracts:\n  a\n  b")


def test_a_refused_file_names_its_line():
    """File and line lead the message where the line is known."""
    assert errors.FileRefused("c", "x.csv", "bad", line=3).message == "x.csv:3: bad"
    error = errors.FileRefused("c", "x.csv", "bad")
    assert (error.message, error.code, error.file, error.line) == ("x.csv: bad", "c", "x.csv", None)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_exit_codes(cls):
    """Wrong usage is 2, everything else 1; only a locked workspace is worth the same call again."""
    assert cls.exit_code == (2 if issubclass(cls, errors.UsageError) else 1)
    assert cls.retryable is (cls is errors.WorkspaceLocked)


def test_a_rejection_carries_its_results():
    """A rejected batch still says what was wrong with it."""
    error = errors.BatchRejected("B1: rejected.", [{"rule": "a"}])
    assert (error.code, error.results) == ("gate", [{"rule": "a"}])

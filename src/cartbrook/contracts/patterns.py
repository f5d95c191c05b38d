"""Patterns of rules: only what Java's and Rust's regular expressions both read, and read alike."""

from __future__ import annotations

import re
import warnings

MAX_LENGTH = 1_000
MAX_REPEAT = 1_000

_ESCAPES = frozenset("dDwWsSbBntrf") | frozenset(r"\.[]{}()*+?^$|-/&~#")
_REPEAT = re.compile(r"\{([0-9]{1,6})(,([0-9]{1,6})?)?\}")


def check_pattern(pattern: str) -> str | None:
    """What is wrong with a regular expression, or None.

    Args:
        pattern: What a whole value must match; anchors are put around it by whoever runs it.
    """
    if len(pattern) > MAX_LENGTH:
        return f"a pattern of more than {MAX_LENGTH:,} characters"
    return _unportable(pattern) or _uncompilable(pattern)


def _uncompilable(pattern: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # e.g. "[[" or "[a--b]": set operations in one engine, text in another
            re.compile(pattern)
    except (re.error, Warning) as error:
        return f"the pattern does not compile ({error})"
    except (OverflowError, RecursionError):
        return "the pattern does not compile (too large)"
    return None


def _unportable(pattern: str) -> str | None:
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        problem: str | None = None
        if letter == "[":
            at, problem = _class(pattern, at)
        elif letter == "\\":
            problem = _escape(pattern[at + 1 : at + 2])
            at += 2
        elif letter in "*+?{":
            at, problem = _repetition(pattern, at)
        else:
            problem = _group(pattern[at : at + 5])
            at += 2 if pattern.startswith("(?", at) else 1
        if problem is not None:
            return problem
    return None


def _class(pattern: str, at: int) -> tuple[int, str | None]:
    """Walk over ``[…]`` from its bracket; where it is not closed, compiling will say so."""
    at += 2 if pattern.startswith("[^", at) else 1
    if pattern.startswith("]", at):
        return at, 'a "]" first inside […] means different things to different engines: write \\]'
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\":
            if pattern[at + 1 : at + 2] in "bB" or (problem := _escape(pattern[at + 1 : at + 2])):
                return at, problem if pattern[at + 1 : at + 2] not in "bB" else "\\b inside […] is not known to every engine"
            at += 1
        elif pattern.startswith(("[", "&&", "--", "~~", "||"), at):
            return at, f'"{pattern[at]}" inside […] can mean different things to different engines: write \\{pattern[at]}'
        at += 1
    return at + 1, None


def _repetition(pattern: str, at: int) -> tuple[int, str | None]:
    """Walk over ``*``, ``+``, ``?`` or ``{2,5}``."""
    if pattern[at] == "{":
        match = _REPEAT.match(pattern, at)
        if match is None:
            return at, 'a "{" that begins no repetition such as {2,5}: write \\{'
        if max(int(match[1]), int(match[3] or 0)) > MAX_REPEAT:
            return at, f"a repetition of more than {MAX_REPEAT:,}"
        at = match.end() - 1
    if pattern.startswith("+", at + 1):
        return at, "possessive repetitions (*+, ++, ?+) are not known to every engine"
    return at + 1, None


def _escape(letter: str) -> str | None:
    if letter.isdigit():
        return "backreferences (\\1) are not known to every engine"
    if letter not in _ESCAPES:
        return f"the escape \\{letter} is not known to every engine"
    return None


def _group(text: str) -> str | None:
    if not text.startswith("(?") or text.startswith(("(?:", "(?i)")):
        return None
    if text.startswith(("(?=", "(?!", "(?<=", "(?<!")):
        return "lookaround ((?=, (?!, (?<=, (?<!) is not known to every engine"
    if text.startswith("(?P="):
        return "backreferences ((?P=name)) are not known to every engine"
    return "of the groups (?…) only (?:…) and (?i) are known to every engine"

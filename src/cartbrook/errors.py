"""The exception tree: everything cartbrook raises on purpose.

    CartbrookError
    ├── UsageError             the call or a file of the user's is wrong (exit code 2)
    │   ├── ConfigError        cartbrook.yaml, CARTBROOK_* or an option
    │   ├── ContractError      a data contract; carries every problem found
    │   ├── WorkspaceError     not a workspace, or one already
    │   └── QueryError         a statement given to `cartbrook query`
    ├── InputError             what was delivered is wrong (exit code 1, other batches go on)
    │   ├── TriggerRefused     a trigger, or the set of files it names
    │   ├── FileRefused        one file; names the line where it can
    │   ├── Held               the batch waits for a person, its files in landing
    │   │   ├── DeclaredDiffers    what the trigger declares of a file does not hold
    │   │   └── SnapshotShrinks    a full snapshot lacks more keys than is likely; to be confirmed
    │   └── BatchRejected      a gate that the batch as a whole did not pass
    ├── StateError             the lake is not in the state the operation needs (exit code 1)
    │   ├── BatchNotFound
    │   ├── PublicationNotFound
    │   ├── DecisionRefused    a record is not there, or not in a state that the decision is for
    │   ├── StepOutOfOrder     a step alone whose earlier steps have not run on what is published now
    │   ├── BooksDoNotBalance  a batch whose records do not add up; never published
    │   ├── ForeignWrite       a table moved under a running operation; nothing is published
    │   ├── LogicChanged       contracts or settings changed what gold means: `cartbrook rebuild`
    │   ├── SchemaMismatch     rows that do not have the columns of the table they are written to
    │   └── WorkspaceLocked    another process works here (retryable)
    └── EngineError            the engine is missing or did not start (exit code 1)

A message says what was wrong, where, and (as the hint) what to do. Messages quote file names, lines, columns and rules, never the
customers' data: those stay in the quarantine table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

MAX_MESSAGE = 2_000


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number of things as messages tell it: ``1 record``, ``2 records``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


@contextmanager
def concerning(what: str) -> Iterator[None]:
    """Note on whatever is raised within what it concerns, such as ``rules of orders``; `runner.explained` tells it."""
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


class CartbrookError(Exception):
    """Root of all errors that are told to a user without a traceback.

    Attributes:
        message: What was wrong and where; at most 2,000 characters.
        hint: What to do about it, or None.
        retryable: True if the same call may succeed later without a change.
    """

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  Hint: {self.hint}" if self.hint else self.message


class UsageError(CartbrookError):
    """The call is wrong: an option, a setting or a contract."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown or has no usable value."""


class WorkspaceError(UsageError):
    """The folder is not a workspace, or cannot become one."""


class QueryError(UsageError):
    """A statement that cannot be answered from the published tables."""


class ContractError(UsageError):
    """One or more problems in data contracts, all told at once."""

    def __init__(self, problems: list[str], *, hint: str | None = None) -> None:
        self.problems = problems
        count = f"{counted(len(problems), 'problem')} in the data contracts"
        super().__init__("\n".join([count + ":", *(f"  {problem}" for problem in problems)]), hint=hint)


class InputError(CartbrookError):
    """Something delivered cannot be taken in.

    Attributes:
        code: A stable word for machines, e.g. ``missing_file``.
    """

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        self.code = code
        super().__init__(message, hint=hint)


class TriggerRefused(InputError):
    """A trigger, or the set of files it announces, cannot become a batch."""


class FileRefused(InputError):
    """A delivered file cannot be read as what it claims to be.

    Attributes:
        file: Name of the file as delivered.
        line: Physical line (the header is 1), or None where the whole file is meant.
    """

    def __init__(self, code: str, file: str, message: str, *, line: int | None = None, hint: str | None = None) -> None:
        self.file = file
        self.line = line
        super().__init__(code, f"{file}{f':{line}' if line else ''}: {message}", hint=hint)


class Held(InputError):
    """A batch that is not taken in until a person has looked at it."""


class DeclaredDiffers(Held):
    """A file is not what its trigger declares: rows, sha256 or control_total."""


class SnapshotShrinks(Held):
    """A full snapshot would end more histories than is likely."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__("snapshot_shrinks", message, hint=hint)


class BatchRejected(InputError):
    """The batch broke a rule whose action is reject_batch, or scored below the gate.

    Attributes:
        results: Its rows of ops.quality_results: a rejected batch still says what was wrong.
    """

    def __init__(self, message: str, results: Sequence[Mapping[str, Any]], *, hint: str | None = None) -> None:
        self.results = results
        super().__init__("gate", message, hint=hint)


class StateError(CartbrookError):
    """The lake is not in the state that the operation needs."""


class BatchNotFound(StateError):
    """No batch of that id, or none in a state the operation can work on."""


class PublicationNotFound(StateError):
    """No publication of that number."""


class DecisionRefused(StateError):
    """Decisions that cannot be taken; none of them was recorded."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        text = "".join(f"\n  {problem}" for problem in problems[:20])
        super().__init__(
            f"{counted(len(problems), 'decision')} cannot be taken; nothing was recorded:{text}{more}",
            hint="`cartbrook quarantine list` shows the records and their states.",
        )


class StepOutOfOrder(StateError):
    """A step was called before the ones it builds on.

    Attributes:
        wanting: The steps that must run before it, in order.
    """

    def __init__(self, message: str, wanting: Sequence[str], *, hint: str | None = None) -> None:
        self.wanting = tuple(wanting)
        super().__init__(message, hint=hint)


class BooksDoNotBalance(StateError):
    """Records or money of a batch are unaccounted for, or counted twice."""


class ForeignWrite(StateError):
    """A pinned table was written by someone else while an operation ran."""


class LogicChanged(StateError):
    """Gold was built under other tracked columns, settings or code."""


class SchemaMismatch(StateError):
    """Rows do not have exactly the columns and types of the table."""


class WorkspaceLocked(StateError):
    """Another process holds the workspace."""

    retryable = True


class EngineError(CartbrookError):
    """The engine is not installed, or did not start."""

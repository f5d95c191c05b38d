"""Several calls at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], most: int) -> list[Result]:
    """Call a function for each item, `most` of them at a time.

    Returns:
        The results in the order of the items; the first error is raised after all calls have ended.
    """
    items = list(items)
    if most == 1 or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(most, len(items))) as pool:
        futures = [pool.submit(function, item) for item in items]
    return [future.result() for future in futures]

# SPDX-License-Identifier: Apache-2.0
"""Progress bars on stderr, so that stdout stays free for results."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Bar", "Ticks"]


class Bar:
    """One bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def add(self, amount: float) -> None:
        """So much more is done."""
        self._progress.advance(self._task, amount)

    def set(self, done: float) -> None:
        """So much is done in all."""
        self._progress.update(self._task, completed=done)


class Ticks:
    """Where the bars of a command are drawn."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def bar(self, text: str, total: float) -> Iterator[Bar]:
        """A bar that is full at `total`."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            yield Bar(progress, progress.add_task(text, total=total))

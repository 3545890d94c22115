# SPDX-License-Identifier: Apache-2.0
"""Runs a vendor's tool: log kept, time limit, all of its processes ended with it, the reason of a failure found."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sw_quant.errors import FpqvarError

__all__ = ["LogTail", "ToolFailure", "error_lines", "run_tool"]

POLL = 0.5  # seconds
GRACE = 20.0  # seconds between asking a tool to end and ending it
SHOWN = 5  # lines
_ERROR = re.compile(
    r"^(\S+: )?(ERROR|CRITICAL ERROR|FATAL|error:)|abnormal program termination|segmentation fault"
    r"|out of memory|bad_alloc|no space left",
    re.IGNORECASE,
)


class ToolFailure(FpqvarError):
    """A tool that did not end well. `lines` are its last error lines."""

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.lines = tuple(lines)


def error_lines(log: Path) -> list[str]:
    """The last lines of a log that tell what went wrong; its very last ones if none does."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    found = [line for line in lines if _ERROR.search(line)]
    return list(dict.fromkeys(found))[-SHOWN:] or lines[-SHOWN:]


class LogTail:
    """Follows a log that another process writes."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._at = 0
        self._last = ""

    def last_line(self) -> str:
        """The newest line that is whole and not empty."""
        with self._log.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        lines = [line.strip() for line in whole.decode("utf-8", "replace").splitlines() if line.strip()]
        self._last = lines[-1] if lines else self._last
        return self._last


def run_tool(
    command: Sequence[str], folder: Path, log: Path, limit: float, progress: Callable[[str], None] = lambda line: None
) -> None:
    """Run `command` in `folder`, at most `limit` seconds; an older log is kept beside the new one.

    `progress` gets the log's newest line now and then. Raises ToolFailure when the tool cannot be started, fails, or
    takes too long. An exception in here, Ctrl-C included, ends the tool and all that it started.
    """
    _keep_older(log)
    name = Path(command[0]).name
    with log.open("w", encoding="utf-8") as sink, _held_back() as let_through:
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ToolFailure(f"{name} cannot be started: {error.strerror}") from error
        try:
            _follow(process, name, log, limit, progress, let_through)
        finally:
            _end(process)
    if process.returncode != 0:
        lines = error_lines(log)
        how = f"ended with exit code {process.returncode}"
        if process.returncode < 0:
            how = f"was ended by {signal.Signals(-process.returncode).name}"
            if process.returncode == -signal.SIGKILL:
                how += ", as the system does when memory runs out"
        raise ToolFailure("\n".join([f"{name} {how}. Log: {log}", *lines]), lines)


def _follow(
    process: "subprocess.Popen[bytes]",
    name: str,
    log: Path,
    limit: float,
    progress: Callable[[str], None],
    let_through: Callable[[], None],
) -> None:
    """Wait for a tool's end, at most until its time limit."""
    started, tail = time.monotonic(), LogTail(log)
    while process.poll() is None:
        let_through()
        if time.monotonic() - started > limit:
            raise ToolFailure(
                f"{name} was stopped after {limit / 3600:g} hours; allow it more with --hours. Log: {log}",
                error_lines(log),
            )
        progress(tail.last_line())
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL)


@contextmanager
def _held_back() -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM do what they do only where the function that is yielded is called, or at the end.

    Elsewhere their exception could come between taking a lock and minding it: the progress display draws under one in a
    thread of its own, and would then be waited for without end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda given, _frame: came.append(given))
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def let_through() -> None:
        for number in came:
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, None)
            elif handler == signal.SIG_DFL:
                raise SystemExit(128 + number)

    try:
        yield let_through
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    let_through()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a tool's processes; they have a process group of their own."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _keep_older(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        number = 1
        while (older := log.with_name(f"{log.stem}.{number}{log.suffix}")).exists():
            number += 1
        log.replace(older)

# SPDX-License-Identifier: Apache-2.0
"""Compilers and simulators as child processes that end: at a time, or when the run is broken off."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TextIO

__all__ = ["Children", "TimeOut", "stop_all"]

_RUNNING: set[int] = set()  # process groups
_LOCK = Lock()
_STOPPED = False


class TimeOut(Exception):
    """Told as a sentence without its end: "... not done after 300 s"."""


class Children:
    """Programs that share a time. Each leads a process group, so that its own children end with it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def run(
        self,
        commands: Sequence[Sequence[str | Path]],
        folder: str | Path,
        environment: Mapping[str, str],
        output: TextIO | None,
    ) -> None:
        """One after the other; raises TimeOut, or RuntimeError where one fails."""
        for command in commands:
            code = self._run([str(word) for word in command], folder, environment, output)
            if code:
                raise RuntimeError(f"{command[0]} ended with code {code}")

    def _run(
        self, command: list[str], folder: str | Path, environment: Mapping[str, str], output: TextIO | None
    ) -> int:
        with _LOCK:
            if _STOPPED:
                raise RuntimeError("the run was broken off")
            errors = None if output is None else subprocess.STDOUT
            child = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=errors, start_new_session=True
            )
            _RUNNING.add(child.pid)
        try:
            return child.wait(max(self._end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            _kill(child.pid)
            child.wait()
            raise TimeOut(f"{Path(command[0]).name} was not done after {self.seconds:g} s") from None
        finally:
            with _LOCK:
                _RUNNING.discard(child.pid)


def stop_all() -> None:
    """Kill whatever runs, and let nothing begin: Ctrl-C does not reach other process groups."""
    global _STOPPED
    with _LOCK:
        _STOPPED = True
        for group in _RUNNING:
            _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)

# SPDX-License-Identifier: Apache-2.0
"""One process at a time on an engine: a file that is locked as long as the process lives, whatever ends it."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from sw_quant.errors import FpqvarError

__all__ = ["EngineLock"]


class EngineLock:
    """Held from construction to `release`; raises FpqvarError with the owner's process number if another holds it."""

    def __init__(self, name: str) -> None:
        shared = Path("/run/lock")
        folder = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        path = folder / f"fpqvar-{name}.lock"
        try:
            self._file: IO[str] | None = path.open("a+", encoding="ascii")
        except OSError as error:
            raise FpqvarError(f"{path}: cannot be opened ({error.strerror}); run as the user who made it") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise FpqvarError(
                f"pynq engine: process {owner} has it open ({path}); close that notebook or program first, "
                "for instance with Kernel > Shut down"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next process have it. Releasing twice is allowed."""
        if self._file is not None:
            self._file.close()
            self._file = None

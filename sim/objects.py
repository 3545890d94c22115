# SPDX-License-Identifier: Apache-2.0
"""Verilator's own objects, compiled once for many models: the same for all, and slower to compile than most."""

import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

__all__ = ["Objects"]


class Objects:
    """A folder of them, for one set of compiler flags. Any number of threads and processes may use it."""

    def __init__(self, cache: Path, flags: Sequence[str]) -> None:
        key = " ".join([*flags, version("verilator")])
        self.folder = cache / f"runtime-{zlib.crc32(key.encode()):08x}"

    def give(self, to: Path) -> list[str]:
        """Copy what is there into a model's folder; the options by which make leaves it as it is.

        (Make's rules want it newer than the model's makefile, so without them all is compiled anew.)
        """
        return [word for name in _copy(self.folder, to, again=True) for word in ("-o", name)]

    def take(self, model: Path) -> None:
        """Keep what a model's folder has and this one has not."""
        _copy(model, self.folder, again=False)


def _copy(source: Path, to: Path, again: bool) -> list[str]:
    """The names there; each file whole, whoever else copies it."""
    to.mkdir(parents=True, exist_ok=True)
    paths = sorted(source.glob("verilated*.o"))
    for path in paths:
        if again or not (to / path.name).exists():
            with NamedTemporaryFile(dir=to, delete=False) as part:
                part.write(path.read_bytes())
            Path(part.name).replace(to / path.name)
    return [path.name for path in paths]

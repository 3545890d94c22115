# SPDX-License-Identifier: Apache-2.0
"""Many images on disk while they are being drawn: by several processes, and again after a kill, each image once.

A folder holds `run.json`, which says what is drawn, and a file for every so many images. A file is written aside and
then renamed, so it is whole or not there: what is missing is drawn, and nothing else. Which process draws a shard
follows from its number, and an image's draws from its own seed, so the images do not depend on the processes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sw_quant.errors import FpqvarError
from sw_quant.files import new_file

__all__ = ["Shards", "Workers", "save_npz"]

Pixels = npt.NDArray[np.uint8]
_RUN = "run.json"
_TIMEOUT = timedelta(hours=12)  # of the wait for the slowest process


@dataclass(frozen=True)
class Workers:
    """This process among those that `torchrun` started; without it, the only one."""

    rank: int
    world: int
    local: int

    @staticmethod
    @contextmanager
    def join() -> Iterator[Workers]:
        """Meet the other processes, and leave them at the end."""
        rank, world, local = (int(os.environ.get(key, value)) for key, value in _ENVIRONMENT.items())
        if world == 1:
            yield Workers(0, 1, 0)
            return
        import torch.distributed as dist

        dist.init_process_group("gloo", timeout=_TIMEOUT)
        try:
            yield Workers(rank, world, local)
        finally:
            dist.destroy_process_group()

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.world > 1:
            import torch.distributed as dist

            dist.barrier()


_ENVIRONMENT = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


class Shards:
    """A folder of shards.

    Args:
        folder: where they lie; made by the first process.
        images: of all shards together.
        size: images of a shard; the last may have fewer.
    """

    def __init__(self, folder: Path, images: int, size: int) -> None:
        self.folder, self._images, self._size = folder, images, size

    def begin(self, run: Mapping[str, Any]) -> None:
        """Say what is drawn here, or check that this is what has been begun.

        Raises FpqvarError when the folder is of another run, naming what differs.
        """
        path, wanted = self.folder / _RUN, json.loads(json.dumps(dict(run)))
        if not path.exists():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise FpqvarError(f"{self.folder} holds other files and no {_RUN}; choose another --out")
            with new_file(path) as aside:
                aside.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FpqvarError(f"{path} is not JSON ({error}); remove the folder, or choose another --out") from error
        for key in sorted({*wanted, *(found if isinstance(found, dict) else {})}):
            before = found.get(key) if isinstance(found, dict) else None
            if before != wanted.get(key):
                raise FpqvarError(
                    f"{self.folder}: begun with {key} {before}, not {wanted.get(key)}; choose another --out, or remove "
                    "the folder to begin anew"
                )

    @property
    def count(self) -> int:
        """How many shards there are to be."""
        return -(-self._images // self._size)

    def indices(self, shard: int) -> range:
        """The images of a shard."""
        return range(shard * self._size, min((shard + 1) * self._size, self._images))

    def missing(self, workers: Workers) -> list[int]:
        """The shards that this process has to draw."""
        return [i for i in range(self.count) if i % workers.world == workers.rank and not self._path(i).exists()]

    def save(self, shard: int, pixels: Pixels) -> None:
        """Write a shard, uint8 [images, H, W, C]."""
        with new_file(self._path(shard)) as aside, aside.open("wb") as file:
            np.save(file, pixels, allow_pickle=False)

    def load(self) -> Pixels:
        """All images, in order. Raises FpqvarError naming the shard that is missing or damaged."""
        return np.concatenate([self._load(shard) for shard in range(self.count)])

    def _load(self, shard: int) -> Pixels:
        path = self._path(shard)
        try:
            pixels: Pixels = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FpqvarError(f"{path}: {error}; remove the file and run the same again: it is drawn anew") from error
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) != len(self.indices(shard)):
            raise FpqvarError(
                f"{path}: {pixels.dtype} {list(pixels.shape)}, where {len(self.indices(shard))} images are expected; "
                "remove the file and run the same again: it is drawn anew"
            )
        return pixels

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:06d}.npy"


def save_npz(path: Path, pixels: Pixels, labels: Sequence[int]) -> None:
    """The file that OpenAI's evaluator (guided-diffusion) takes: `arr_0`, uint8 [N, H, W, 3]; `arr_1`, the classes."""
    rgb = pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, axis=-1)
    with new_file(path) as aside, aside.open("wb") as file:
        np.savez(file, arr_0=rgb, arr_1=np.asarray(labels, np.int64))

# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST (Xiao et al., 2017) from its four files, padded from 28x28 to 32x32."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sw_quant.errors import FpqvarError

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
CLASS_NAMES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


@dataclass(frozen=True)
class Split:
    """``images`` ``[N, 1, 32, 32]`` uint8 and ``labels`` ``[N]`` int64."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Split:
        """The same on another device."""
        return Split(self.images.to(device), self.labels.to(device))


def _read_idx(path: Path, magic: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Read an IDX file of bytes: a magic number (its last byte is the number of dimensions), the sizes, the data."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise FpqvarError(
            f"{path}: no such file; install Debian's package dataset-fashion-mnist, or name the folder that holds "
            "Fashion-MNIST's four .gz files with --data"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise FpqvarError(f"{path}: cannot be read ({error}); fetch the file again") from None
    start = 4 + 4 * (magic & 0xFF)
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4))
    if raw[:4] != magic.to_bytes(4, "big") or len(raw) != start + math.prod(shape):
        raise FpqvarError(f"{path}: not an IDX file of the expected kind and size; fetch the file again")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)


def load(folder: Path, split: str) -> Split:
    """Read ``split`` ("train" or "t10k") from ``folder``.

    Raises:
        FpqvarError: a file is missing or damaged.
    """
    images = torch.tensor(_read_idx(folder / f"{split}-images-idx3-ubyte.gz", 0x803))
    labels = torch.tensor(_read_idx(folder / f"{split}-labels-idx1-ubyte.gz", 0x801))
    if len(images) != len(labels):
        raise FpqvarError(
            f"{folder}: {len(images)} images but {len(labels)} labels of '{split}'; fetch the files again"
        )
    return Split(functional.pad(images, (2, 2, 2, 2))[:, None], labels.long())


def to_unit(images: Tensor) -> Tensor:
    """uint8 to float in [0, 1]."""
    return images.float() / 255


def to_signed(images: Tensor) -> Tensor:
    """uint8 to float in [-1, 1], as the VQVAE takes them."""
    return images.float() / 127.5 - 1

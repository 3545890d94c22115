# SPDX-License-Identifier: Apache-2.0
"""The weight stream: how one layer's bias, scales and codes lie in device memory (docs/contract.md section 2).

    column tile 0: | bias: C x FP32 | scales: for each group, C x FP16 | codes: for each chunk, C x L codes |
    column tile 1: ...                                     every section padded with zeros to 64 bytes

A packed row of 32 codes fills whole bytes in every format, and groups and chunks are multiples of 32 elements. So the
stream is made from packed rows by moving bytes; no code is ever unpacked.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from host._generated import SECTION_BYTES, Geometry
from sw_quant.errors import FpqvarError

__all__ = ["StreamShape", "chunk_count", "pack", "round_up", "unpack"]

Bytes = npt.NDArray[np.uint8]
Halves = npt.NDArray[np.float16]
Singles = npt.NDArray[np.float32]


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `value`."""
    return -(-value // multiple) * multiple


def chunk_count(k: int, group: int, lanes: int) -> int:
    """Chunks of `lanes` elements in a row of `k`, each group padded to whole chunks."""
    full, rest = divmod(k, group)
    return full * -(-group // lanes) + -(-rest // lanes)


@dataclass(frozen=True)
class StreamShape:
    """Sizes of one layer's weight stream: `n` output and `k` input channels, `bits` a code."""

    n: int
    k: int
    group: int
    bits: int
    columns: int
    lanes: int

    @staticmethod
    def of(n: int, k: int, group: int, bits: int, geometry: Geometry) -> "StreamShape":
        """The shape for an engine's geometry. A group longer than a row is a row."""
        return StreamShape(n, k, min(group, k), bits, geometry.columns, geometry.lanes)

    @property
    def groups(self) -> int:
        """Groups in a row, the shorter last one included."""
        return -(-self.k // self.group)

    @property
    def chunks(self) -> int:
        """Chunks in a row."""
        return chunk_count(self.k, self.group, self.lanes)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one column's codes in one chunk."""
        return self.lanes * self.bits // 8

    @property
    def row_bytes(self) -> int:
        """Bytes of one packed row of the matrix."""
        return self.k * self.bits // 8

    @property
    def tiles(self) -> int:
        """Column tiles."""
        return -(-self.n // self.columns)

    @property
    def sections(self) -> tuple[int, int, int]:
        """Bytes of a column tile's bias, scale and code sections, padding included."""
        sizes = 4 * self.columns, 2 * self.columns * self.groups, self.chunks * self.columns * self.chunk_bytes
        bias, scales, codes = (round_up(size, SECTION_BYTES) for size in sizes)
        return bias, scales, codes

    @property
    def nbytes(self) -> int:
        """Bytes of the whole stream."""
        return self.tiles * sum(self.sections)


def pack(codes: Bytes, scales: Halves, bias: Singles | None, shape: StreamShape) -> Bytes:
    """One layer's weight stream.

    Args:
        codes: packed rows, uint8 [n, k * bits / 8].
        scales: float16 [n, groups].
        bias: float32 [n]; None counts as zeros.

    Raises:
        FpqvarError: an array whose shape is not the layer's.
    """
    _expect("codes", codes.shape, (shape.n, shape.row_bytes))
    _expect("scales", scales.shape, (shape.n, shape.groups))
    stream = np.zeros((shape.tiles, sum(shape.sections)), np.uint8)
    bias_part, scale_part, code_part = _parts(stream, shape)
    if bias is not None:
        _expect("bias", bias.shape, (shape.n,))
        bias_part[...] = _tiled(bias.astype("<f4", copy=False), shape)
    scale_part[...] = _tiled(scales.astype("<f2", copy=False), shape).transpose(0, 2, 1)
    code_part[...] = _tiled(_pad_groups(codes, shape), shape).transpose(0, 2, 1, 3)
    return stream.reshape(-1)


def unpack(stream: Bytes, shape: StreamShape) -> tuple[Bytes, Halves, Singles]:
    """The exact inverse of `pack`: codes, scales and bias, each in row order."""
    _expect("weight stream", stream.shape, (shape.nbytes,))
    bias_part, scale_part, code_part = _parts(stream.reshape(shape.tiles, -1), shape)
    padded = code_part.transpose(0, 2, 1, 3).reshape(-1, shape.chunks, shape.chunk_bytes)[: shape.n]
    scales = scale_part.transpose(0, 2, 1).reshape(-1, shape.groups)[: shape.n]
    return _strip_groups(padded, shape), np.ascontiguousarray(scales), bias_part.reshape(-1)[: shape.n].copy()


def _expect(what: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise FpqvarError(f"{what} of a weight stream: shape {found}, where the layer has {wanted}")


def _parts(stream: Bytes, shape: StreamShape) -> tuple[Singles, Halves, Bytes]:
    """Views of the sections without their padding: [tiles, C], [tiles, groups, C], [tiles, chunks, C, chunk bytes]."""
    tiles, columns = shape.tiles, shape.columns
    bias_bytes, scale_bytes, _ = shape.sections
    bias = stream[:, : 4 * columns].view("<f4")
    scales = stream[:, bias_bytes : bias_bytes + 2 * columns * shape.groups].view("<f2")
    start = bias_bytes + scale_bytes
    codes = stream[:, start : start + shape.chunks * columns * shape.chunk_bytes]
    return (
        bias,
        scales.reshape(tiles, shape.groups, columns),
        codes.reshape(tiles, shape.chunks, columns, shape.chunk_bytes),
    )


def _tiled(array: npt.NDArray[Any], shape: StreamShape) -> npt.NDArray[Any]:
    """[n, ...] padded with zeros to whole column tiles: [tiles, C, ...]."""
    missing = shape.tiles * shape.columns - shape.n
    if missing:
        array = np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
    return array.reshape(shape.tiles, shape.columns, *array.shape[1:])


def _group_runs(shape: StreamShape) -> list[tuple[slice, slice, int]]:
    """(bytes in a packed row, chunks in a padded row, groups) for the full groups, then for the shorter last one."""
    full, rest = divmod(shape.k, shape.group)
    split_bytes, split_chunks = full * shape.group * shape.bits // 8, full * -(-shape.group // shape.lanes)
    runs = [(slice(0, split_bytes), slice(0, split_chunks), full)]
    if rest:
        runs.append((slice(split_bytes, shape.row_bytes), slice(split_chunks, shape.chunks), 1))
    return runs


def _pad_groups(codes: Bytes, shape: StreamShape) -> Bytes:
    """Packed rows [n, row bytes] to whole chunks [n, chunks, chunk bytes]."""
    padded = np.zeros((shape.n, shape.chunks, shape.chunk_bytes), np.uint8)
    for row_part, chunk_part, groups in _group_runs(shape):
        source = codes[:, row_part].reshape(shape.n, groups, -1)
        padded[:, chunk_part].reshape(shape.n, groups, -1)[..., : source.shape[-1]] = source
    return padded


def _strip_groups(padded: Bytes, shape: StreamShape) -> Bytes:
    """The inverse of `_pad_groups`."""
    codes = np.empty((shape.n, shape.row_bytes), np.uint8)
    for row_part, chunk_part, groups in _group_runs(shape):
        target = codes[:, row_part].reshape(shape.n, groups, -1)
        target[...] = padded[:, chunk_part].reshape(shape.n, groups, -1)[..., : target.shape[-1]]
    return codes

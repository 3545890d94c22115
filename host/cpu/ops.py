# SPDX-License-Identifier: Apache-2.0
"""The operations of VAR's networks on float32 arrays. Maps are [B, C, H, W]; definitions are PyTorch's."""

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "area_matrix",
    "bicubic_matrix",
    "conv",
    "gelu",
    "group_norm",
    "layer_norm",
    "normalize",
    "resize",
    "silu",
    "softmax",
    "upsample",
]

Array = npt.NDArray[np.float32]
_CUBIC = -0.75  # PyTorch's bicubic


def layer_norm(x: Array, eps: float) -> Array:
    """Zero mean and unit variance along the last dimension, without scale and shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(eps)))


def silu(x: Array) -> Array:
    """x times its logistic function."""
    return np.asarray(x * _logistic(x))


def _logistic(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)  # tanh does not overflow, exp would


def gelu(x: Array) -> Array:
    """GELU in its tanh form."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.asarray(0.5 * x * (1 + np.tanh(inner)), np.float32)


def softmax(x: Array) -> Array:
    """Along the last dimension. Minus infinity has no share."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def normalize(x: Array) -> Array:
    """To unit length along the last dimension."""
    length = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
    return np.asarray(x / np.maximum(length, np.float32(1e-12)))


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float = 1e-6) -> Array:
    """Zero mean and unit variance over each of `groups` groups of channels, then scale and shift each channel."""
    batch, channels = x.shape[:2]
    y = layer_norm(x.reshape(batch, groups, -1), eps).reshape(x.shape)
    shape = (1, channels) + (1,) * (x.ndim - 2)
    return np.asarray(y * weight.reshape(shape) + bias.reshape(shape))


def conv(x: Array, weight: Array, bias: Array) -> Array:
    """A convolution with an odd square kernel, stride 1, padded to keep its size.

    One matrix product for each place of the kernel: it needs one shifted copy of the map at a time, not all nine, which
    is what a board's memory takes.
    """
    batch, _, height, width = x.shape
    size = weight.shape[-1]
    margin = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    out = np.broadcast_to(bias[None, :, None], (batch, len(bias), height * width)).astype(np.float32)
    for dy in range(size):
        for dx in range(size):
            shifted = padded[:, :, dy : dy + height, dx : dx + width].reshape(batch, -1, height * width)
            out += np.matmul(weight[:, :, dy, dx], shifted)
    return out.reshape(batch, -1, height, width)


def upsample(x: Array) -> Array:
    """Each pixel becomes four."""
    return np.asarray(x.repeat(2, axis=2).repeat(2, axis=3))


def resize(x: Array, matrix: Array) -> Array:
    """Rows and columns of square maps by the same matrix [out, in]."""
    return np.asarray(np.matmul(np.matmul(matrix, x), matrix.T))


@cache
def bicubic_matrix(size_in: int, size_out: int) -> Array:
    """Bicubic interpolation, pixel centres at halves, the border repeated; [out, in]."""
    matrix = np.zeros((size_out, size_in), np.float64)
    for row in range(size_out):
        place = (row + 0.5) * size_in / size_out - 0.5
        first = int(np.floor(place))
        for tap in range(-1, 3):
            column = min(max(first + tap, 0), size_in - 1)
            matrix[row, column] += _cubic(abs(place - (first + tap)))
    return matrix.astype(np.float32)


def _cubic(distance: float) -> float:
    d, a = distance, _CUBIC
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d < 2 else 0.0


@cache
def area_matrix(size_in: int, size_out: int) -> Array:
    """Means of the pixels that a larger pixel touches; [out, in]."""
    matrix = np.zeros((size_out, size_in), np.float32)
    for row in range(size_out):
        start, stop = row * size_in // size_out, -(-(row + 1) * size_in // size_out)
        matrix[row, start:stop] = 1 / (stop - start)
    return matrix

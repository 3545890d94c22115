# SPDX-License-Identifier: Apache-2.0
"""The contract's quantizer in numpy, for what a board's processor quantizes: keys and values as they enter the cache.

The same numbers as `sw_quant.quantizer`, whose text says why one division and a table give the contract's codes.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from host.cpu.ops import Array
from sw_quant._generated import FORMATS, Format, MagnitudeTable
from sw_quant.codes import Ties, largest_place, place_codes, signed_units, terms
from sw_quant.errors import FpqvarError

__all__ = ["NumpyRounding", "fake_quantize", "quantize_rows"]

_MAX_FP16 = np.float32(65504)


@cache
def _magnitudes(format: Format, ties: Ties) -> npt.NDArray[np.float32]:
    """Signed units by place, of positive elements first, then of negative ones."""
    units = np.array(signed_units(format), np.float32)
    return np.asarray(units[np.array(place_codes(format, ties))])


def quantize_rows(x: Array, format: str, ties: Ties = "even") -> tuple[Array, list[Array]]:
    """Quantize [..., K] with one scale a row (a dual format: one for each sign), as the contract says.

    Returns:
        The elements' signed magnitudes in units [..., K], and the scales [..., 1], of a dual format the positive
        elements' and the negative ones'; all float32.

    Raises FpqvarError when an element is Inf or NaN.
    """
    chosen = FORMATS[format]
    if not np.isfinite(x).all():
        raise FpqvarError(f"cannot quantize Inf or NaN to {format}; check the model (`fpqvar doctor`)")
    extremes = [x.max(axis=-1, keepdims=True), -x.min(axis=-1, keepdims=True)]
    absmax = extremes if chosen.kind == "dual" else [np.maximum(*extremes)]
    scales = []
    for largest, table in zip(absmax, terms(chosen), strict=True):
        reciprocal = np.array(table.fmax_reciprocal_bits, np.uint32).view(np.float32)
        scales.append(np.minimum(np.maximum(largest, 0) * reciprocal, _MAX_FP16).astype(np.float16).astype(np.float32))
    negative = np.signbit(x)
    step = _of_sign(negative, [scale * _unit(table) for scale, table in zip(scales, terms(chosen), strict=True)])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(x) / (step * np.float32(0.5))
    limit = largest_place(chosen)
    z = np.minimum(np.where(step == 0, np.float32(0), z), np.float32(limit))
    places = (np.floor(z) + np.ceil(z)).astype(np.int64) + negative * (2 * limit + 1)
    return np.asarray(_magnitudes(chosen, ties)[places]), scales


def _unit(table: MagnitudeTable) -> np.float32:
    return np.float32(2.0**table.unit_log2)


def _of_sign(negative: npt.NDArray[np.bool_], both: list[Array]) -> Array:
    """What goes with each element's sign."""
    return np.asarray(np.where(negative, both[-1], both[0]))


def fake_quantize(x: Array, format: str, ties: Ties = "even") -> Array:
    """Round [..., K] to what a format with one scale a row can say: `quantize_rows` and back."""
    units, scales = quantize_rows(x, format, ties)
    tables = terms(FORMATS[format])
    steps = [scale * _unit(table) for scale, table in zip(scales, tables, strict=True)]
    return np.asarray(units * _of_sign(np.signbit(x), steps), np.float32)


class NumpyRounding:
    """As `sw_quant.kvcache.CacheQuantizer`: rounds what enters the cache, one scale a token and head."""

    def __init__(self, format: str, ties: Ties = "even") -> None:
        self.format, self.ties = format, ties

    def __call__(self, x: Array) -> Array:
        """[..., head width] to the same shape."""
        return fake_quantize(x, self.format, self.ties)

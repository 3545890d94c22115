# SPDX-License-Identifier: Apache-2.0
"""Half-precision conversion, at every half: the value, the midpoint to the next one, and its two neighbours."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sw_quant import fp16
from sw_quant.errors import UsageError
from tests import reference


def halves() -> NDArray[np.float16]:
    """Every finite non-negative half, in order."""
    return np.arange(0x7C00, dtype=np.uint16).view(np.float16)


def convert(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    return fp16.to_fp16(torch.from_numpy(values)).numpy().view(np.uint16)


@pytest.mark.parametrize("sign", [1, -1])
def test_midpoints_go_to_even_and_their_neighbours_to_the_nearer_half(sign: int) -> None:
    below = halves()[:-1].astype(np.float32)
    above = halves()[1:].astype(np.float32)
    middle = (below + above) / 2  # exact: one more bit than a half has
    index, top = np.arange(len(middle)), 0x8000 if sign < 0 else 0
    assert (convert(sign * middle) == top + index + index % 2).all()
    assert (convert(np.nextafter(sign * middle, sign * below)) == top + index).all()
    assert (convert(np.nextafter(sign * middle, sign * above)) == top + index + 1).all()
    assert (convert(sign * below) == top + index).all()


@pytest.mark.parametrize(
    "value", [65504.0, 65519.0, np.nextafter(np.float32(65520), np.float32(0)), 65520.0, 1e30, 3.4e38]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_large_values_saturate_and_say_so(value: float, sign: int) -> None:
    x = torch.tensor([0.0, sign * value], dtype=torch.float32)
    assert fp16.to_fp16(x)[1].item() == sign * 65504.0
    assert fp16.overflows(x) == (value >= 65520) == reference.round_fp16(Fraction(float(value)))[1]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=64))
def test_any_single_rounds_once(values: list[float]) -> None:
    x = np.array(values, np.float32)
    expected = [reference.round_fp16(Fraction(float(v))) for v in x]
    patterns = [reference.fp16_bits(v, bool(np.signbit(s))) for (v, _), s in zip(expected, x, strict=True)]
    assert convert(x).tolist() == patterns
    assert fp16.overflows(torch.from_numpy(x)) == any(saturated for _, saturated in expected)


def test_a_double_is_refused_as_it_would_be_rounded_twice() -> None:
    with pytest.raises(UsageError, match="float64"):
        fp16.to_fp16(torch.zeros(2, dtype=torch.float64))


def test_every_special_pattern_is_replaced_and_no_other_touched() -> None:
    patterns = np.arange(1 << 16, dtype=np.uint16)
    replaced, found = fp16.replace_nonfinite(torch.from_numpy(patterns.view(np.float16).copy()))
    expected, _ = reference.replace_nonfinite(patterns.view(np.float16))
    assert found
    assert (replaced.numpy().view(np.uint16) == expected.view(np.uint16)).all()
    finite = patterns[(patterns & 0x7C00) != 0x7C00]
    same, found = fp16.replace_nonfinite(torch.from_numpy(finite.view(np.float16).copy()))
    assert not found
    assert (same.numpy().view(np.uint16) == finite).all()

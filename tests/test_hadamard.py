# SPDX-License-Identifier: Apache-2.0
"""The exact transform against sums of Python integers, and the weight folding against its algebra."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sw_quant import hadamard
from sw_quant.errors import FpqvarError, UsageError
from tests import reference

RNG = np.random.default_rng(20251122)


def patterns_of_fields(low: int, high: int) -> NDArray[np.uint16]:
    """128 random halves with exponent fields from `low` to `high`."""
    fields = RNG.integers(low, high + 1, 128)
    return (RNG.integers(0, 2, 128) << 15 | fields << 10 | RNG.integers(0, 1024, 128)).astype(np.uint16)


def one_hot(place: int, pattern: int) -> NDArray[np.uint16]:
    block = np.zeros(128, np.uint16)
    block[place] = pattern
    return block


def ties() -> NDArray[np.uint16]:
    """Elements whose alignment ends exactly on a half, to both sides of even, below a large one."""
    block = np.array(
        [(field << 10) | significand for field in range(1, 17) for significand in (1, 2, 3, 5, 6, 7, 512, 1023)]
    )
    block[0] = 20 << 10
    return block.astype(np.uint16)


BLOCKS = {
    "normal": RNG.standard_normal(128).astype(np.float16).view(np.uint16),
    "all fields": patterns_of_fields(0, 30),
    "subnormal": patterns_of_fields(0, 0),
    "subnormal and smallest normal": patterns_of_fields(0, 1),
    "near the largest": patterns_of_fields(26, 30),
    "ties": ties(),
    "zeros": np.zeros(128, np.uint16),
    "minus zeros": np.full(128, 0x8000, np.uint16),
    "65504": np.full(128, 0x7BFF, np.uint16),
    "-65504": np.full(128, 0xFBFF, np.uint16),
    "65504, alternating": np.where(np.arange(128) % 2, 0x7BFF, 0xFBFF).astype(np.uint16),
    "least subnormal": np.full(128, 1, np.uint16),
    **{f"one-hot {place}": one_hot(place, 0xC123) for place in (0, 1, 64, 127)},
}


def check(block: NDArray[np.uint16]) -> None:
    x = torch.from_numpy(block.view(np.float16).copy())
    h, largest = hadamard.ght_exact(x)
    expected, field = reference.ght_block(block.view(np.float16))
    assert h.dtype == largest.dtype == torch.int32
    assert h.tolist() == expected
    assert largest.tolist() == [field]
    values = [float(v) for v, _ in reference.ght_row(block.view(np.float16))]
    assert hadamard.ght(x).tolist() == values
    assert not torch.signbit(hadamard.ght(x))[h == 0].any()


@pytest.mark.parametrize("name", BLOCKS)
def test_the_transform_is_exact(name: str) -> None:
    check(BLOCKS[name])


@settings(max_examples=40)
@given(st.lists(st.integers(0, 0xFFFF).filter(lambda bits: bits & 0x7C00 != 0x7C00), min_size=128, max_size=128))
def test_the_transform_of_any_halves_is_exact(patterns: list[int]) -> None:
    check(np.array(patterns, np.uint16))


@pytest.mark.parametrize("field", range(2, 31))
def test_alignment_rounds_every_significand_to_even(field: int) -> None:
    """All 2,048 signed significands of exponent 1 beside one larger element; differences of h give them back."""
    for start in range(0, 2048, 127):
        block = np.zeros(128, np.uint16)
        significands = np.arange(start, min(start + 127, 2048))
        block[1 : 1 + len(significands)] = (significands % 1024) | (1 << 10) | (significands >> 10 << 15)
        block[0] = field << 10
        h, _ = hadamard.ght_exact(torch.from_numpy(block.view(np.float16).copy()))
        q = hadamard.walsh_hadamard(h) // 128  # H H = 128
        expected = [
            round((1024 + s % 1024) * 16 / 2 ** (field - 1)) * (1 - 2 * (s >> 10)) for s in significands.tolist()
        ]
        assert q[1 : 1 + len(significands)].tolist() == expected


def test_blocks_are_transformed_one_by_one() -> None:
    blocks = np.stack(list(BLOCKS.values()))[:12].reshape(2, 2, 3 * 128)
    h, largest = hadamard.ght_exact(torch.from_numpy(blocks.view(np.float16)))
    assert h.shape == (2, 2, 384)
    assert largest.shape == (2, 2, 3)
    for got, field, block in zip(h.view(-1, 128), largest.view(-1), blocks.reshape(-1, 128), strict=True):
        assert (got.tolist(), field.item()) == reference.ght_block(block.view(np.float16))


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match="K = 96"):
        hadamard.ght(torch.zeros(2, 96, dtype=torch.float16))
    with pytest.raises(UsageError, match="float32"):
        hadamard.ght(torch.zeros(128))
    with pytest.raises(FpqvarError, match="Inf or NaN"):
        hadamard.ght(torch.full((128,), torch.inf, dtype=torch.float16))
    with pytest.raises(UsageError, match=r"signs \[256\]"):
        hadamard.hadamard_fold_weight(torch.zeros(4, 256), torch.ones(128))


def test_signs_are_fixed_by_their_seed() -> None:
    signs = hadamard.signs(1024, seed=7)
    assert torch.equal(signs, hadamard.signs(1024, seed=7))
    assert not torch.equal(signs, hadamard.signs(1024, seed=8))
    assert not torch.equal(signs[:128], signs[128:256])  # each block has its own
    assert set(signs.tolist()) == {1.0, -1.0}
    assert 400 < (signs > 0).sum() < 624
    assert [int(s) for s in hadamard.signs(16, seed=0)] == SIGNS_OF_SEED_0


SIGNS_OF_SEED_0 = [1, 1, -1, -1, 1, -1, 1, 1, 1, 1, 1, -1, -1, 1, -1, -1]


def test_a_folded_weight_undoes_the_transform() -> None:
    """W' (H d x) = W x, exactly, where every number is a small integer and W a multiple of 128."""
    rng = np.random.default_rng(3)
    w, x = 128 * rng.integers(-3, 4, (8, 256)), rng.integers(-9, 10, (256, 4))
    signs = hadamard.signs(256, seed=5)
    folded = hadamard.hadamard_fold_weight(torch.from_numpy(w).float(), signs)
    transformed = hadamard.walsh_hadamard((torch.from_numpy(x).T * signs).int())
    assert (folded.double() @ transformed.T.double()).tolist() == (w @ x).tolist()

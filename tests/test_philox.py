# SPDX-License-Identifier: Apache-2.0
"""The counter-based generator against its authors' known answers and big-integer arithmetic."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sw_quant.var.philox import philox, uniforms

WORD = st.integers(0, 2**32 - 1)


def _words(*values: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


def _by_integers(counter: list[int], key: list[int]) -> list[int]:
    """The paper's round function, in Python's integers."""
    a, b, c, d = counter
    left, right = key
    for _ in range(10):
        x, y = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (y >> 32) ^ b ^ left, y % 2**32, (x >> 32) ^ d ^ right, x % 2**32
        left, right = (left + 0x9E3779B9) % 2**32, (right + 0xBB67AE85) % 2**32
    return [a, b, c, d]


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...]) -> None:
    """Of the Random123 library, kat_vectors, philox4x32-10."""
    assert philox(_words(*counter), _words(*key)) == _words(*answer)  # type: ignore[arg-type]
    assert _by_integers(list(counter), list(key)) == list(answer)


@given(st.tuples(*[WORD] * 4), st.tuples(*[WORD] * 2))
def test_any_counter_and_key(counter: tuple[int, ...], key: tuple[int, ...]) -> None:
    found: tuple[Any, ...] = philox(_words(*counter), _words(*key))  # type: ignore[arg-type]
    assert [int(word) for word in found] == _by_integers(list(counter), list(key))


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4), st.integers(1, 9))
def test_a_number_depends_on_its_seed_and_index_alone(seeds: list[int], count: int) -> None:
    found = uniforms(seeds, count)
    assert found.dtype == torch.float64
    assert found.shape == (len(seeds), count)
    for i, seed in enumerate(seeds):
        words = [_by_integers([index, 0, 0, 0], [seed % 2**32, seed >> 32]) for index in range(count)]
        assert found[i].tolist() == [((first << 16) | (second >> 16)) / 2**48 for first, second, _, _ in words]


def test_the_numbers_fill_the_unit_interval() -> None:
    values = uniforms(range(100), 1000)
    assert 0 <= float(values.min()) < float(values.max()) < 1
    counts = torch.histc(values.float(), 20, 0, 1)
    assert float((counts - 5000).abs().max()) < 5 * 70  # five standard deviations
    neighbours = torch.corrcoef(torch.stack((values[:, 1:].flatten(), values[:, :-1].flatten())))[0, 1]
    others = torch.corrcoef(torch.stack((values[1:].flatten(), values[:-1].flatten())))[0, 1]
    assert max(abs(float(neighbours)), abs(float(others))) < 5 / 100_000**0.5

# SPDX-License-Identifier: Apache-2.0
"""Packing against its definition: a row of codes is one little-endian integer."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sw_quant import formats, packing
from sw_quant.errors import UsageError
from sw_quant.qtensor import QTensor
from sw_quant.quantizer import quantize

WIDTHS = (4, 6, 8)
PAGE = Path(__file__).parent.parent / "docs" / "packing.md"


def as_integer(codes: list[int], bits: int) -> bytes:
    """The definition, literally."""
    return sum(code << i * bits for i, code in enumerate(codes)).to_bytes(len(codes) * bits // 8, "little")


@st.composite
def code_rows(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    bits = draw(st.sampled_from(WIDTHS))
    runs, rows = draw(st.integers(1, 24)), draw(st.integers(1, 4))
    code = st.integers(0, (1 << bits) - 1)
    return bits, [draw(st.lists(code, min_size=4 * runs, max_size=4 * runs)) for _ in range(rows)]


@given(code_rows())
def test_packing_is_its_definition_and_unpacking_undoes_it(case: tuple[int, list[list[int]]]) -> None:
    bits, rows = case
    codes = np.array(rows, np.uint8)
    packed = packing.pack(codes, bits)
    assert [row.tobytes() for row in packed] == [as_integer(row, bits) for row in rows]
    assert (packing.unpack(packed, bits) == codes).all()


@given(st.sampled_from(WIDTHS), st.binary(min_size=3, max_size=96))
def test_every_byte_string_survives_unpacking(bits: int, data: bytes) -> None:
    packed = np.frombuffer(data[: len(data) // 3 * 3], np.uint8)
    assert (packing.pack(packing.unpack(packed, bits), bits) == packed).all()


@pytest.mark.parametrize("bits", WIDTHS)
def test_every_code_at_every_place_of_a_run(bits: int) -> None:
    for place in range(4):
        codes = np.zeros((1 << bits, 4), np.uint8)
        codes[:, place] = np.arange(1 << bits)
        packed = packing.pack(codes, bits)
        assert [row.tobytes() for row in packed] == [as_integer(row, bits) for row in codes.tolist()]
        assert (packing.unpack(packed, bits) == codes).all()


def test_the_examples_of_the_page_are_true() -> None:
    rows = re.findall(r"^\| (\d) \| ([\d ]+) \| ([0-9a-f ]+) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 8
    for bits, codes, expected in rows:
        packed = packing.pack(np.array(codes.split(), np.uint8), int(bits))
        assert packed.tobytes() == bytes.fromhex(expected)


def test_packing_makes_a_copy_also_of_whole_bytes() -> None:
    codes = np.arange(8, dtype=np.uint8)
    for result in (packing.pack(codes, 8), packing.unpack(codes, 8)):
        assert not np.shares_memory(result, codes)


@pytest.mark.parametrize(("count", "bits"), [(3, 4), (6, 6), (8, 5), (8, 0)])
def test_codes_that_do_not_fill_bytes_are_refused(count: int, bits: int) -> None:
    with pytest.raises(UsageError):
        packing.pack(np.zeros(count, np.uint8), bits)


def test_a_code_too_large_for_its_bits_is_refused() -> None:
    with pytest.raises(UsageError, match="code 64 does not fit 6 bits"):
        packing.pack(np.array([0, 64, 0, 0], np.uint8), 6)


@pytest.mark.parametrize(("size", "bits"), [(4, 6), (3, 7)])
def test_broken_runs_are_refused(size: int, bits: int) -> None:
    with pytest.raises(UsageError):
        packing.unpack(np.zeros(size, np.uint8), bits)


@pytest.mark.parametrize("name", ["e2m1", "dual4", "e2m3", "dual6", "int8"])
@pytest.mark.parametrize("shape", [(96,), (5, 160), (2, 3, 64)])
def test_a_quantized_tensor_survives_packing(name: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    q = quantize(x, name, group=64)
    packed = q.pack()
    assert packed.shape == (*shape[:-1], shape[-1] * q.format.bits // 8)
    again = QTensor.unpack(packed, q.scales, name, 64)
    assert torch.equal(again.codes, q.codes)
    assert torch.equal(again.dequantize(), q.dequantize())


@pytest.mark.parametrize(
    ("codes", "scales", "group"),
    [
        (torch.zeros(2, 64, dtype=torch.uint8), torch.zeros(2, 3, dtype=torch.float16), 32),
        (torch.zeros(2, 64, dtype=torch.uint8), torch.zeros(2, 2, 2, dtype=torch.float16), 32),
        (torch.zeros(2, 64, dtype=torch.uint8), torch.zeros(2, 2), 32),
        (torch.zeros(2, 64), torch.zeros(2, 2, dtype=torch.float16), 32),
        (torch.zeros(2, 64, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.float16), 0),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(codes: torch.Tensor, scales: torch.Tensor, group: int) -> None:
    with pytest.raises(UsageError):
        QTensor(codes, scales, formats.get("e2m1"), group)

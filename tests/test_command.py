# SPDX-License-Identifier: Apache-2.0
"""Command descriptors: bytes, and the engine's checks in their order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host._generated import (
    DESCRIPTOR_BYTES,
    DESCRIPTOR_FIELDS,
    DESCRIPTOR_RESERVED,
    FAMILIES,
    MAX_K,
    SIMULATION_GEOMETRIES,
    ErrorCode,
)
from host.command import Gemm, check, decode_fields, encode_fields, fit_row_tiles
from host.layout import chunk_count
from sw_quant._generated import FORMATS
from sw_quant.errors import FpqvarError

SMALL = SIMULATION_GEOMETRIES["small"]
GOOD = Gemm(
    m=3,
    n=96,
    k=256,
    a_format="dual4",
    w_format="e2m1",
    group=128,
    row_tiles=2,
    x_address=0x1_0000_0040,
    w_address=0x80,
    y_address=0xC0,
    x_stride=512,
    y_stride=192,
    ght=True,
    fence=True,
)


def test_bytes_are_where_the_specification_says() -> None:
    raw = GOOD.encode()
    assert len(raw) == DESCRIPTOR_BYTES
    assert raw[0:3] == bytes([1, FORMATS["dual4"].id, FORMATS["e2m1"].id])
    assert raw[4:8] == (3).to_bytes(4, "little")  # ght and fence
    assert raw[8:12] == (3).to_bytes(4, "little")
    assert raw[40:48] == (0x1_0000_0040).to_bytes(8, "little")
    for start, size in DESCRIPTOR_RESERVED:
        assert not any(raw[start : start + size])


@given(st.data())
def test_fields_round_trip(data: st.DataObject) -> None:
    values = {
        field.name: data.draw(st.integers(0, (1 << field.bits) - 1), label=field.name) for field in DESCRIPTOR_FIELDS
    }
    assert decode_fields(encode_fields(values)) == values


@pytest.mark.parametrize("ght", [False, True])
@pytest.mark.parametrize("fence", [False, True])
@pytest.mark.parametrize("a_format", FORMATS)
def test_gemm_round_trip(a_format: str, ght: bool, fence: bool) -> None:
    gemm = replace(GOOD, a_format=a_format, ght=ght, fence=fence)
    assert Gemm.decode(gemm.encode()) == gemm


def test_a_value_too_large_for_its_field_is_refused() -> None:
    with pytest.raises(FpqvarError, match="command field m: 4294967296 does not fit 32 bits"):
        replace(GOOD, m=1 << 32).encode()


def test_a_good_command_and_a_nop_pass() -> None:
    assert check(GOOD.encode(), "fp4", SMALL) == ErrorCode.OK
    assert check(bytes(DESCRIPTOR_BYTES), "fp4", SMALL) == ErrorCode.OK


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"a_format": "e2m3"}, ErrorCode.FORMAT),
        ({"w_format": "e3m0"}, ErrorCode.FORMAT),
        ({"m": 0}, ErrorCode.SHAPE),
        ({"n": 0}, ErrorCode.SHAPE),
        ({"k": 0}, ErrorCode.SHAPE),
        ({"group": 0}, ErrorCode.SHAPE),
        ({"row_tiles": 0}, ErrorCode.SHAPE),
        ({"n": 97}, ErrorCode.SHAPE),
        ({"k": 257}, ErrorCode.SHAPE),
        ({"group": 48}, ErrorCode.SHAPE),
        ({"k": 160}, ErrorCode.SHAPE),  # with GHT
        ({"row_tiles": 129}, ErrorCode.CAPACITY),  # 129 * 8 chunks > 1024
        ({"k": MAX_K + 128}, ErrorCode.CAPACITY),
        ({"x_address": 32}, ErrorCode.ALIGNMENT),
        ({"w_address": 8}, ErrorCode.ALIGNMENT),
        ({"y_address": 1}, ErrorCode.ALIGNMENT),
        ({"x_stride": 516}, ErrorCode.ALIGNMENT),
        ({"y_stride": 196}, ErrorCode.ALIGNMENT),
        ({"x_stride": 504}, ErrorCode.ALIGNMENT),
        ({"y_stride": 184}, ErrorCode.ALIGNMENT),
    ],
)
def test_what_is_refused(change: dict[str, object], code: ErrorCode) -> None:
    assert check(replace(GOOD, **change).encode(), "fp4", SMALL) == code  # type: ignore[arg-type]


def test_bounds_are_inclusive() -> None:
    for change in ({"row_tiles": 128}, {"x_stride": 512}, {"k": 160, "ght": False}, {"group": MAX_K}):
        assert check(replace(GOOD, **change).encode(), "fp4", SMALL) == ErrorCode.OK  # type: ignore[arg-type]


def test_unknown_opcodes_flags_and_reserved_bytes() -> None:
    raw = bytearray(GOOD.encode())
    for opcode in range(2, 256):
        raw[0] = opcode
        assert check(bytes(raw), "fp4", SMALL) == ErrorCode.OPCODE
    for bit in range(2, 32):
        wrong = encode_fields(decode_fields(GOOD.encode()) | {"flags": 1 << bit})
        assert check(wrong, "fp4", SMALL) == ErrorCode.RESERVED
    for start, size in DESCRIPTOR_RESERVED:
        for offset in range(start, start + size):
            raw = bytearray(GOOD.encode())
            raw[offset] = 0x80
            assert check(bytes(raw), "fp4", SMALL) == ErrorCode.RESERVED


def test_the_first_error_in_the_order_of_codes_is_told() -> None:
    values = decode_fields(GOOD.encode())
    faults = [
        ({"opcode": 7}, ErrorCode.OPCODE),
        ({"w_format": 0}, ErrorCode.FORMAT),
        ({"flags": 1 << 31}, ErrorCode.RESERVED),
        ({"n": 33}, ErrorCode.SHAPE),
        ({"row_tiles": 1 << 20}, ErrorCode.CAPACITY),
        ({"y_address": 4}, ErrorCode.ALIGNMENT),
    ]
    for fault, code in reversed(faults):
        values |= fault
        assert check(encode_fields(values), "fp4", SMALL) == code


def test_each_family_takes_its_own_formats_only() -> None:
    for family in FAMILIES.values():
        for a_format in FORMATS:
            for w_format in FORMATS:
                raw = replace(GOOD, a_format=a_format, w_format=w_format).encode()
                fits = w_format == family.weights and a_format in family.activations
                assert check(raw, family.name, SMALL) == (ErrorCode.OK if fits else ErrorCode.FORMAT)


def test_row_tiles_fill_the_buffer_and_no_more() -> None:
    assert fit_row_tiles(1, 256, 128, SMALL) == 1
    assert fit_row_tiles(5, 256, 128, SMALL) == 3
    assert fit_row_tiles(10_000, 256, 128, SMALL) == SMALL.act_depth // 8
    assert fit_row_tiles(1, MAX_K + 32, 128, SMALL) == 0


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([32, 64, 128]))
def test_chunks_by_counting(k32: int, group32: int, lanes: int) -> None:
    k, group = 32 * k32, 32 * group32
    count = sum(len(range(0, min(group, k - start), lanes)) for start in range(0, k, group))
    assert chunk_count(k, group, lanes) == count

# SPDX-License-Identifier: Apache-2.0
"""The weight stream against a slow, literal reading of docs/contract.md section 2."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host._generated import BOARDS, SIMULATION_GEOMETRIES, Geometry
from host.layout import StreamShape, pack, unpack
from sw_quant import packing
from sw_quant.errors import FpqvarError

Array = npt.NDArray[Any]
GEOMETRIES = [*SIMULATION_GEOMETRIES.values(), *(g for board in BOARDS.values() for g in board.geometry.values())]


def literal_stream(codes: Array, scales: Array, bias: Array, bits: int, group: int, g: Geometry) -> bytes:
    """Byte by byte, as the contract words it. `codes` are unpacked, [N, K]."""
    n, k = codes.shape
    stream = b""
    for tile in range(0, n, g.columns):
        columns = range(tile, tile + g.columns)
        sections = [b"", b"", b""]
        sections[0] = b"".join(np.float32(bias[c] if c < n else 0).tobytes() for c in columns)
        for index in range(scales.shape[1]):
            sections[1] += b"".join(np.float16(scales[c, index] if c < n else 0).tobytes() for c in columns)
        for start in range(0, k, group):
            length = min(group, k - start)
            for chunk in range(0, length, g.lanes):
                for c in columns:
                    run = 0
                    for lane in range(min(g.lanes, length - chunk) if c < n else 0):
                        run |= int(codes[c, start + chunk + lane]) << lane * bits
                    sections[2] += run.to_bytes(g.lanes * bits // 8, "little")
        stream += b"".join(section + bytes(-len(section) % 64) for section in sections)
    return stream


def random_layer(n: int, k: int, group: int, bits: int, seed: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << bits, (n, k), np.uint8)
    scales = rng.integers(0, 0x7C00, (n, -(-k // group)), np.uint16).view(np.float16)
    return codes, scales, rng.standard_normal(n).astype(np.float32)


@given(
    n=st.integers(1, 5).map(lambda i: 32 * i),
    k=st.integers(1, 12).map(lambda i: 32 * i),
    group=st.sampled_from([32, 64, 96, 128, 160, 1024]),
    bits=st.sampled_from([4, 6, 8]),
    geometry=st.sampled_from(GEOMETRIES),
    seed=st.integers(0, 2**32 - 1),
)
def test_stream_is_what_the_contract_says_and_inverts(
    n: int, k: int, group: int, bits: int, geometry: Geometry, seed: int
) -> None:
    group = min(group, k)
    codes, scales, bias = random_layer(n, k, group, bits, seed)
    shape = StreamShape.of(n, k, group, bits, geometry)
    rows = packing.pack(codes, bits)
    stream = pack(rows, scales, bias, shape)
    assert stream.tobytes() == literal_stream(codes, scales, bias, bits, group, geometry)
    assert len(stream) == shape.nbytes
    back = unpack(stream, shape)
    parts: list[Array] = [rows, scales, bias]
    for part, found in zip(parts, list[Array](back), strict=True):
        assert part.tobytes() == found.tobytes()
        assert part.shape == found.shape


def test_no_bias_is_zeros() -> None:
    shape = StreamShape.of(32, 64, 64, 4, SIMULATION_GEOMETRIES["small"])
    codes, scales, _ = random_layer(32, 64, 64, 4, 0)
    rows = packing.pack(codes, 4)
    with_zeros = pack(rows, scales, np.zeros(32, np.float32), shape)
    assert np.array_equal(pack(rows, scales, None, shape), with_zeros)


def test_a_group_longer_than_a_row_is_a_row() -> None:
    geometry = SIMULATION_GEOMETRIES["wide"]
    assert StreamShape.of(32, 96, 9216, 6, geometry) == StreamShape.of(32, 96, 96, 6, geometry)


def test_wrong_shapes_are_refused() -> None:
    shape = StreamShape.of(32, 64, 64, 4, SIMULATION_GEOMETRIES["small"])
    codes, scales, bias = random_layer(32, 64, 64, 4, 0)
    rows = packing.pack(codes, 4)
    with pytest.raises(FpqvarError, match=r"codes .*\(32, 64\), where the layer has \(32, 32\)"):
        pack(codes, scales, bias, shape)
    with pytest.raises(FpqvarError, match="scales"):
        pack(rows, scales[:-1], bias, shape)
    with pytest.raises(FpqvarError, match="bias"):
        pack(rows, scales, bias[1:], shape)
    with pytest.raises(FpqvarError, match="weight stream"):
        unpack(pack(rows, scales, bias, shape)[:-1], shape)

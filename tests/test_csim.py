# SPDX-License-Identifier: Apache-2.0
"""The compiled HLS engine against the golden model: the whole memory after a run, byte for byte, and every register."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from host import _csim
from host._generated import (
    CONTRACT_VERSION,
    DESCRIPTOR_BYTES,
    FAMILIES,
    MAX_K,
    REGISTERS,
    SIMULATION_GEOMETRIES,
    Core,
    EngineFlag,
    ErrorCode,
)
from host.device import EngineInfo
from host.layout import StreamShape, chunk_count
from sw_quant.formats import get
from sw_quant.qtensor import QTensor
from tests.csim_cases import BUILDS, NASTY, TIES, Case, aligned, compare, engine, make


@pytest.mark.parametrize(("family", "a_format", "geometry"), BUILDS)
class TestAgainstGolden:
    @pytest.mark.parametrize("m_tiles", [0.25, 1, 1.25, 3.5])
    def test_rows_around_the_tiles(self, family: str, a_format: str, geometry: str, m_tiles: float) -> None:
        """One row, below, at and above a row tile, several row blocks."""
        rng = np.random.default_rng(int(4 * m_tiles))
        m = max(1, int(m_tiles * SIMULATION_GEOMETRIES[geometry].rows))
        case = make(rng, rng.normal(0, 1, (m, 256)), 96, a_format, 128, row_tiles=2, k_pad=1, n_pad=3)
        compare(case, family, geometry)

    @pytest.mark.parametrize(("k", "group"), [(32, 32), (96, 64), (160, 128), (416, 96), (384, 1 << 20), (1024, 32)])
    def test_ragged_k(self, family: str, a_format: str, geometry: str, k: int, group: int) -> None:
        rng = np.random.default_rng(k)
        compare(make(rng, rng.normal(0, 1, (5, k)), 32, a_format, group, row_tiles=2), family, geometry)

    @pytest.mark.parametrize("ght", [False, True])
    @pytest.mark.parametrize(
        "kind", ["zeros", "minus-zeros", "nasty", "ties", "one-hot", "maxima", "wide", "subnormal"]
    )
    def test_nasty_activations(self, family: str, a_format: str, geometry: str, kind: str, ght: bool) -> None:
        rng = np.random.default_rng(7)
        m, k = 6, 256
        x = {
            "zeros": np.zeros((m, k)),
            "minus-zeros": np.full((m, k), -0.0),
            "nasty": rng.choice(NASTY, (m, k)),
            # Groups whose largest element makes the scale one, or nearly so.
            "ties": np.where(rng.random((m, k)) < 0.02, 6.0, rng.choice(TIES, (m, k))),
            "one-hot": np.where(rng.random((m, k)) < 0.01, -3.0, 0.0),
            "maxima": rng.choice([65504.0, -65504.0], (m, k)),
            "wide": rng.integers(0, 0x7C00, (m, k)).astype(np.uint16).view(np.float16) * rng.choice([-1, 1], (m, k)),
            "subnormal": rng.integers(-1023, 1024, (m, k)) * 2.0**-24,
        }[kind]
        compare(make(rng, x, 64, a_format, 128, ght=ght, row_tiles=3), family, geometry)

    @settings(max_examples=12)
    @given(data=st.data())
    def test_random(self, family: str, a_format: str, geometry: str, data: st.DataObject) -> None:
        size = SIMULATION_GEOMETRIES[geometry]
        ght = data.draw(st.booleans(), "ght")
        k = data.draw(
            st.integers(1, 4).map(lambda i: 128 * i) if ght else st.integers(1, 16).map(lambda i: 32 * i), "k"
        )
        group = data.draw(st.integers(1, k // 32 + 1).map(lambda i: 32 * i), "group")
        m = data.draw(st.integers(1, 3 * size.rows), "m")
        n = data.draw(st.integers(1, 4).map(lambda i: 32 * i), "n")
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32), "seed"))
        spread = data.draw(st.sampled_from([2.0**-20, 1.0, 300.0, 30000.0]), "spread")
        x = np.clip(rng.normal(0, spread, (m, k)), -65504, 65504)
        case = make(rng, x, n, a_format, group, ght=ght, row_tiles=data.draw(st.integers(1, 4), "row tiles"))
        compare(replace(case, k_pad=data.draw(st.integers(0, 3)), n_pad=data.draw(st.integers(0, 3))), family, geometry)


@pytest.mark.parametrize("family", FAMILIES)
def test_longest_row(family: str) -> None:
    """One group of 9,216 equal elements: integer sums beyond 2^24, where fp32(p) rounds."""
    weight_format = get(FAMILIES[family].weights)
    top = (1 << (weight_format.bits - 1)) - 1
    codes = torch.full((32, MAX_K), top, dtype=torch.uint8)
    codes[:, :3] -= 1  # an odd sum
    weight = QTensor(codes, torch.ones(32, 1, dtype=torch.float16), weight_format, MAX_K)
    bias = np.zeros(32, np.float32)
    case = Case(np.ones((3, MAX_K), np.float16), weight, bias, FAMILIES[family].activations[0], MAX_K)
    compare(case, family, "small")


@pytest.mark.parametrize("family", FAMILIES)
def test_overflow_saturates_and_is_told(family: str) -> None:
    rng = np.random.default_rng(3)
    case = make(rng, rng.normal(0, 1, (3, 64)), 32, FAMILIES[family].activations[0], 64)
    quiet = compare(case, family, "small")
    assert quiet["flags"] == 0
    bias = case.bias.copy()
    bias[5], bias[6] = 65519.0, 7e4
    loud = compare(replace(case, bias=bias), family, "small")
    assert EngineFlag(loud["flags"]) == EngineFlag.OVERFLOW


class TestRegisters:
    @pytest.mark.parametrize(("family", "geometry"), _csim.INSTANCES)
    def test_identity(self, family: str, geometry: str) -> None:
        registers = engine(family, geometry).run(aligned(64), 0, 0)
        assert list(registers) == [name for name, item in REGISTERS.items() if item.access == "out"]
        wanted = EngineInfo("csim", family, SIMULATION_GEOMETRIES[geometry], CONTRACT_VERSION, Core.HLS.name.lower())
        assert EngineInfo.from_registers("csim", registers) == wanted
        assert registers["status"] == ErrorCode.OK

    def test_every_family_and_geometry_is_there(self) -> None:
        assert sorted(_csim.INSTANCES) == sorted((f, g) for f in FAMILIES for g in SIMULATION_GEOMETRIES)

    def test_counters(self) -> None:
        rng = np.random.default_rng(0)
        case = make(rng, rng.normal(0, 1, (5, 256)), 64, "dual4", 128)
        registers = compare(case, "fp4", "small")
        size = SIMULATION_GEOMETRIES["small"]
        row_tiles, column_tiles = 3, 64 // size.columns
        assert registers["compute_cycles"] == row_tiles * column_tiles * chunk_count(256, 128, size.lanes) * 2
        stream = StreamShape.of(64, 256, 128, 4, size).nbytes
        assert registers["read_bytes"] == DESCRIPTOR_BYTES + 5 * 256 * 2 + row_tiles * stream
        assert registers["write_bytes"] == 5 * 64 * 2

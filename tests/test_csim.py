# SPDX-License-Identifier: Apache-2.0
"""The compiled HLS engine against the golden model: the whole memory after a run, byte for byte, and every register."""

import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from host import _csim
from host._generated import (
    CONTRACT_VERSION,
    DESCRIPTOR_BYTES,
    DESCRIPTOR_FIELDS,
    DESCRIPTOR_RESERVED,
    FAMILIES,
    MAX_K,
    REGISTERS,
    SECTION_BYTES,
    SIMULATION_GEOMETRIES,
    Core,
    EngineFlag,
    ErrorCode,
    Geometry,
)
from host.command import Gemm, check, decode_fields, encode_fields
from host.device import EngineInfo
from host.layout import StreamShape, chunk_count, pack, round_up
from sw_quant import golden
from sw_quant.formats import get
from sw_quant.qtensor import QTensor

Bytes = npt.NDArray[np.uint8]

GUARD = 0xA5
BUILDS = [
    pytest.param(family, a_format, geometry, id=f"{family}-{a_format}-{geometry}")
    for family in FAMILIES
    for a_format in FAMILIES[family].activations
    for geometry in SIMULATION_GEOMETRIES
]
# Halves that tensors in the wild avoid: zeros, subnormals, ties of every format at scale one, the largest, Inf, NaN.
NASTY = [0.0, -0.0, 2.0**-24, -(2.0**-24), 1023 * 2.0**-24, 2.0**-14, 65504.0, -65504.0, np.inf, -np.inf, np.nan]
TIES = [*(0.25 * i for i in range(1, 29)), *(0.0625 * i for i in range(1, 121)), -0.5, -0.125, -1.5, -2.5, -3.5, -7.5]


@dataclass(frozen=True)
class Case:
    """One command with its data. `k_pad` and `n_pad` are further 8-byte steps in the strides."""

    x: npt.NDArray[np.float16]
    weight: QTensor
    bias: npt.NDArray[np.float32]
    a_format: str
    group: int
    ght: bool = False
    row_tiles: int = 1
    k_pad: int = 0
    n_pad: int = 0


def engine(family: str, geometry: str) -> Any:
    return _csim.Engine(family, geometry)


def aligned(nbytes: int) -> Bytes:
    block = np.full(nbytes + SECTION_BYTES, GUARD, np.uint8)
    skip = -block.ctypes.data % SECTION_BYTES
    return block[skip : skip + nbytes]


def weights(
    rng: np.random.Generator, n: int, k: int, group: int, format: str
) -> tuple[QTensor, npt.NDArray[np.float32]]:
    """Any code, zero and subnormal scales among others, small biases."""
    chosen = get(format)
    codes = rng.integers(0, 1 << chosen.bits, (n, k), dtype=np.uint8)
    if chosen.kind == "integer":
        codes[codes == 1 << (chosen.bits - 1)] = 0  # the code that no quantizer makes
    groups = -(-k // min(group, k))
    scales = np.abs(rng.normal(0, 0.05, (n, groups))).astype(np.float16)
    scales[rng.random((n, groups)) < 0.1] = 0
    scales[rng.random((n, groups)) < 0.1] = 2.0**-24
    bias = rng.normal(0, 1, n).astype(np.float32)
    return QTensor(torch.from_numpy(codes), torch.from_numpy(scales), chosen, min(group, k)), bias


def image(case: Case, family: str, geometry: Geometry) -> tuple[Bytes, Gemm]:
    """Memory with the descriptor at 0, then X, W and Y, guard bytes between and around them."""
    (m, k), n = case.x.shape, case.weight.shape[0]
    shape = StreamShape.of(n, k, case.group, case.weight.format.bits, geometry)
    stream = pack(case.weight.pack().numpy(), case.weight.scales.numpy(), case.bias, shape)
    x_stride, y_stride = 2 * k + 8 * case.k_pad, 2 * n + 8 * case.n_pad
    x_address = 2 * DESCRIPTOR_BYTES
    w_address = round_up(x_address + m * x_stride, SECTION_BYTES) + SECTION_BYTES
    y_address = round_up(w_address + shape.nbytes, SECTION_BYTES) + SECTION_BYTES
    memory = aligned(round_up(y_address + m * y_stride, SECTION_BYTES) + SECTION_BYTES)
    row_tiles = min(case.row_tiles, geometry.act_depth // shape.chunks)
    formats = case.a_format, FAMILIES[family].weights
    addresses = x_address, w_address, y_address
    gemm = Gemm(m, n, k, *formats, case.group, row_tiles, *addresses, x_stride, y_stride, case.ght)
    memory[:DESCRIPTOR_BYTES] = np.frombuffer(gemm.encode(), np.uint8)
    rows(memory, x_address, m, k, x_stride)[...] = case.x
    memory[w_address : w_address + shape.nbytes] = stream
    return memory, gemm


def rows(memory: Bytes, address: int, count: int, columns: int, stride: int) -> npt.NDArray[np.float16]:
    return np.ndarray((count, columns), np.float16, memory, address, (stride, 2))


def compare(case: Case, family: str, geometry: str) -> dict[str, int]:
    """Run the case on both; every byte of memory and every flag must agree."""
    memory, gemm = image(case, family, SIMULATION_GEOMETRIES[geometry])
    wanted = memory.copy()
    result = golden.linear(
        torch.from_numpy(case.x), case.weight, torch.from_numpy(case.bias), case.a_format, case.weight.group, case.ght
    )
    rows(wanted, gemm.y_address, gemm.m, gemm.n, gemm.y_stride)[...] = result.y.numpy()
    registers: dict[str, int] = engine(family, geometry).run(memory, 0, 1)
    assert registers["status"] == ErrorCode.OK
    flags = (EngineFlag.OVERFLOW if result.overflow else 0) | (EngineFlag.NONFINITE if result.nonfinite else 0)
    assert registers["flags"] == flags
    np.testing.assert_array_equal(memory, wanted)
    return registers


def make(rng: np.random.Generator, x: npt.NDArray[Any], n: int, a_format: str, group: int, **options: Any) -> Case:
    family = next(item for item in FAMILIES.values() if a_format in item.activations)
    weight, bias = weights(rng, n, x.shape[1], group, family.weights)
    return Case(x.astype(np.float16), weight, bias, a_format, group, **options)


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


def small_image() -> tuple[Bytes, Gemm]:
    rng = np.random.default_rng(1)
    case = make(rng, rng.normal(0, 1, (3, 128)), 32, "e2m1", 128)
    return image(case, "fp4", SIMULATION_GEOMETRIES["small"])


FIELD_NAMES = [item.name for item in DESCRIPTOR_FIELDS]
VALUES = st.one_of(
    st.sampled_from(
        [0, 1, 2, 4, 8, 31, 32, 33, 64, 96, 100, 128, 256, 1025, MAX_K, MAX_K + 32, 2**32 - 32, 2**64 - 64]
    ),
    st.integers(0, 2**64 - 1),
)


class TestRefusals:
    @settings(max_examples=400)
    @given(
        changes=st.dictionaries(st.sampled_from(FIELD_NAMES), VALUES, min_size=1, max_size=3), junk=st.integers(0, 200)
    )
    def test_checked_as_the_host_checks(self, changes: dict[str, int], junk: int) -> None:
        """The same code for the same fault, the first in the contract's order; nothing is written."""
        memory, gemm = small_image()
        values = decode_fields(gemm.encode())
        for item in DESCRIPTOR_FIELDS:
            values[item.name] = changes.get(item.name, values[item.name]) & ((1 << item.bits) - 1)
        raw = bytearray(encode_fields(values))
        if junk < len(DESCRIPTOR_RESERVED):
            raw[DESCRIPTOR_RESERVED[junk][0]] = 1
        memory[:DESCRIPTOR_BYTES] = np.frombuffer(bytes(raw), np.uint8)
        before = memory.copy()
        registers = engine("fp4", "small").run(memory, 0, 1)
        wanted = check(bytes(raw), "fp4", SIMULATION_GEOMETRIES["small"])
        if wanted != ErrorCode.OK:
            assert ErrorCode(registers["status"]) == wanted
        else:
            assert registers["status"] in (ErrorCode.OK, ErrorCode.READ, ErrorCode.WRITE)
        if registers["status"] != ErrorCode.OK:
            np.testing.assert_array_equal(memory, before)

    @pytest.mark.parametrize(
        ("field", "value", "status"),
        [
            ("opcode", 9, ErrorCode.OPCODE),
            ("a_format", 4, ErrorCode.FORMAT),
            ("flags", 1 << 31, ErrorCode.RESERVED),
            ("group", 48, ErrorCode.SHAPE),
            ("row_tiles", 1 << 20, ErrorCode.CAPACITY),
            ("x_stride", 8, ErrorCode.ALIGNMENT),
            ("x_address", 1 << 40, ErrorCode.READ),
            ("w_address", 2**64 - 64, ErrorCode.READ),
            ("y_address", 1 << 40, ErrorCode.WRITE),
        ],
    )
    def test_every_code_with_its_index(self, field: str, value: int, status: ErrorCode) -> None:
        """Third of four commands: those before it are done, it and those after it leave no trace."""
        memory, gemm = small_image()
        good = gemm.encode()
        bad = encode_fields(decode_fields(good) | {field: value})
        y = rows(memory, gemm.y_address, gemm.m, gemm.n, gemm.y_stride)
        commands = aligned(len(memory) + 512)
        commands[: len(memory)] = memory
        commands[len(memory) :] = np.frombuffer(good + good + bad + good, np.uint8)
        registers = engine("fp4", "small").run(commands, len(memory), 4)
        assert (registers["status"], registers["error_index"]) == (status, 2)
        engine("fp4", "small").run(memory, 0, 1)
        np.testing.assert_array_equal(commands[: len(memory)], memory)
        assert np.isfinite(y).all()

    def test_list_beyond_memory(self) -> None:
        memory, _ = small_image()
        run = engine("fp4", "small").run
        for address in (len(memory), 2**64 - 64):
            assert run(memory, address, 1)["status"] == ErrorCode.READ
        assert run(memory, 8, 1)["status"] == ErrorCode.ALIGNMENT

    @settings(max_examples=300)
    @given(raw=st.binary(min_size=DESCRIPTOR_BYTES, max_size=DESCRIPTOR_BYTES), seed=st.integers(0, 2**32))
    def test_garbage_is_survived(self, raw: bytes, seed: int) -> None:
        """Bytes of anything, and good descriptors with a few bits turned: a status, never a crash."""
        memory, gemm = small_image()
        rng = np.random.default_rng(seed)
        bent = np.frombuffer(gemm.encode(), np.uint8).copy()
        bent[rng.integers(1, 64, 3)] ^= (1 << rng.integers(0, 8, 3)).astype(np.uint8)
        commands = aligned(len(memory) + 256)
        commands[: len(memory)] = memory
        commands[len(memory) :] = np.concatenate([bent, np.frombuffer(raw, np.uint8)])
        for index in range(2):
            registers = engine("fp4", "small").run(commands, len(memory) + 128 * index, 1)
            assert registers["status"] in iter(ErrorCode)


class TestModule:
    def test_unknown_build(self) -> None:
        with pytest.raises(ValueError, match=r"no engine was compiled for family 'fp5'.*fp4 small, fp4 large"):
            engine("fp5", "small")

    def test_unfit_memory(self) -> None:
        run = engine("fp4", "small").run
        frozen = aligned(256)
        frozen.flags.writeable = False
        for memory in (np.zeros(64, np.float32), np.zeros((8, 8), np.uint8), np.zeros(256, np.uint8)[::2]):
            with pytest.raises(ValueError, match="contiguous array of uint8"):
                run(memory, 0, 0)
        with pytest.raises(ValueError, match="multiple of 8"):
            run(aligned(256)[1:], 0, 0)
        with pytest.raises(ValueError, match=r"read-only|not writeable"):
            run(frozen, 0, 0)
        with pytest.raises(TypeError):
            run(aligned(256), -1, 1)

    def test_tiny_memory(self) -> None:
        for size in (0, 7, 8, 127):
            assert engine("fp4", "small").run(aligned(size), 0, 1)["status"] == ErrorCode.READ

    def test_threads_do_not_meet(self) -> None:
        """Engines keep no state: eight runs at a time, each on memory of its own, equal the run alone."""
        wanted, _ = small_image()
        engine("fp4", "small").run(wanted, 0, 1)
        images = [small_image()[0] for _ in range(8)]
        threads = [
            threading.Thread(target=lambda m: [engine("fp4", "small").run(m, 0, 1) for _ in range(20)], args=(memory,))
            for memory in images
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for memory in images:
            np.testing.assert_array_equal(memory, wanted)

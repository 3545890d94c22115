# SPDX-License-Identifier: Apache-2.0
"""What the compiled HLS engine refuses, and the extension module around it."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host._generated import (
    DESCRIPTOR_BYTES,
    DESCRIPTOR_FIELDS,
    DESCRIPTOR_RESERVED,
    MAX_K,
    SIMULATION_GEOMETRIES,
    ErrorCode,
)
from host.command import check, decode_fields, encode_fields
from tests.csim_cases import (
    aligned,
    engine,
    rows,
    small_image,
)

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

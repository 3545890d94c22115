# SPDX-License-Identifier: Apache-2.0
"""What a board's driver must survive: full memory, engines that hang or refuse, Ctrl-C, other processes."""

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from host._generated import REGISTERS, ErrorCode
from host.command import Gemm
from host.device import DeviceTimeout, EngineError
from host.runtime import EngineLinears
from sw_quant.errors import FpqvarError
from sw_quant.executor import GoldenLinears

pytest.importorskip("pynq", reason="the package pynq is for Python 3.11 and 3.12", exc_type=ImportError)

from host.devices import pynq as pynq_device
from host.devices.pynq import cma_bytes
from sim.board import SimulatedBoard, simulated_board
from tests.boards import is_right, open_board, packed

CTRL = REGISTERS["ctrl"].offset


# Memory.


def test_a_model_larger_than_memory_is_refused_before_anything_is_written() -> None:
    with simulated_board("csim", memory_bytes=100_000), open_board() as device:
        with pytest.raises(FpqvarError, match=r"the model's weights take \d+ bytes .* 100032 .* free .* cma="):
            EngineLinears(device, packed().layers)
        assert device.free_bytes() == 100_032


def test_an_allocation_that_fails_half_way_frees_everything(csim_board: SimulatedBoard) -> None:
    model = packed()
    with open_board() as device:
        before = device.free_bytes()
        csim_board.device.allocations_left = 3
        with pytest.raises(FpqvarError, match=r"device memory is full: \d+ bytes asked for, \d+ free .*cma="):
            EngineLinears(device, model.layers)
        assert device.free_bytes() == before
        csim_board.device.allocations_left = None
        assert is_right(device, model)
        with pytest.raises(FpqvarError, match="cannot allocate 0 bytes"):
            device.allocate(0)


def test_closing_frees_what_is_left_and_a_freed_buffer_is_not_used(csim_board: SimulatedBoard) -> None:
    device = open_board()
    buffer, other = device.allocate(100), device.allocate(100)
    buffer.free()
    buffer.free()
    with pytest.raises(FpqvarError, match="has been freed"):
        buffer.read(1)
    with pytest.raises(FpqvarError, match="buffer of 100 bytes: no bytes 90 to 110"):
        other.write(np.zeros(20, np.uint8), 90)
    device.close()
    device.close()
    assert csim_board.engine.memory.free_bytes == len(csim_board.engine.memory.data) - 64


def test_cma_from_the_kernel(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2033836 kB\nCmaTotal:  524288 kB\nCmaFree:  12345 kB\n")
    assert cma_bytes(meminfo=meminfo) == 12345 * 1024
    assert cma_bytes("CmaTotal", meminfo) == 524288 * 1024
    meminfo.write_text("MemTotal: 1 kB\n")
    assert cma_bytes(meminfo=meminfo) == 0
    assert cma_bytes(meminfo=tmp_path / "nothing") == 0


# Runs that go wrong.


class Stuck:
    """A control port of an engine that starts and never says done, until it is reset."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self.stuck = False
        self.resets = 0

    def read(self, offset: int) -> int:
        return 0 if self.stuck and offset == CTRL else int(self._bus.read(offset))

    def write(self, offset: int, value: int) -> None:
        if not self.stuck:
            self._bus.write(offset, value)

    def reset(self) -> None:
        self.stuck = False
        self.resets += 1
        self._bus.reset()


def test_an_engine_that_never_says_done(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Stuck(board.device.bus)
    board.device.bus = bus  # type: ignore[assignment]
    with open_board() as device:
        engine = EngineLinears(device, packed().layers, timeout=0.2)
        start = device._driver.start

        def start_and_hang(address: int, count: int) -> None:
            start(address, count)
            bus.stuck = True

        monkeypatch.setattr(device._driver, "start", start_and_hang)
        before = bus.resets
        with pytest.raises(DeviceTimeout, match=r"pynq engine: not done after 0\.2 s; registers \{.*it has been reset"):
            engine("0.proj", torch.ones(1, 128))
        assert bus.resets == before + 1
        monkeypatch.undo()
        x = torch.ones(1, 128)
        assert torch.equal(engine("0.proj", x), GoldenLinears(packed().layers)("0.proj", x))


def test_an_engine_that_is_dead_from_the_start(csim_board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynq_device, "IDENTIFY_TIMEOUT", 0.05)
    bus = csim_board.device.bus
    monkeypatch.setattr(bus, "read", lambda offset: 4 if offset == CTRL else 0)  # idle, never done
    with pytest.raises(DeviceTimeout, match=r"did not answer to an empty list in 0\.05 s; is its clock on"):
        open_board()
    monkeypatch.undo()
    with open_board() as device:
        assert is_right(device, packed())


def test_error_codes_of_the_engine(board: SimulatedBoard) -> None:
    with open_board() as device:
        lists = device.allocate(256)
        good = Gemm(1, 32, 32, "e2m1", "e2m1", 32, 1, lists.address, lists.address, lists.address, 64, 64)
        for change, status in (
            ({"k": 33}, ErrorCode.SHAPE),
            ({"row_tiles": 1 << 20}, ErrorCode.CAPACITY),
            ({"x_address": 64}, ErrorCode.READ),  # below the memory: a bus error
        ):
            lists.write(np.frombuffer(replace(good, **change).encode(), np.uint8))  # type: ignore[arg-type]
            with pytest.raises(EngineError, match=f"stopped at command 0: {status.name.lower()} error") as at:
                device.run(lists.address, 1)
            assert at.value.result.status == status
        assert is_right(device, packed())


def test_flags_of_the_engine(csim_board: SimulatedBoard) -> None:
    with open_board() as device:
        engine = EngineLinears(device, packed().layers)
        x = np.zeros((2, 128), np.float16)
        x[1, 3] = np.inf
        engine.start("1.proj", x)
        with pytest.raises(FpqvarError, match=r"layer 1\.proj: an input element is Inf or NaN"):
            engine.finish()
        assert is_right(device, packed())


def test_control_c_in_a_run(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run may end by itself, or is reset; the buffers are freed and the engine is right afterwards."""
    monkeypatch.setattr(pynq_device, "DRAIN_TIMEOUT", 0.2)
    model = packed()
    for hangs in (False, True):
        bus = Stuck(board.device.bus)
        monkeypatch.setattr(board.device, "bus", bus)
        with open_board() as device:
            engine = EngineLinears(device, model.layers)
            wait = device._driver.wait
            calls: list[float] = []

            def interrupted(
                seconds: float, calls: Any = calls, wait: Any = wait, hangs: bool = hangs, bus: Any = bus
            ) -> bool:
                calls.append(seconds)
                if len(calls) == 1:
                    bus.stuck = hangs
                    raise KeyboardInterrupt
                return bool(wait(seconds))

            monkeypatch.setattr(device._driver, "wait", interrupted)
            before = bus.resets
            with pytest.raises(KeyboardInterrupt):
                engine("0.fc2", torch.zeros(3, 512))
            assert len(calls) >= 2
            assert bus.resets == before + hangs
            monkeypatch.setattr(device._driver, "wait", wait)
            engine.free()
            assert is_right(device, model)
        assert board.engine.memory.free_bytes == len(board.engine.memory.data) - 64


def test_a_second_start_and_a_wait_for_nothing(csim_board: SimulatedBoard) -> None:
    with open_board() as device:
        with pytest.raises(FpqvarError, match="nothing was started"):
            device.wait(1)
        device.start(0, 0)
        with pytest.raises(FpqvarError, match="a run is under way"):
            device.start(0, 0)
        with pytest.raises(FpqvarError, match="a run is under way"):
            device._driver.start(0, 0)
        assert device.wait(10).status == ErrorCode.OK


def test_closing_in_a_run(board: SimulatedBoard) -> None:
    model = packed()
    device = open_board()
    engine = EngineLinears(device, model.layers)
    engine.start("0.fc2", np.zeros((3, 512), np.float16))
    device.close()
    with open_board() as again:
        assert is_right(again, model)


def _try_to_open(queue: Any) -> None:
    with simulated_board("csim") as mine:
        mine.device.name = "shared"
        try:
            with open_board():
                queue.put("opened")
        except FpqvarError as error:
            queue.put(str(error))


def _in_another_process() -> str:
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=_try_to_open, args=(queue,))
    process.start()
    try:
        return str(queue.get(timeout=120))
    finally:
        process.join(30)


def test_two_processes_on_one_engine(csim_board: SimulatedBoard) -> None:
    csim_board.device.name = "shared"
    with open_board():
        refusal = _in_another_process()
        assert f"process {os.getpid()} has it open" in refusal
        assert "close that notebook" in refusal
    assert _in_another_process() == "opened"


def test_a_notebook_restarted_while_the_engine_was_busy(board: SimulatedBoard) -> None:
    """The old process is gone without a word: its lock with it, the engine still at work."""
    model = packed()
    device = open_board()
    engine = EngineLinears(device, model.layers)
    engine.start("0.fc2", np.zeros((3, 512), np.float16))
    assert device._lock is not None
    device._lock.release()  # what the kernel does to a process that dies
    with open_board() as again:
        assert is_right(again, model)

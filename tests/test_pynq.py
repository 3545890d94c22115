# SPDX-License-Identifier: Apache-2.0
"""The board's driver, unchanged and through the real package pynq, on simulated engines."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from host._generated import CONTRACT_VERSION, REGISTERS, ErrorCode
from host.device import EngineError
from host.registers import all_words, register_words
from host.runtime import EngineLinears
from sw_quant.executor import GoldenLinears
from sw_quant.quantize import rebuild

pytest.importorskip("pynq", reason="the package pynq is for Python 3.11 and 3.12", exc_type=ImportError)

from host.devices.pynq_driver import FpqAccel
from sim.board import SimulatedBoard
from tests.boards import SMALL, is_right, open_board, packed

CTRL = REGISTERS["ctrl"].offset


# What it is for.


def test_every_layer_has_the_golden_bits(board: SimulatedBoard) -> None:
    model = packed()
    with open_board() as device:
        assert (device.info.geometry, device.info.core) == (SMALL, board.engine.info.core)
        assert device.info.contract_version == CONTRACT_VERSION
        engine = EngineLinears(device, model.layers)
        golden = GoldenLinears(model.layers)
        for name, layer in model.layers.items():
            for rows in (1, 5, 2):
                x = torch.randn(rows, layer.entry.k)
                assert torch.equal(engine(name, x), golden(name, x))
        assert engine.counters.read_bytes > 0
        assert engine.counters.compute_cycles > 0
    assert board.engine.memory.free_bytes == len(board.engine.memory.data) - 64  # all of it came back


def test_an_image_is_the_golden_one(csim_board: SimulatedBoard) -> None:
    model = packed()
    var = rebuild(model)
    var.linear = GoldenLinears(model.layers)
    image = var.generate(torch.tensor([0, 1]), seed=5, cfg=2.0)
    with open_board() as device:
        var.linear = EngineLinears(device, model.layers)
        before = csim_board.engine.memory.free_bytes
        assert torch.equal(var.generate(torch.tensor([0, 1]), seed=5, cfg=2.0), image)
        var.generate(torch.tensor([1]), seed=6, cfg=2.0)
        # The weights stayed where they were: only the activations' buffer has been added.
        assert before - csim_board.engine.memory.free_bytes < 1 << 20


def test_device_memory_lies_beyond_4_gib_and_is_aligned(csim_board: SimulatedBoard) -> None:
    with open_board() as device:
        for nbytes in (1, 64, 100_000):
            buffer = device.allocate(nbytes)
            assert buffer.address > 1 << 32
            assert buffer.address % 64 == 0


def test_the_driver_needs_no_torch() -> None:
    code = """
import sys
from sim.board import simulated_board
import host
with simulated_board("csim"), host.open_device("pynq", "fp4") as device:
    device.run(0, 0)
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


# The simulation is strict: each of these mistakes would go unseen with one memory for both sides.


@pytest.mark.parametrize("forgotten", ["sync_to_device", "sync_from_device"])
def test_a_forgotten_flush_or_invalidate_is_seen(
    forgotten: str, csim_board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pynq.buffer import PynqBuffer

    with open_board() as device:
        assert is_right(device, packed())
        monkeypatch.setattr(PynqBuffer, forgotten, lambda _self: None)
        try:
            seen = not is_right(device, packed())
        except EngineError:
            seen = True  # it did not even see the command
        assert seen


def test_a_dropped_half_of_an_address_is_seen(csim_board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_board() as device:
        write = FpqAccel.write
        upper = register_words(REGISTERS["list_address"])[1].offset
        monkeypatch.setattr(
            FpqAccel, "write", lambda self, offset, value: offset != upper and write(self, offset, value)
        )
        with pytest.raises(EngineError, match="command 0: read error"):
            is_right(device, packed())


def test_control_is_written_whole(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = board.device.bus.write

    def watched(offset: int, value: int) -> None:
        if offset == CTRL:
            written.append(value)
        write(offset, value)

    monkeypatch.setattr(board.device.bus, "write", watched)
    with open_board() as device:
        assert device.run(0, 0).status == ErrorCode.OK
        assert device.run(0, 0).status == ErrorCode.OK  # ap_done of the run before was not taken for this one's
    assert set(written) == {1}


def test_register_names_and_offsets() -> None:
    words = {word.name: word.offset for word in all_words()}
    assert words["CTRL"] == 0
    assert (words["list_address_1"], words["list_address_2"], words["count"]) == (0x10, 0x14, 0x1C)
    assert (words["identity"], words["identity_ctrl"]) == (0x40, 0x44)
    assert (words["busy_cycles_1"], words["busy_cycles_2"], words["busy_cycles_ctrl"]) == (0xC0, 0xC4, 0xC8)
    assert len(set(words.values())) == len(words)


class Interrupt:
    """What pynq makes of a wired interrupt pin."""

    def __init__(self, comes: bool = True) -> None:
        self.waits = 0
        self._comes = comes

    async def wait(self) -> None:
        self.waits += 1
        await asyncio.sleep(0 if self._comes else 10)


@pytest.mark.parametrize("comes", [True, False])
def test_waiting_by_interrupt(board: SimulatedBoard, comes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from host.devices import pynq_driver

    monkeypatch.setattr(pynq_driver, "INTERRUPT_SLICE", 0.01)
    asyncio.set_event_loop(asyncio.new_event_loop())
    with open_board() as device:
        interrupt = Interrupt(comes)
        device._driver.interrupt = interrupt  # a lost one only makes it slower
        assert is_right(device, packed())
        assert interrupt.waits > 0

        async def in_a_notebook() -> bool:
            return is_right(device, packed())

        before = interrupt.waits
        assert asyncio.run(in_a_notebook())
        assert interrupt.waits == before  # a loop is running, so it polls


def test_generate_on_a_board(csim_board: SimulatedBoard, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from host.cli import app

    arguments = ["generate", "--backend", "pynq", "--classes", "1", "--check", "golden", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, "--bitstream", str(csim_board.folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bit_exact"] is True
    assert (tmp_path / "sheet.png").is_file()

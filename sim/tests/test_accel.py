# SPDX-License-Identifier: Apache-2.0
"""fpq_accel: command lists against the golden device, with functional coverage; refusals, memory errors, resets."""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiResp

from host._generated import CONTRACT_VERSION, FAMILIES, Core, ErrorCode, Geometry, Opcode
from host.command import decode_fields
from host.layout import chunk_count
from sim.axi import STALLS, Accelerator
from sim.bench import CLOCK_NS, generator
from sim.commands import COMPARED, Scene, all_forms, check_survivors, golden_run, owner
from sim.coverage import Coverage, bins
from sw_quant._generated import FORMATS

FAMILY = os.environ["FAMILY"]
GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))
BRIEF = int(os.environ["BRIEF"])  # another bench covers the cross: play a part of it
COVERAGE = Coverage(set() if BRIEF else bins(FAMILY, STALLS))
NBYTES = 1 << 20


async def begin(dut: Any) -> Accelerator:
    Clock(dut.ap_clk, CLOCK_NS, "ns").start()
    accelerator = Accelerator(dut, np.zeros(NBYTES, np.uint8), GEOMETRY.banks)
    await accelerator.reset()
    return accelerator


async def play(accelerator: Accelerator, scene: Scene) -> dict[str, int]:
    """Run a scene: memory and registers must be what the golden device makes of it."""
    address, count = scene.finish()
    memory, wanted = golden_run(scene, address, count)
    accelerator.memory.image[:] = scene.image
    accelerator.memory.errors.clear()
    found = await accelerator.run(address, count)
    assert not accelerator.memory.errors, accelerator.memory.errors
    wrong = np.flatnonzero(accelerator.memory.image != memory)
    assert not len(wrong), f"{len(wrong)} bytes differ, the first at {wrong[0]:#x}; forms {scene.forms}"
    for name in COMPARED:
        assert found[name] == wanted[name], f"register {name}: {found[name]}, not {wanted[name]}; forms {scene.forms}"
    if found["status"] == ErrorCode.OK:
        check_counters(accelerator, scene, found)
    return found


def check_counters(accelerator: Accelerator, scene: Scene, found: dict[str, int]) -> None:
    """Beats by what the slaves saw, compute cycles by the loop order, and no cycle counted twice."""
    assert found["read_bytes"] == accelerator.bytes_read
    assert found["write_bytes"] == accelerator.bytes_written
    assert found["compute_cycles"] == sum(map(compute_cycles, scene.descriptors))
    kinds = [found[f"{kind}_cycles"] for kind in ("compute", "load_stall", "store_stall")]
    assert sum(kinds) <= found["busy_cycles"], kinds
    assert found["busy_cycles"] * CLOCK_NS <= get_sim_time("ns")


def compute_cycles(descriptor: bytes) -> int:
    """One for each chunk, row tile, set of column tiles and pass: docs/rtl.md, section 2."""
    field = decode_fields(descriptor)
    if field["opcode"] != Opcode.GEMM:
        return 0
    chunks = chunk_count(field["k"], min(field["group"], field["k"]), GEOMETRY.lanes)
    sets = -(-field["n"] // (GEOMETRY.columns * GEOMETRY.banks))
    dual = any(f.id == field["a_format"] and f.kind == "dual" for f in FORMATS.values())
    return -(-field["m"] // GEOMETRY.rows) * sets * chunks * (2 if dual else 1)


def small_scene(rng: np.random.Generator, count: int = 2) -> Scene:
    scene = Scene(FAMILY, GEOMETRY, rng, NBYTES)
    forms = all_forms(FAMILY)
    for _ in range(count):
        scene.gemm(forms[int(rng.integers(len(forms)))], most_k=256, most_n=64)
    return scene


@cocotb.test()
async def every_form_under_every_stall(dut: Any) -> None:
    """Lists of random commands, so chosen that the cross of the coverage is full (brief: a third of it)."""
    accelerator, rng = await begin(dut), generator()
    for stall in STALLS:
        accelerator.stall(stall)
        forms = all_forms(FAMILY)
        rng.shuffle(forms)  # type: ignore[arg-type]
        if BRIEF:
            del forms[len(forms) // 3 :]
        while forms:
            scene = Scene(FAMILY, GEOMETRY, rng, NBYTES)
            for _ in range(int(rng.integers(1, 6))):
                if forms:
                    scene.gemm(forms.pop(), most_k=256, most_n=64)
                if rng.integers(10) == 0:
                    scene.nop()
            await play(accelerator, scene)
            for form in scene.forms:
                if form is not None:
                    COVERAGE.hit(form, stall)
    COVERAGE.save(Path("coverage.json"))
    assert not COVERAGE.missing()


@cocotb.test()
async def identity(dut: Any) -> None:
    accelerator = await begin(dut)
    found = await accelerator.run(64, 0)  # no command: only the identity
    core, family = int(Core.RTL), FAMILIES[FAMILY].id
    assert found["identity"] == CONTRACT_VERSION | family << 16 | core << 24
    bus = GEOMETRY.bus_bits.bit_length() - 1
    assert found["geometry"] == GEOMETRY.rows | GEOMETRY.columns << 8 | GEOMETRY.lanes << 16 | bus << 24
    assert found["act_depth"] == GEOMETRY.act_depth
    assert found["status"] == found["flags"] == 0


@cocotb.test()
async def interrupts_and_registers(dut: Any) -> None:
    """Enables mask, the status toggles by writing ones, registers keep what is written, done is told once."""
    accelerator = await begin(dut)

    async def poll() -> None:
        while not await accelerator.read("ctrl") & 0b10:
            assert not int(dut.interrupt.value)

    assert await accelerator.read("ctrl") == 0b100, "idle and nothing else after reset"
    for enable in (0, 1):
        for register, value in (("gier", 0), ("ip_ier", enable), ("list_address", 64), ("count", 0), ("ctrl", 1)):
            await accelerator.write(register, value)
        await poll()
        assert await accelerator.read("ip_isr") & 1 == enable
        assert not int(dut.interrupt.value)
    await accelerator.write("gier", 1)
    await ClockCycles(dut.ap_clk, 2)
    assert int(dut.interrupt.value)
    await accelerator.write("ip_isr", 1)
    await ClockCycles(dut.ap_clk, 2)
    assert not int(dut.interrupt.value)
    await accelerator.write("gier", 0)
    for register, value in (("list_address", (1 << 40) + 64), ("count", 7)):
        await accelerator.write(register, value)
        assert await accelerator.read(register) == value
    await accelerator.write("list_address", 4)  # no multiple of 64: refused before anything is read
    await accelerator.write("ctrl", 1)
    await poll()
    assert await accelerator.read("status") == ErrorCode.ALIGNMENT
    assert await accelerator.read("ctrl") == 0b100, "done is told once"


@cocotb.test()
async def malformed_descriptors(dut: Any) -> None:
    """Refused with code and index; what stands before is done, what stands behind is not."""
    accelerator, rng = await begin(dut), generator()
    for _ in range(5 if BRIEF else 25):
        scene = small_scene(rng, int(rng.integers(1, 4)))
        at = int(rng.integers(len(scene.descriptors)))
        code = scene.malformed(scene.gemm(all_forms(FAMILY)[0], most_k=64, most_n=32))
        wrong = scene.descriptors.pop()
        scene.descriptors[at] = wrong
        found = await play(accelerator, scene)
        assert (found["status"], found["error_index"]) == (code, at)


@cocotb.test()
async def memory_errors(dut: Any) -> None:
    """SLVERR or DECERR on a beat of each port: code, index and memory as the contract says, and a right next run."""
    accelerator, rng = await begin(dut), generator()
    for number, port in enumerate(accelerator.ports * (1 if BRIEF else 3)):
        status = ErrorCode.WRITE if port == "y" else ErrorCode.READ
        scene = small_scene(rng, int(rng.integers(1, 5)))
        address, count = scene.finish()
        accelerator.memory.image[:] = scene.image
        accelerator.stall(str(rng.choice(list(STALLS))))
        await accelerator.run(address, count)
        most = accelerator.counts[port]
        kind = int(rng.integers(3)) if BRIEF else number // len(accelerator.ports)
        beat = [0, most - 1, int(rng.integers(most))][kind]  # the first, the last, any
        accelerator.memory.image[:] = scene.image
        accelerator.fail(port, beat, AxiResp.SLVERR if rng.integers(2) else AxiResp.DECERR)
        found = await accelerator.run(address, count)
        assert found["status"] == status, f"port {port}, beat {beat}: status {found['status']}"
        assert accelerator.faulted is not None
        failed = owner(scene, address, port, accelerator.faulted, accelerator.bus_bytes)
        assert found["error_index"] == failed, f"port {port}, beat {beat}: command {failed} failed"
        accelerator.faults.clear()
        check_survivors(scene, address, failed, accelerator.memory.image)
        await play(accelerator, small_scene(rng))


@cocotb.test()
async def reset_in_mid_run(dut: Any) -> None:
    """At any moment; then a clean run."""
    accelerator, rng = await begin(dut), generator()
    for _ in range(2 if BRIEF else 6):
        scene = small_scene(rng)
        address, count = scene.finish()
        accelerator.memory.image[:] = scene.image
        accelerator.stall(str(rng.choice(list(STALLS))))
        await accelerator.start(address, count)
        await ClockCycles(dut.ap_clk, int(rng.integers(1, 1200)))
        await accelerator.reset()
        await play(accelerator, small_scene(rng))

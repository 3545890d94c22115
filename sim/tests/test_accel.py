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
from cocotbext.axi import AxiResp

from host._generated import CONTRACT_VERSION, FAMILIES, Core, ErrorCode, Geometry
from sim.axi import STALLS, Accelerator
from sim.bench import CLOCK_NS, generator
from sim.commands import COMPARED, Scene, all_forms, golden_run
from sim.coverage import Coverage, bins

FAMILY = os.environ["FAMILY"]
GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))
COVERAGE = Coverage(bins(FAMILY, STALLS))
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
    return found


def small_scene(rng: np.random.Generator, count: int = 2) -> Scene:
    scene = Scene(FAMILY, GEOMETRY, rng, NBYTES)
    forms = all_forms(FAMILY)
    for _ in range(count):
        scene.gemm(forms[int(rng.integers(len(forms)))], most_k=256, most_n=64)
    return scene


@cocotb.test()
async def every_form_under_every_stall(dut: Any) -> None:
    """Lists of random commands, so chosen that the cross of the coverage is full."""
    accelerator, rng = await begin(dut), generator()
    for stall in STALLS:
        accelerator.stall(stall)
        forms = all_forms(FAMILY)
        rng.shuffle(forms)  # type: ignore[arg-type]
        while forms:
            scene = Scene(FAMILY, GEOMETRY, rng, NBYTES)
            for _ in range(int(rng.integers(1, 6))):
                if forms:
                    scene.gemm(forms.pop(), most_k=256, most_n=64)
                if rng.integers(10) == 0:
                    scene.nop()
            found = await play(accelerator, scene)
            assert found["compute_cycles"] <= found["busy_cycles"]
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
async def malformed_descriptors(dut: Any) -> None:
    """Refused with code and index; what stands before is done, what stands behind is not."""
    accelerator, rng = await begin(dut), generator()
    for _ in range(25):
        scene = small_scene(rng, int(rng.integers(1, 4)))
        at = int(rng.integers(len(scene.descriptors)))
        code = scene.malformed(scene.gemm(all_forms(FAMILY)[0], most_k=64, most_n=32))
        wrong = scene.descriptors.pop()
        scene.descriptors[at] = wrong
        found = await play(accelerator, scene)
        assert (found["status"], found["error_index"]) == (code, at)


@cocotb.test()
async def memory_errors(dut: Any) -> None:
    """SLVERR or DECERR on random beats of each port ends the run with its code, and the next run is right."""
    accelerator, rng = await begin(dut), generator()
    for port, status in [("x", ErrorCode.READ), ("w0", ErrorCode.READ), ("y", ErrorCode.WRITE)] * 3:
        scene = small_scene(rng)
        address, count = scene.finish()
        accelerator.memory.image[:] = scene.image
        accelerator.stall(str(rng.choice(list(STALLS))))
        await accelerator.run(address, count)
        beat = int(rng.integers(accelerator.counts[port]))
        accelerator.memory.image[:] = scene.image
        accelerator.faults[port] = (beat, AxiResp.SLVERR if rng.integers(2) else AxiResp.DECERR)
        found = await accelerator.run(address, count)
        accelerator.faults.clear()
        assert found["status"] == status, f"port {port}, beat {beat}: status {found['status']}"
        assert found["error_index"] < count
        await play(accelerator, small_scene(rng))


@cocotb.test()
async def reset_in_mid_run(dut: Any) -> None:
    """At any moment; then a clean run."""
    accelerator, rng = await begin(dut), generator()
    for _ in range(6):
        scene = small_scene(rng)
        address, count = scene.finish()
        accelerator.memory.image[:] = scene.image
        accelerator.stall(str(rng.choice(list(STALLS))))
        await accelerator.start(address, count)
        await ClockCycles(dut.ap_clk, int(rng.integers(1, 1200)))
        await accelerator.reset()
        await play(accelerator, small_scene(rng))

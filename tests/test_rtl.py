# SPDX-License-Identifier: Apache-2.0
"""The Verilated engine as a device: golden bytes, refusals, memory errors on every beat, time-outs, waveforms.

The first run compiles the engine, which takes a minute or two. `make sim` tests the same with cocotb's AXI models.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host import DeviceTimeout, open_device
from host._generated import SIMULATION_GEOMETRIES, ErrorCode, Geometry
from host.devices.rtl import RtlDevice
from sim.commands import COMPARED, Form, Scene, all_forms, check_survivors, golden_run
from sw_quant.errors import FpqvarError, UsageError
from tests.tools import needs_rtl_device

pytestmark = [needs_rtl_device, pytest.mark.timeout(1800)]

SMALL = SIMULATION_GEOMETRIES["small"]
# More builds, each other in all that a build can vary; compiled by `make test-all` only.
OTHERS = {
    "fp6": Geometry(rows=4, columns=4, lanes=64, act_depth=512, bus_bits=256, banks=2),
    "int4": Geometry(rows=1, columns=12, lanes=32, act_depth=512, bus_bits=64),
    "int8": Geometry(rows=2, columns=4, lanes=128, act_depth=512, bus_bits=512),
}


@pytest.fixture(scope="module")
def device() -> Iterator[RtlDevice]:
    with closing(RtlDevice("fp4", SMALL, 1 << 21)) as opened:
        yield opened


def play(device: RtlDevice, scene: Scene) -> dict[str, int]:
    """Run a scene on the device; its memory and registers must become the golden device's."""
    address, count = scene.finish()
    memory, wanted = golden_run(scene, address, count)
    data = device.memory.data[: scene.nbytes]
    data[:] = scene.image
    device.start(address, count)
    result = device.wait(300)
    found = {
        "status": int(result.status),
        "error_index": result.error_index,
        "flags": int(result.flags),
        "overflow_index": result.overflow_index,
        "nonfinite_index": result.nonfinite_index,
    }
    wrong = np.flatnonzero(data != memory)
    assert not len(wrong), f"{len(wrong)} bytes differ, the first at {wrong[0]:#x}; forms {scene.forms}"
    assert found == {name: wanted[name] for name in COMPARED}
    return found


def fill(scene: Scene, count: int) -> None:
    """Random commands, a nop now and then."""
    forms = all_forms(scene.family)
    for _ in range(count):
        if scene.rng.integers(8) == 0:
            scene.nop()
        scene.gemm(forms[int(scene.rng.integers(len(forms)))])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), count=st.integers(0, 6))
def test_random_lists_are_golden(device: RtlDevice, seed: int, count: int) -> None:
    scene = Scene("fp4", SMALL, np.random.default_rng(seed), 1 << 21)
    fill(scene, count)
    play(device, scene)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 32),
    latency=st.sampled_from([0, 1, 7, 300]),
    stall=st.sampled_from([0.0, 0.1, 0.6, 0.9]),
    rate=st.sampled_from([0.0, 1.5, 6.0, 16.0]),
)
def test_any_memory_gives_the_same_bytes(seed: int, latency: int, stall: float, rate: float) -> None:
    scene = Scene("fp4", SMALL, np.random.default_rng(seed), 1 << 21)
    fill(scene, 2)
    slow = RtlDevice("fp4", SMALL, 1 << 21, bytes_per_cycle=rate, latency=latency, stall=stall, seed=seed)
    with closing(slow):
        play(slow, scene)


@pytest.mark.slow
@pytest.mark.parametrize("family", OTHERS)
def test_other_builds_are_golden(family: str) -> None:
    with closing(RtlDevice(family, OTHERS[family], 1 << 21, stall=0.1)) as other:
        for seed in range(30):
            scene = Scene(family, OTHERS[family], np.random.default_rng(seed), 1 << 21)
            fill(scene, 4)
            play(other, scene)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), before=st.integers(0, 3), after=st.integers(0, 3))
def test_malformed_descriptors_are_refused_with_their_index(
    device: RtlDevice, seed: int, before: int, after: int
) -> None:
    scene = Scene("fp4", SMALL, np.random.default_rng(seed), 1 << 21)
    fill(scene, before)
    index = len(scene.descriptors)
    forms = all_forms("fp4")
    legal = scene.gemm(forms[int(scene.rng.integers(len(forms)))])
    del scene.descriptors[index:], scene.forms[index:]
    code = scene.malformed(legal)
    fill(scene, after)
    found = play(device, scene)
    assert (found["status"], found["error_index"]) == (code, index)


def small_scene(seed: int) -> Scene:
    scene = Scene("fp4", SMALL, np.random.default_rng(seed), 1 << 18)
    for form in (Form("e2m1", False, False, "above"), Form("dual4", True, True, "below")):
        scene.gemm(form, most_k=128, most_n=32)
    return scene


@pytest.mark.parametrize("port", ["x", "w0", "y"])
@pytest.mark.parametrize("response", [2, 3])
def test_an_error_on_any_beat_ends_the_run_with_its_code(device: RtlDevice, port: str, response: int) -> None:
    """Each beat in turn, until there are no more; after each a clean run."""
    beat, failed = 0, 0
    while True:
        scene = small_scene(beat)
        address, count = scene.finish()
        device.memory.data[: scene.nbytes] = scene.image
        device._recover()
        device.engine.fail(port, beat, response)
        device.start(address, count)
        result = device.wait(60)
        device.engine.fail(port, 0, 0)
        image = device.memory.data[: scene.nbytes].copy()
        play(device, small_scene(beat))
        if result.status == ErrorCode.OK:
            break
        assert result.status == (ErrorCode.WRITE if port == "y" else ErrorCode.READ)
        assert result.error_index < count
        check_survivors(scene, address, result.error_index, image)
        failed += 1
        beat += 1
    assert failed > 8, f"only {failed} beats on port {port}"


def test_addresses_outside_memory_are_read_and_write_errors(device: RtlDevice) -> None:
    for name, status in (("x_address", ErrorCode.READ), ("w_address", ErrorCode.READ), ("y_address", ErrorCode.WRITE)):
        scene = Scene("fp4", SMALL, np.random.default_rng(1), 1 << 18)
        command = scene.gemm(Form("e2m1", False, False, "above"))
        scene.descriptors = [type(command)(**{**vars(command), name: 1 << 40}).encode()]
        address, count = scene.finish()
        device.memory.data[: scene.nbytes] = scene.image
        device.start(address, count)
        assert device.wait(60).status == status
    play(device, small_scene(3))


@pytest.mark.parametrize("port", ["x", "w0", "y"])
def test_memory_that_never_answers_is_a_time_out(device: RtlDevice, port: str) -> None:
    scene = small_scene(5)
    address, count = scene.finish()
    device.memory.data[: scene.nbytes] = scene.image
    device._recover()
    device.engine.fail(port, 3, 4)
    device.start(address, count)
    with pytest.raises(DeviceTimeout, match="nothing moved"):
        device.wait(60)
    device.engine.fail(port, 0, 0)
    play(device, small_scene(6))


def test_a_run_that_takes_too_long_is_stopped_and_the_next_one_is_right(device: RtlDevice) -> None:
    scene = Scene("fp4", SMALL, np.random.default_rng(2), 1 << 21)
    for _ in range(6):
        scene.gemm(Form("e2m1", False, False, "above"), most_k=2048, most_n=512)
    address, count = scene.finish()
    device.memory.data[: scene.nbytes] = scene.image
    device.start(address, count)
    with pytest.raises(DeviceTimeout, match="not done after"):
        device.wait(0.001)
    play(device, small_scene(7))


def test_reset_in_mid_run(device: RtlDevice) -> None:
    """At many points of the run; what comes after is right."""
    for cycles in range(10, 1500, 93):
        scene = small_scene(cycles)
        address, count = scene.finish()
        device.memory.data[: scene.nbytes] = scene.image
        device._write64("list_address", address)
        device.engine.write(0x1C, count)
        device.engine.write(0, 1)
        device.engine.run(cycles)
        device._recover()
        play(device, small_scene(cycles + 1))


def test_waveforms(tmp_path: Path) -> None:
    path = tmp_path / "run.fst"
    with closing(RtlDevice("fp4", SMALL, 1 << 18, trace=path)) as traced:
        play(traced, small_scene(8))
    assert path.stat().st_size > 10_000


def test_a_process_may_hold_several_builds(device: RtlDevice) -> None:
    """With waveforms and without: two modules, each with a class of its own."""
    with closing(RtlDevice("fp4", SMALL, 1 << 18, waves=True)) as other:
        assert type(other.engine) is not type(device.engine)
        play(other, small_scene(9))
    play(device, small_scene(9))


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="stall"):
        open_device("rtl", "fp4", "small", stall=1.0)
    with pytest.raises(UsageError, match="geometry"):
        open_device("rtl", "fp4", "tiny")


def test_illegal_geometry_is_told_in_words() -> None:
    with pytest.raises(FpqvarError, match="Rows must be a power of two"):
        open_device("rtl", "fp4", Geometry(rows=3, columns=4, lanes=32, act_depth=512, bus_bits=128))

# SPDX-License-Identifier: Apache-2.0
"""The RTL engine's use of its multipliers and of memory, read from its counters; and the choice of row blocks.

Cut down for speed: one bank of 256 multipliers, N of a few column tiles. `make perf` runs the whole layers.
"""

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from host import open_device
from host._generated import BOARDS, SIMULATION_GEOMETRIES, Geometry
from host.cli import app
from host.devices.rtl import RtlDevice
from host.tiling import Part, layer_cycles, plan_layer
from host.utilization import Layer, Run, block_layers, bytes_per_cycle, layer_shapes, memory_bytes, run_list
from sw_quant.errors import FpqvarError, UsageError
from tests.tools import needs_rtl_device

SMALL, LARGE = SIMULATION_GEOMETRIES["small"], SIMULATION_GEOMETRIES["large"]


def simulate(layers: list[Layer], rows: int, rate: float = 64.0, geometry: Geometry = SMALL) -> Run:
    need = memory_bytes(layers, rows, geometry)
    with closing(RtlDevice("fp4", geometry, need, bytes_per_cycle=rate)) as device:
        return run_list(device, layers, rows, rate)


def layer(n: int, k: int, activations: str = "e2m1", ght: bool = False) -> Layer:
    return Layer("fc1", n, k, activations, "e2m1", 128, ght)


@needs_rtl_device
@pytest.mark.timeout(900)
@pytest.mark.parametrize("activations", ["e2m1", "dual4"])
def test_many_rows_keep_the_array_multiplying(activations: str) -> None:
    run = simulate([layer(1024, 512, activations, ght=activations == "e2m1")], 128)
    assert run.utilization >= 0.95
    passes = 2 if activations == "dual4" else 1
    assert run.counters.compute_cycles == 128 * 1024 * 512 * passes // 256  # every chunk once a pass


@needs_rtl_device
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rows", [2, 8])
@pytest.mark.parametrize("rate", [16.0, 12.0])
def test_few_rows_use_the_memory(rows: int, rate: float) -> None:
    """256 multipliers need at most 16 bytes of weights a cycle for 8 rows: the port's width, or less is given."""
    run = simulate([layer(1024, 512)], rows, rate)
    assert run.bandwidth >= 0.90


@needs_rtl_device
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rows", [2, 4])
def test_short_dual_passes_do_not_wait_for_their_accumulators(rows: int) -> None:
    """Weights of a group take 17 cycles, an accumulator 15 in each of two passes: two column tiles take turns."""
    assert simulate([layer(1024, 1024, "dual4")], rows, 16.0).bandwidth >= 0.90


@needs_rtl_device
@pytest.mark.timeout(900)
def test_memory_is_throttled_to_the_rate() -> None:
    fast, slow = (simulate([layer(256, 512)], 2, rate) for rate in (64.0, 4.0))
    assert slow.bandwidth <= 1.01
    assert slow.counters.busy_cycles > 3 * fast.counters.busy_cycles
    assert slow.counters.read_bytes == fast.counters.read_bytes


@needs_rtl_device
@pytest.mark.timeout(900)
def test_the_next_commands_operands_come_while_this_one_computes() -> None:
    """What the first command waits for at its start, the second does not wait for at all."""
    one, two = (simulate([layer(256, 512)] * count, 64) for count in (1, 2))
    assert two.counters.compute_cycles == 2 * one.counters.compute_cycles
    assert [len(plan) for plan in two.plans] == [2, 1]  # nothing of the second layer's X is waited for
    waited = two.counters.load_stall_cycles - one.counters.load_stall_cycles
    assert waited < one.counters.load_stall_cycles / 10
    alone = simulate([layer(256, 512)], 64).counters.busy_cycles
    assert two.counters.busy_cycles < 2 * alone - 0.8 * one.counters.load_stall_cycles


@needs_rtl_device
@pytest.mark.timeout(900)
def test_a_dual_block_costs_little_more_than_its_second_pass() -> None:
    """fc2 is a third of the multiplications: 16/12, and at most 1.35 with everything round it."""
    plain, dual = (simulate(block_layers("fp4", 256, is_dual), 64) for is_dual in (False, True))
    assert dual.counters.compute_cycles * 12 == plain.counters.compute_cycles * 16
    assert dual.counters.busy_cycles <= 1.35 * plain.counters.busy_cycles


@needs_rtl_device
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rows", [2, 16, 64, 65])
@pytest.mark.parametrize("activations", ["e2m1", "dual4"])
def test_estimates_are_near_what_is_counted(rows: int, activations: str) -> None:
    run = simulate([layer(512, 512, activations)], rows)
    assert run.estimated_cycles == pytest.approx(run.counters.busy_cycles, rel=0.03)


@needs_rtl_device
@pytest.mark.timeout(900)
def test_two_commands_are_faster_than_one() -> None:
    """The X of a small first block is all that is waited for; `tests/test_tiling.py` has the planner's own tests."""
    shape = layer(512, 512).shape(SMALL)
    assert len(plan_layer(64, shape, SMALL)) == 2
    run = simulate([layer(512, 512)], 64)
    best = min(layer_cycles(64, shape, SMALL, (Part(64, tiles),)) for tiles in (32, 16, 11, 8))
    assert run.counters.busy_cycles < best


def test_layers_are_the_papers() -> None:
    assert layer_shapes(1920)["fc2"] == (1920, 7680)
    layers = {item.name: item for item in block_layers("fp6", 256)}
    assert (layers["fc2"].activations, layers["fc2"].passes, layers["fc2"].group) == ("dual6", 2, 1024)
    assert not layers["fc1"].ght
    assert all(item.n <= 64 for item in block_layers("fp4", 256, most_n=64))
    assert {item.activations for item in block_layers("fp4", 256, dual=False)} == {"e2m1"}


def test_bandwidth_is_the_boards() -> None:
    assert bytes_per_cycle("kv260") == BOARDS["kv260"].bandwidth_gbps * 1e9 / (BOARDS["kv260"].clock_mhz * 1e6)
    with pytest.raises(UsageError, match="unknown board 'zybo'"):
        bytes_per_cycle("zybo")


def test_a_device_without_counters_is_refused() -> None:
    pytest.importorskip("torch")
    with open_device("golden", "fp4", "small") as device, pytest.raises(FpqvarError, match="counts no cycles"):
        run_list(device, [layer(32, 128)], 2, 64.0)


@needs_rtl_device
@pytest.mark.timeout(900)
def test_command_line(tmp_path: Path) -> None:
    words = ["perf", "--models", "fmnist", "--rows", "2,16", "--geometry", "small", "--columns", "64"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "perf.json").read_text())
    assert [item["list"] for item in report["results"][:6]] == [*layer_shapes(256), "block", "block, dual fc2"]
    assert len(report["results"]) == 12
    assert all(0 < item["utilization"] < 1 and item["bandwidth"] < 1 for item in report["results"])
    assert (tmp_path / "perf.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--board", "zybo"], "unknown board 'zybo'"),
        (["--rows", "2,x"], "positive numbers"),
        (["--rows", "0"], "positive numbers"),
        (["--models", "d17"], "unknown model 'd17'"),
        (["--formats", "fp5"], "unknown format 'fp5'"),
        (["--formats", "int8", "--geometry", "board"], "no engine of format int8"),
        (["--geometry", "tiny"], "unknown geometry 'tiny'"),
        (["--columns", "33"], "multiple of 32"),
        (["--banks", "3"], "multiples of 4"),
    ],
)
def test_command_line_refuses(words: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["perf", *words, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert not (tmp_path / "out").exists()

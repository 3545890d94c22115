# SPDX-License-Identifier: Apache-2.0
"""How a layer is cut into commands and row blocks: the fewest cycles of the model, and the same bits."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from host._generated import BOARDS, SIMULATION_GEOMETRIES, ErrorCode, Geometry
from host.command import Gemm, check, fit_row_tiles
from host.device import EngineError
from host.devices.rtl import RtlDevice
from host.layout import StreamShape
from host.runtime import EngineLinears, memory_needed
from host.tiling import (
    ACCUMULATE_CYCLES,
    MOST_PARTS,
    RING_CHUNKS,
    RING_SETS,
    Part,
    layer_cycles,
    passes,
    plan_commands,
    plan_layer,
)
from sim.runner import RTL
from sw_quant.errors import FpqvarError
from sw_quant.executor import GoldenLinears
from tests.test_runtime import packed
from tests.tools import needs_rtl_device

SMALL, LARGE = SIMULATION_GEOMETRIES["small"], SIMULATION_GEOMETRIES["large"]
GEOMETRIES = [*SIMULATION_GEOMETRIES.values(), BOARDS["kv260"].geometry["fp4"], BOARDS["pynq-z2"].geometry["fp6"]]


def every_plan(m: int, most: int, rows: int) -> Iterator[tuple[Part, ...]]:
    """All of one command, and all whose first command is one block; with blocks as equal as their number allows."""
    tiles = -(-m // rows)
    for alone in range(min(most, tiles - 1) + 1):
        first = (Part(alone * rows, alone),) if alone else ()
        heights = {-(-(tiles - alone) // count) for count in range(1, tiles - alone + 1)}
        for height in heights:
            if height <= most:
                yield *first, Part(m - alone * rows, height)


@given(
    tiles=st.integers(1, 20),
    short=st.integers(0, 1),
    n=st.integers(1, 60),
    k=st.integers(1, 288),
    group=st.integers(1, 300),
    geometry=st.sampled_from(GEOMETRIES),
    passes=st.sampled_from([1, 2]),
    follows=st.booleans(),
)
@settings(max_examples=300)
def test_no_plan_is_faster(
    tiles: int, short: int, n: int, k: int, group: int, geometry: Geometry, passes: int, follows: bool
) -> None:
    m = tiles * geometry.rows - short
    shape = StreamShape.of(32 * n, 32 * k, 32 * group, 4, geometry)
    most = fit_row_tiles(m, shape.k, shape.group, geometry)
    planned = plan_layer(m, shape, geometry, passes, follows)
    if most == 0:
        assert planned == ()
        return
    costs = [layer_cycles(m, shape, geometry, plan, passes, follows) for plan in every_plan(m, most, geometry.rows)]
    assert layer_cycles(m, shape, geometry, planned, passes, follows) == min(costs)


@given(
    m=st.integers(1, 4000),
    n=st.integers(1, 60),
    k=st.integers(1, 288),
    dual=st.booleans(),
    geometry=st.sampled_from(GEOMETRIES),
)
@settings(max_examples=100, deadline=None)
def test_every_planned_command_is_legal(m: int, n: int, k: int, dual: bool, geometry: Geometry) -> None:
    """The commands cover the rows, one after the other, and the engine takes each of them."""
    n, k, activations = 32 * n, 32 * k, "dual4" if dual else "e2m1"
    whole = Gemm(m, n, k, activations, "e2m1", 128, 1, 1 << 33, 1 << 20, 1 << 34, 2 * k, 2 * n)
    commands = plan_commands(whole, geometry)
    assert len(commands) <= MOST_PARTS
    if fit_row_tiles(m, k, 128, geometry) == 0:
        assert not commands
        return
    done = 0
    for command in commands:
        assert check(command.encode(), "fp4", geometry) == ErrorCode.OK
        assert command.x_address == whole.x_address + 2 * done * k
        assert command.y_address == whole.y_address + 2 * done * n
        assert (command.w_address, command.a_format) == (whole.w_address, activations)
        done += command.m
    assert done == m


def test_a_small_block_comes_first_where_x_is_waited_for() -> None:
    """A layer of VAR-d16 at 128 tokens: the first block is about as high as weights and multiplications balance."""
    shape = StreamShape.of(1024, 1024, 128, 4, LARGE)
    first, rest = plan_layer(128, shape, LARGE)
    stream, row_tile = sum(shape.sections) / 16, shape.chunks  # cycles of a column tile: its weights; a row tile by it
    assert first.row_tiles == first.rows // LARGE.rows
    assert first.row_tiles == pytest.approx(stream / row_tile, abs=1)
    assert rest.row_tiles > first.row_tiles
    assert len(plan_layer(2, shape, LARGE)) == 1  # nothing to cut


def test_the_model_has_the_engine_s_numbers() -> None:
    """What the planner knows of the RTL's depths and latencies is what the RTL says."""
    found = dict[str, int]()
    for name in ("fpq_bank_pkg", "fpq_weights"):
        text = (RTL / f"{name}.sv").read_text()
        for parameter, terms in re.findall(r"(?m)^  (?:localparam|parameter) int (\w+) = ([\w +]+)[;,]", text):
            if all(term in found or term.isdigit() for term in terms.split(" + ")):
                found[parameter] = sum(found[term] if term in found else int(term) for term in terms.split(" + "))
    assert found["SlotSpacing"] == ACCUMULATE_CYCLES
    short, long = re.findall(r"== 4 \? (\d+) : (\d+)", (RTL / "fpq_core_pkg.sv").read_text())[0]  # ring_depth
    assert {4: int(short), 6: int(long), 8: int(long)} == RING_CHUNKS
    assert 2 ** found["BiasWidth"] == RING_SETS


def test_a_layer_too_long_for_the_buffer_has_no_plan() -> None:
    tight = Geometry(rows=2, columns=4, lanes=32, act_depth=8, bus_bits=128)
    assert plan_layer(4, StreamShape.of(32, 1024, 128, 4, tight), tight) == ()


@needs_rtl_device
@pytest.mark.timeout(900)
def test_a_layer_of_two_commands_has_the_same_bits_and_its_name_in_errors() -> None:
    layers, rows = packed().layers, 37
    golden = GoldenLinears(layers)
    with closing(RtlDevice("fp4", SMALL, memory_needed(layers, SMALL, rows))) as device:
        engine = EngineLinears(device, layers)
        for name in ("0.fc1", "0.fc2"):
            entry = layers[name].entry
            shape = StreamShape.of(entry.n, entry.k, entry.group, entry.bits, SMALL)
            first, rest = plan_layer(rows, shape, SMALL, passes(entry.activations))
            assert first.rows + rest.rows == rows
            x = torch.randn(rows, entry.k) * 3
            expected = golden(name, x)
            assert torch.equal(engine(name, x), expected)
            # What goes wrong in the second command is the layer's too, and the call after it is right.
            bad = x.half().numpy()
            bad[rows - 1, 5] = float("inf")
            engine.start(name, bad)
            with pytest.raises(FpqvarError, match=rf"layer {name}: an input element is Inf or NaN"):
                engine.finish()
            beats = first.rows * entry.k * 2 // 16 + MOST_PARTS * 8  # of X of the first command, and descriptors
            device._recover()  # so that beats are counted from here
            device.engine.fail("x", beats + 9, 2)
            with pytest.raises(EngineError, match=rf"layer {name}, {rows} rows: .* at command 1: read error") as caught:
                engine(name, x)
            device.engine.fail("x", 0, 0)
            assert caught.value.result.error_index == 1
            assert torch.equal(engine(name, x), expected)

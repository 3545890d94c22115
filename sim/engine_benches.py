# SPDX-License-Identifier: Apache-2.0
"""The benches of what surrounds the banks: memory masters, command processor, schedule, store."""

import json
from dataclasses import asdict

from host._generated import FAMILIES, Geometry
from sim.runner import Bench

__all__ = ["ENGINE_BENCHES"]


def _burst(bus_bits: int, burst_beats: int, span_width: int) -> Bench:
    parameters = {"BusBits": bus_bits, "BurstBeats": burst_beats, "SpanWidth": span_width}
    environment = {"BUS_BITS": str(bus_bits), "BURST_BEATS": str(burst_beats), "SPAN_WIDTH": str(span_width)}
    return Bench(f"burst-{bus_bits}", "fpq_burst", "test_burst", parameters, "verilator", environment)


def _store(rows: int, columns: int, banks: int, out_width: int, bus_bits: int) -> Bench:
    parameters = {"Rows": rows, "Columns": columns, "Banks": banks, "OutWidth": out_width, "BusBits": bus_bits}
    size = {"rows": rows, "columns": columns, "banks": banks, "out_width": out_width, "bus_bytes": bus_bits // 8}
    environment = {"SIZE": json.dumps(size)}
    return Bench(f"store-{columns}x{banks}-{bus_bits}", "fpq_store", "test_store", parameters, "verilator", environment)


def _plan(family: str, geometry: Geometry) -> Bench:
    names = {"rows": "Rows", "columns": "Columns", "lanes": "Lanes", "act_depth": "ActDepth", "bus_bits": "BusBits"}
    size = asdict(geometry)
    parameters = {"Family": FAMILIES[family].id} | {names[key]: size[key] for key in names}
    environment = {"FAMILY": family, "GEOMETRY": json.dumps(size)}
    return Bench(f"plan-{family}-{geometry.lanes}", "fpq_plan", "test_plan", parameters, "verilator", environment)


def _weights(name: str, bits: int, bank: int, banks: int, columns: int, lanes: int, bus_bits: int) -> Bench:
    parameters = {"Bank": bank, "Banks": banks, "Columns": columns, "BusBits": bus_bits, "OutWidth": 4}
    size = {"bits": bits, "bank": bank, "banks": banks, "columns": columns, "lanes": lanes, "bus_bits": bus_bits}
    return Bench(
        f"weights-{name}", "fpq_weights", "test_weights", parameters | {"ChunkBits": columns * lanes * bits},
        "verilator", {"SIZE": json.dumps(size | {"out_width": 4})},
    )  # fmt: skip


def _commands(family: str, geometry: Geometry) -> Bench:
    plan = _plan(family, geometry)
    parameters = {**plan.parameters, "Banks": geometry.banks}
    return Bench(f"commands-{family}", "fpq_commands", "test_commands", parameters, "verilator", plan.environment)


def _issue(rows: int, columns: int, banks: int, slots: int, spacing: int) -> Bench:
    parameters = {"Rows": rows, "Columns": columns, "Banks": banks, "Slots": slots, "Spacing": spacing}
    environment = {"SIZE": json.dumps({name.lower(): value for name, value in parameters.items()})}
    parameters |= {"TileCredit": 12}
    return Bench(f"issue-{banks}-{slots}-{spacing}", "fpq_issue", "test_issue", parameters, "verilator", environment)


def _x_loader(rows: int, act_depth: int) -> Bench:
    size = {"rows": rows, "act_depth": act_depth}
    parameters = {"Rows": rows, "ActDepth": act_depth}
    return Bench(
        f"x-loader-{rows}", "fpq_x_loader", "test_x_loader", parameters, "verilator", {"SIZE": json.dumps(size)}
    )


def _violation(kind: str) -> Bench:
    said = "RunStable: offer withdrawn or changed"
    return Bench(
        f"caught-{kind}", "fpq_burst", "test_violation", {}, "verilator", environment={"KIND": kind}, caught=said
    )


ENGINE_BENCHES = [
    _violation("withdrawn"),
    _violation("changed"),
    _burst(64, 64, 10),
    _burst(128, 64, 24),
    _burst(512, 16, 15),
    _store(4, 8, 1, 4, 128),
    _store(2, 12, 3, 4, 64),
    _store(2, 16, 2, 16, 256),
    _store(4, 4, 4, 4, 128),
    _store(2, 4, 4, 4, 256),
    _store(2, 8, 4, 4, 128),
    _store(2, 4, 2, 4, 64),
    _plan("fp4", Geometry(rows=8, columns=16, lanes=32, act_depth=8192, bus_bits=128)),
    _plan("fp6", Geometry(rows=4, columns=4, lanes=64, act_depth=512, bus_bits=64)),
    _plan("int8", Geometry(rows=2, columns=4, lanes=128, act_depth=1024, bus_bits=512)),
    _x_loader(1, 64),
    _x_loader(4, 64),
    _x_loader(12, 256),
    _weights("fp4", 4, 1, 3, 8, 32, 128),
    _weights("fp6", 6, 0, 1, 4, 64, 256),
    _weights("int4", 4, 1, 2, 12, 32, 64),
    _commands("fp4", Geometry(rows=4, columns=8, lanes=32, act_depth=1024, bus_bits=128, banks=2)),
    _issue(2, 8, 1, 16, 4),
    _issue(4, 12, 3, 8, 1),
]

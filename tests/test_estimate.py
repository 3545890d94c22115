# SPDX-License-Identifier: Apache-2.0
"""make estimate: real modules counted and compared in lockstep, cores, boards, the report."""

import json
import os
import subprocess
from dataclasses import replace
from itertools import product as product_of
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyosys")

from host.devices.verilate import VERILATOR_ENVIRONMENT, verilator_root
from hw.estimate.boards import Fit, fits, largest
from hw.estimate.catalog import Unit
from hw.estimate.cli import app
from hw.estimate.core import Core, Geometry
from hw.estimate.depth import Depth, depth
from hw.estimate.interpret import interpretable
from hw.estimate.measure import Row
from hw.estimate.netlist import Count, Netlist
from hw.estimate.report import FLAT, write_report
from hw.estimate.stubs import stub_modules
from hw.estimate.synthesis import DEVICES, Design, digest, overridable, synthesize
from hw.estimate.verify import lockstep
from hw.spec.schema import load
from sw_quant.errors import FpqvarError
from tests.reference import FORMATS, code_units

XCUP = DEVICES["ultrascale"]
LARGE = Count(440, 450, 500, 190, 0, 2, 0, 0, 2, 1)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> tuple[Design, Path, dict[str, Any]]:
    """The FP4 product cell, really synthesized."""
    folder = tmp_path_factory.mktemp("product")
    design = Design("fpq_product_fp4")
    return design, folder, synthesize(design, XCUP, folder)


def test_a_real_module_counts_and_runs_in_lockstep(product: tuple[Design, Path, dict[str, Any]]) -> None:
    design, folder, module = product
    count = Netlist(module).count()
    assert count.sites == 8  # seven, and one for the sign, which pairs with a neighbour's in an array
    assert depth(module).levels == 2
    done = lockstep(design, XCUP, folder, module, seed=1, cycles=1000)
    assert done.toggled == done.outputs == 9


def test_a_changed_netlist_is_caught(product: tuple[Design, Path, dict[str, Any]]) -> None:
    design, folder, module = product
    mutant = json.loads(json.dumps(module))
    cell = next(cell for cell in mutant["cells"].values() if cell["type"] == "LUT6_2")
    init = cell["parameters"]["INIT"]
    # One entry of the upper table; I5 is tied to 1, so that it counts.
    cell["parameters"]["INIT"] = init[:5] + ("1" if init[5] == "0" else "0") + init[6:]
    with pytest.raises(FpqvarError, match="the netlist differs from the RTL"):
        lockstep(design, XCUP, folder, mutant, seed=1, cycles=3000)


def test_memory_runs_in_lockstep_too(tmp_path: Path) -> None:
    design = Design("fpq_lutram", {"Width": 2, "Depth": 32}).on(XCUP)  # not interpreted: compiled with Verilator
    module = synthesize(design, XCUP, tmp_path)
    assert not interpretable(module)
    assert Netlist(module).count().ram_sites == 8
    assert lockstep(design, XCUP, tmp_path, module, seed=1, cycles=1000).toggled == 4
    cell = next(cell for cell in module["cells"].values() if cell["type"] == "RAM32M16")
    cell["connections"]["ADDRA"][0] = "0"
    with pytest.raises(FpqvarError, match="the netlist differs from the RTL"):
        lockstep(design, XCUP, tmp_path, module, seed=1, cycles=1000)


def test_what_cannot_be_synthesized_says_so(tmp_path: Path) -> None:
    bad = tmp_path / "peer_bad.sv"
    bad.write_text("module peer_bad (input logic a_i, output logic b_o);\n  assign b_o = missing;\nendmodule\n")
    with pytest.raises(FpqvarError, match=r"Yosys failed on peer_bad.*yosys\.log"):
        synthesize(Design("peer_bad", sources=(bad,)), XCUP, tmp_path / "work")


def test_the_digest_tells_sources_parameters_and_devices_apart() -> None:
    one = digest(Design("fpq_dot_fp4", {"Lanes": 32}), XCUP)
    assert one == digest(Design("fpq_dot_fp4", {"Lanes": 32}), XCUP)
    assert len({one, digest(Design("fpq_dot_fp4"), XCUP), digest(Design("fpq_dot_fp4"), DEVICES["series7"])}) == 3
    assert "SumBits" not in overridable("fpq_dot_fp4")  # a localparam


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "fp5"], "choose fp4"),
        (["--param", "Lanes=32"], "needs --module"),
        (["--module", "fpq_dot_fp4", "--param", "Lane=32"], "it has: Target, Lanes"),
        (["--module", "fpq_dot_fp4", "--param", "Lanes"], "write NAME=NUMBER"),
        (["--module", "fpq_nothing"], "no file fpq_nothing.sv"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], message: str) -> None:
    with pytest.raises(FpqvarError, match=message):
        app(arguments, standalone_mode=False)


def test_a_core_by_parts_adds_up() -> None:
    row = Row(
        Unit("fpq_dot_fp4", Design("fpq_dot_fp4", {"Lanes": 32}), "part", "fp4", 32),
        "",
        LARGE,
        Depth(2, 1),
        "",
        1.0,
        0.0,
        True,
    )
    other = replace(row, unit=Unit("fpq_store", Design("fpq_store"), "part"), depth=Depth(4, 2))
    found = Core("fp4", Geometry(2, 4, 32), "", [(8, row), (1, other)])
    assert (found.sites, found.per_mac) == (9 * 440, 9 * 440 / 256)
    assert (found.depth.levels, found.depth.chains) == (4, 2)
    parts = found.categories(multiplier_sites=7.5)
    assert parts == {"multiplier": 8 * 32 * 7.5, "tree": 8 * (440 - 240), "scale and accumulate": 0, "control": 440}


def test_the_largest_geometry_keeps_every_limit() -> None:
    dot = Unit("fpq_dot_fp4", Design("fpq_dot_fp4", {"Lanes": 32}), "part", "fp4", 32)
    rest = Unit("fpq_store", Design("fpq_store"), "part")

    def of(rows: int, columns: int) -> Core:
        parts = [(rows * columns, Row(dot, "", LARGE, Depth(2, 1), "", 1.0, 0.0, True))]
        parts.append(
            (1, Row(rest, "", replace(LARGE, sites=5000 + 20 * rows * columns), Depth(2, 1), "", 1.0, 0.0, True))
        )
        return Core("fp4", Geometry(rows, columns, 32), "", parts)

    board = load().boards.boards["kv260"]
    found, luts, limit = largest(board, of(8, 16), Geometry(8, 16, 32), [of(2, 4), of(8, 16)])
    assert found is not None
    assert luts == pytest.approx(5000 + 460 * found.rows * found.columns)
    assert luts <= 0.7 * board.luts < 5000 + 460 * (found.rows * found.columns + 8)
    assert limit == "LUT"
    fit = next(one for one in fits("fp4", {}, {"ultrascale": [of(2, 4), of(8, 16)]}) if one.board == "zcu104")
    assert fit.spec_luts == pytest.approx((5000 + 460 * 256) / load().boards.boards["zcu104"].luts)
    assert fit.note == "through 8x16x32"
    assert (
        largest(board.model_copy(update={"luts": 5000}), of(8, 16), Geometry(8, 16, 32), [of(2, 4), of(8, 16)])[0]
        is None
    )


def test_the_report_has_what_others_read(tmp_path: Path) -> None:
    unit = Unit("FP4, LUT stream", Design("fpq_dot_fp4", {"Lanes": 32}), "dot", "fp4", 32)
    row = Row(unit, XCUP.name, LARGE, Depth(2, 1, "a", "b"), "lockstep, 10 cycles", 1.0, 0.1, False)
    found = Core("fp4", FLAT, XCUP.name, [(8, replace(row, unit=replace(unit, group="part of the core")))])
    fit = Fit("kv260", "fp4", FLAT, 0.5, 0.1, 0.2, 0.0, FLAT, 0.69, "LUT", "")
    paths = write_report(tmp_path, [row], [found], [fit], None, None)
    data = json.loads(paths[0].read_text(encoding="utf-8"))
    assert data["lut_per_mac"] == {"fp4": {"dot": 440 / 32, "core": 8 * 440 / 256, "core_geometry": "2x4x32"}}
    assert data["boards"]["kv260/fp4"]["geometry"]["rows"] == FLAT.rows
    assert data["tools"]["pyosys"]
    assert data["rows"][0]["verified"] == "lockstep, 10 cycles"
    assert set(data["cores"][0]["lut_per_mac_by_part"]) == {"multiplier", "tree", "scale and accumulate", "control"}
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def evaluate(module: dict[str, Any], inputs: dict[str, int]) -> int:
    """The first output of a combinational netlist, cell by cell until nothing is unknown."""
    known: dict[Any, int] = {"0": 0, "1": 1, "x": 0}
    for port, value in inputs.items():
        known |= {bit: value >> i & 1 for i, bit in enumerate(module["ports"][port]["bits"])}
    waiting = list(module["cells"].values())
    while waiting:
        later = []
        for cell in waiting:
            pins, kind = cell["connections"], cell["type"]
            if kind.startswith("CARRY"):
                carry = known.get(pins["CI"][0], 0) | known.get(pins.get("CYINIT", ["0"])[0], 0)
                for i, (select, data) in enumerate(zip(pins["S"], pins["DI"], strict=True)):
                    if select not in known or data not in known or any(b not in known for b in pins["CI"]):
                        later.append(cell)
                        break
                    known[pins["O"][i]] = known[select] ^ carry
                    carry = carry if known[select] else known[data]
                    known[pins["CO"][i]] = carry
                continue
            names = ["I"] if kind == "INV" else ["I0", "I1", "S"] if kind.startswith("MUX") else sorted(pins)[:-1]
            if any(pins[name][0] not in known for name in names):
                later.append(cell)
                continue
            values = [known[pins[name][0]] for name in names]
            if kind == "INV":
                known[pins["O"][0]] = 1 - values[0]
            elif kind.startswith("MUX"):
                known[pins["O"][0]] = values[values[2]]
            else:
                table = cell["parameters"]["INIT"]
                known[pins["O"][0]] = int(table[-1 - sum(value << i for i, value in enumerate(values))])
        assert len(later) < len(waiting), "the netlist has a loop"
        waiting = later
    output = next(port for port in module["ports"].values() if port["direction"] == "output")
    value = sum(known[bit] << i for i, bit in enumerate(output["bits"]))
    return value - (1 << len(output["bits"])) * (value >> len(output["bits"]) - 1)


@pytest.mark.parametrize(("bits", "exponent", "format"), [(4, 2, "e2m1"), (4, 0, "int4"), (6, 2, "e2m3")])
def test_the_peers_multiply_right(bits: int, exponent: int, format: str, tmp_path: Path) -> None:
    module = synthesize(Design("peer_multiply", {"Bits": bits, "ExponentBits": exponent}), XCUP, tmp_path)
    codes = range(0, 1 << bits, 1 if bits == 4 else 3)  # the fp6 peer by thirds: the evaluation is slow
    units = [code_units(code, FORMATS[format]) for code in range(1 << bits)]
    for a, w in product_of(codes, codes):
        assert evaluate(module, {"a_i": a, "w_i": w}) == units[a] * units[w], f"{a} * {w}"


def test_a_stub_may_be_wider_than_verilator_unrolls(tmp_path: Path) -> None:
    """A VCK190's array gives 16,896 bits; a loop of more than 16,384 turns is refused."""
    ports = {"clk_i": [2], "valid_i": [3], "sums_o": list(range(4, 4 + 16896))}
    ways = {name: "output" if name == "sums_o" else "input" for name in ports}
    cell = {"type": "fpq_array", "port_directions": ways, "connections": ports}
    source = tmp_path / "stubs.sv"
    source.write_text(stub_modules(["fpq_array"], {"cells": {"u_array": cell}}, ()), encoding="utf-8")
    command = [str(verilator_root() / "bin" / "verilator"), "--lint-only", "-Wno-fatal", str(source)]
    environment = {**os.environ, **VERILATOR_ENVIRONMENT}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-500:]

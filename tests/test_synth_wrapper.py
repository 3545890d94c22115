# SPDX-License-Identifier: Apache-2.0
"""The RTL core as Vivado gets it: every build elaborates and passes the engine's bench; interfaces, macros and register
names are the spec's.
"""

import importlib.util
import os
import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from host._generated import BOARDS, Core
from hw.synth.config import ROOT, Job, make_job
from hw.synth.sources import RTL, lay_out
from hw.synth.wrapper import TOP, interfaces, verilog
from sw_quant.errors import FpqvarError, UsageError
from tests.tools import needs_verilator

BUILDS = [(board, family) for board, entry in BOARDS.items() for family in entry.geometry]
ACCEL = (RTL / "fpq_accel.sv").read_text()
# Complaints of style, which the modules' own lint judges.
HARMLESS = (
    "UNUSEDSIGNAL", "UNUSEDPARAM", "PINCONNECTEMPTY", "DECLFILENAME", "VARHIDDEN", "GENUNNAMED", "SYMRSVDWORD"
)  # fmt: skip


def elaborate(job: Job, folder: Path) -> None:
    """As staged for Vivado, with the device's primitives; a complaint about ports, widths or parameters fails."""
    from host.devices.verilate import verilator_root

    sources = lay_out(job, folder)
    command = [str(verilator_root() / "bin" / "verilator"), "--lint-only", "-Wall", "--top-module", TOP]
    command += [f"-Wno-{name}" for name in HARMLESS]
    command += [f"-I{folder}", "-y", str(ROOT / "sim" / "models")]
    done = subprocess.run([*command, *map(str, sources.modules)], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]


@needs_verilator
@pytest.mark.parametrize(("board", "banks"), [("pynq-z2", 1), ("kv260", 2), ("vck190", 2)])
def test_every_device_elaborates(tmp_path: Path, board: str, banks: int) -> None:
    """One board of each family, as wide as it is, but with few rows and columns."""
    job = make_job(board, "fp4", "rtl")
    elaborate(replace(job, geometry=replace(job.geometry, rows=2, columns=4, act_depth=512, banks=banks)), tmp_path)


@needs_verilator
@pytest.mark.timeout(900)
@pytest.mark.skipif(importlib.util.find_spec("cocotb") is None, reason="the cocotb package is not installed")
def test_the_wrapper_passes_the_bench_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """sim/tests/test_accel.py, by cocotb, on the wrapper with two banks; `make sim` has it as accel-top-fp4."""
    from sim.benches import BENCHES
    from sim.runner import prepare_environment, run

    for name in ("PATH", "MAKEFLAGS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # restored afterwards
    bench = next(bench for bench in BENCHES if bench.top == TOP)
    prepare_environment([bench])
    seed = int(time.time())
    outcome = run(bench, seed)
    assert outcome.passed, f"seed {seed}: {outcome.tests}; see {outcome.log}"
    assert len(outcome.tests) >= 5


@needs_verilator
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("board", "family"), BUILDS)
def test_every_build_elaborates(tmp_path: Path, board: str, family: str) -> None:
    elaborate(make_job(board, family, "rtl"), tmp_path)


@pytest.mark.parametrize("banks", [1, 3, 4])
def test_ports_are_those_of_the_engine(banks: int) -> None:
    """Every port of fpq_accel is connected, and the wrapper's own ports are the ones of the banks in use."""
    job = make_job("vck190", "fp4", "rtl")
    job = replace(job, geometry=replace(job.geometry, banks=banks))
    text = verilog(job)
    engine = set(re.findall(r"^  (?:input|output) +logic +(?:\[[^\]]*\] +)?(\w+)[,\n]", ACCEL, re.M))
    assert len(engine) > 100
    assert set(re.findall(r"^    \.([a-z]\w*)\(", text, re.M)) == engine
    own = set(re.findall(r"^  (?:input |output) wire +(?:\[[^\]]*\] )?(\w+)", text, re.M))
    silent = {name for name in engine if (found := re.match(r"m_axi_w(\d)", name)) and int(found[1]) >= banks}
    assert own == engine - silent
    assert set(interfaces(job)) == {"s_axi_control", "m_axi_x", "m_axi_y", *(f"m_axi_w{i}" for i in range(banks))}
    for name in own:
        if "axi" in name:
            interface, _, signal = name.rpartition("_")
            assert f'"xilinx.com:interface:aximm:1.0 {interface} {signal.upper()}"' in text
    buses = re.search(r"ASSOCIATED_BUSIF (\S+),", text)
    assert buses is not None
    assert set(buses[1].split(":")) == set(interfaces(job))


def test_parameters_are_those_of_the_engine() -> None:
    declared = set(re.findall(r"^  parameter int (\w+)", ACCEL, re.M))
    for board, family in BUILDS:
        job = make_job(board, family, "rtl")
        assert set(job.parameters) <= declared
        assert job.parameters["BusBits"] == job.bus_bits["m_axi_x"] == job.geometry.bus_bits
        slices = {"dsp": job.geometry.banks, "both": job.geometry.banks // 2, "lut": 0}[job.board.fp6_dot]
        assert job.parameters["Fp6Dsp"] == (slices if family == "fp6" else 0)


@pytest.mark.parametrize(("board", "macro"), [("pynq-z2", "FPQ_SERIES7"), ("zcu102", "FPQ_ULTRASCALE"), ("vck190", "")])
def test_the_device_chooses_the_primitives(tmp_path: Path, board: str, macro: str) -> None:
    """The macro is defined in front of the one file that asks for it; all else is copied as it is."""
    sources = lay_out(make_job(board, "fp4", "rtl"), tmp_path)
    asking = [path.name for path in RTL.glob("*.sv*") if "FPQ_ULTRASCALE" in path.read_text()]
    assert asking == ["fpq_bank_pkg.sv"]
    for path in (*sources.modules, *sources.headers):
        if path.name == f"{TOP}.v":
            continue
        original = (RTL / path.name).read_text()
        lead = f"`define {macro}\n" if macro and path.name in asking else ""
        assert path.read_text() == lead + original
    assert next(path.name for path in sources.modules) == "fpq_pkg.sv"
    assert {path.name for path in (*sources.modules, *sources.headers)} == {
        f"{TOP}.v",
        *(path.name for path in RTL.glob("*.sv*")),
    }


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("kv261", "fp4", "rtl"), "BOARD 'kv261' is not known; there are .*kv260"),
        (("kv260", "int8", "rtl"), "kv260 has no geometry for it"),
        (("kv260", "fp4", "vhdl"), "CORE 'vhdl' is not known; there are hls, rtl"),
        (("kv260", "fp4", "rtl", 2000.0), "CLOCK 2000"),
    ],
)
def test_wrong_names_are_refused(names: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        make_job(*names)  # type: ignore[arg-type]


def test_the_hls_core_has_no_wrapper() -> None:
    job = make_job("kv260", "fp4", "hls")
    assert job.core is Core.HLS
    with pytest.raises(FpqvarError, match="Vitis HLS writes"):
        verilog(job)

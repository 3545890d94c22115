# SPDX-License-Identifier: Apache-2.0
"""The HLS core as Vitis HLS gets it: run.tcl is executed, hls_config.cfg says the same, and the bench that they name is
compiled by g++ with their very flags, for the boards' own geometries.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host._generated import BOARDS, IP_VLNV, Core
from hw.synth import hls
from hw.synth.config import ROOT, Job, make_job
from hw.synth.tcl import Layout
from tests.vivado import words

TCL = Path(__file__).parent / "tcl"
GENERATED = (ROOT / "hw/hls/include/fpq/generated.hpp").read_text()
BUILDS = [(board, family) for board, entry in BOARDS.items() for family in entry.geometry]
QUICK = {("pynq-z2", "fp6"), ("vck190", "fp4")}  # the smallest, and the one with more columns than a shape has


def run(job: Job, folder: Path, step: str) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Execute run.tcl as `vitis_hls -f` does; what it said, and its calls."""
    layout = Layout(folder)
    hls.write_job(job, layout)
    calls = folder / f"{step}.calls"
    command = [sys.executable, str(TCL / "shell.py"), str(TCL / "hls.tcl"), str(hls.SCRIPT), "--"]
    command += [str(folder / "hls_job.tcl"), step]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"FPQ_CALLS": str(calls)}
    )
    return done, [json.loads(line) for line in calls.read_text().splitlines()]


@pytest.mark.parametrize(("board", "family"), BUILDS)
@pytest.mark.parametrize("step", hls.STEPS)
def test_script(tmp_path: Path, board: str, family: str, step: str) -> None:
    job = make_job(board, family, "hls")
    done, calls = run(job, tmp_path, step)
    assert done.returncode == 0, done.stdout + done.stderr
    by_name = {name: rest for name, *rest in calls}
    assert by_name["set_part"] == [BOARDS[board].part]
    assert by_name["set_top"] == ["fpq_accel"]
    assert float(by_name["create_clock"][1]) == pytest.approx(1000 / BOARDS[board].clock_mhz, abs=1e-3)
    assert [name for name, *_ in calls if name.endswith("_design")] == {
        "csim": ["csim_design"],
        "csynth": ["csynth_design", "export_design"],
        "cosim": ["csynth_design", "cosim_design"],
    }[step]
    if step == "csynth":
        given = by_name["export_design"]
        option = dict(zip(given[::2], given[1::2], strict=True))
        names = [option[f"-{name}"] for name in ("vendor", "library", "ipname", "version")]
        assert ":".join(names) == IP_VLNV[Core.HLS]
        assert option["-format"] == "ip_catalog"
    added = [rest for name, *rest in calls if name == "add_files"]
    assert len(added) == 2
    for rest in added:
        structs = re.findall(r"-DFPQ_(?:FAMILY|GEOMETRY)=(\w+)", rest[-1])
        assert len(structs) == 2
        assert all(f"struct {struct} {{" in GENERATED for struct in structs)


def test_an_unknown_step(tmp_path: Path) -> None:
    done, _ = run(make_job("kv260", "fp4", "hls"), tmp_path, "cosimulate")
    assert done.returncode != 0
    assert "step cosimulate: one of csim, csynth, cosim" in done.stdout + done.stderr


@pytest.mark.parametrize(("board", "family"), BUILDS)
def test_both_generations_are_told_the_same(tmp_path: Path, board: str, family: str) -> None:
    job = make_job(board, family, "hls", 123.0)
    _, calls = run(job, tmp_path, "csynth")
    text = (tmp_path / "hls_config.cfg").read_text()
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    config = {key: [value for name, _, value in lines if name == key] for key, _, _ in lines}
    by_name = {name: rest for name, *rest in calls}
    (source, _, flags), (_, bench, _, bench_flags) = [rest for name, *rest in calls if name == "add_files"]
    assert config["syn.file"] == [source]
    assert config["syn.cflags"] == [flags]
    assert config["tb.file"] == words(bench)
    assert config["tb.cflags"] == [bench_flags]
    assert config["part"] == by_name["set_part"]
    assert config["clock"] == [f"{by_name['create_clock'][1]}ns"]
    assert config["syn.top"] == by_name["set_top"]
    vlnv = [config[f"package.ip.{name}"][0] for name in ("vendor", "library", "name", "version")]
    assert ":".join(vlnv) == job.vlnv


def test_masters_are_the_ports_of_the_top_function() -> None:
    """The block design connects what Vitis HLS makes of the pragmas: m_axi_<bundle>, in the widths that they allow."""
    text = (ROOT / "hw/hls/src/fpq_accel.cpp").read_text()
    ports = dict(re.findall(r"FPQ_MEMORY_PORT\((\w+), ([\w:]+)\)", text))
    job = make_job("kv260", "fp4", "hls")
    widths = {
        name: job.geometry.bus_bits if bits == "AccelBuild::kBusBits" else int(bits) for name, bits in ports.items()
    }
    assert {f"m_axi_{name}": bits for name, bits in widths.items()} == job.bus_bits


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(
    ("board", "family"),
    [pytest.param(*build, marks=() if build in QUICK else pytest.mark.slow) for build in BUILDS],
)
def test_the_bench_passes_on_the_boards_geometry(tmp_path: Path, board: str, family: str) -> None:
    """What `make hls-csim` runs, without the tool."""
    job = make_job(board, family, "hls")
    program = tmp_path / "bench"
    command = ["g++", "-O1", *hls.bench_flags(job).split(), str(hls.SOURCE), *map(str, hls.BENCH), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]
    done = subprocess.run([str(program), "7"], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout
    assert "all equal" in done.stdout

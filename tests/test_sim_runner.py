# SPDX-License-Identifier: Apache-2.0
"""`python -m sim`: a bench that hangs is killed with its children, and has failed with a sentence."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sim.benches import BENCHES
from sim.runner import BUILD, Bench, modules, prepare_environment, run

needs_icarus = pytest.mark.skipif(
    importlib.util.find_spec("cocotb_tools") is None or shutil.which("iverilog") is None,
    reason="needs cocotb and Icarus Verilog",
)


def runs(pid: int) -> bool:
    """Whether a process is alive; a zombie that nobody has asked for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether it ends within a second."""
    end = time.monotonic() + 1
    while runs(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not runs(pid)


@needs_icarus
def test_a_bench_without_end_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    bench = Bench("self-endless", "fpq_credit", "endless", environment={"PIDS": str(pids)})
    prepare_environment([bench])
    started = time.monotonic()
    outcome = run(bench, 1, timeout=20)
    assert time.monotonic() - started < 40
    assert not outcome.passed
    assert list(outcome.tests) == ["time"]
    assert str(outcome.tests["time"]).endswith("was not done after 20 s, and was killed")
    simulator, child = (int(word) for word in pids.read_text().split())
    assert os.getpid() not in (simulator, child)
    assert gone(simulator)
    assert gone(child)


@needs_icarus
def test_a_build_without_end_is_killed() -> None:
    bench = Bench("self-build", "fpq_credit", "endless")
    outcome = run(bench, 1, timeout=0)
    assert not outcome.passed
    assert list(outcome.tests) == ["build"]
    assert outcome.log == BUILD / "self-build" / "build.log"


@needs_icarus
def test_the_command_line_tells_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim", "--only", "align", "--timeout", "0.01"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "align: FAILED" in done.stdout
    assert "was not done after 0.01 s, and was killed" in done.stdout
    assert "0 of 1 benches passed" in done.stdout


def test_what_asserts_runs_where_assertions_do() -> None:
    """Icarus knows no concurrent assertions: no module with one may be tested there alone."""
    for bench in BENCHES:
        if bench.simulator == "icarus":
            asserting = [path.name for path in modules(bench.top) if "`FPQ_ASSERT" in path.read_text()]
            assert not asserting, f"bench {bench.name} runs on Icarus, which skips the assertions of {asserting}"


@needs_icarus
def test_waveforms_of_both_simulators() -> None:
    """Also without a liblz4 in the system, which Verilator's writer asks for; and after a build without waveforms."""
    wanted = [next(bench for bench in BENCHES if bench.name == name) for name in ("burst-64", "hadamard-4")]
    prepare_environment(wanted)
    for bench in (replace(one, name=f"self-waves-{one.name}") for one in wanted):
        assert run(bench, 1).passed
        assert run(bench, 1, waves=True).passed
        (written,) = (BUILD / bench.name).glob("*.fst")
        assert written.stat().st_size > 1000

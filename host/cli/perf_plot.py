# SPDX-License-Identifier: Apache-2.0
"""The picture of `fpqvar perf`."""

from pathlib import Path
from typing import Any

from sw_quant.files import new_file

__all__ = ["draw_perf"]


def draw_perf(results: list[dict[str, Any]], path: Path, good_utilization: float, good_bandwidth: float) -> None:
    """Two rows of bars over M, a group for each layer and block: multiplying, and memory. Needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = list(dict.fromkeys((item["model"], item["family"]) for item in results))
    size = (1.5 + 4.5 * len(panels), 6.5)
    figure, axes = plt.subplots(2, len(panels), figsize=size, squeeze=False, sharey="row", layout="constrained")
    rows = list(dict.fromkeys(item["rows"] for item in results))
    kinds = list(dict.fromkeys(item["list"] for item in results))
    measures = (
        ("utilization", "of the cycles multiplying", good_utilization),
        (
            "weight_bandwidth",
            "bandwidth used, of memory and W ports",
            good_bandwidth,
        ),
    )
    for column, panel in enumerate(panels):
        found = {(item["list"], item["rows"]): item for item in results if (item["model"], item["family"]) == panel}
        for line, (measure, label, goal) in enumerate(measures):
            axis = axes[line][column]
            for index, kind in enumerate(kinds):
                heights = [100 * found[kind, m][measure] if (kind, m) in found else 0 for m in rows]
                places = [place + 0.8 * (index / len(kinds) - 0.5) for place in range(len(rows))]
                axis.bar(places, heights, width=0.75 / len(kinds), label=kind, align="edge")
            axis.axhline(100 * goal, color="black", linewidth=0.8, linestyle="--")
            axis.set_xticks(range(len(rows)), [str(m) for m in rows])
            axis.set_ylim(0, 105)
            axis.set_title(f"{panel[0]}, {panel[1]}", fontsize=9)
            axis.set_xlabel("M (tokens)", fontsize=8)
            if column == 0:
                axis.set_ylabel(f"% {label}", fontsize=8)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(kinds), fontsize=7)
    with new_file(path) as aside:
        figure.savefig(aside, dpi=120, format="png")
    plt.close(figure)

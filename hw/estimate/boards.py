# SPDX-License-Identifier: Apache-2.0
"""What fits a board: the spec's geometry counted by its parts, and the largest that stays under 70 % of the LUTs.

The largest geometry is an estimate: dot units and recoding are counted exactly; what else the core needs is taken to
grow as `fixed + slope * rows * columns`, through the cores that were counted for the device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hw.spec.schema import Board, load
from hw.synth.config import make_job

from .core import Core, Geometry

__all__ = ["SHARE", "Fit", "fits", "spec_geometry"]

SHARE = 0.70  # of the LUTs; the other resources may be used up
DEVICE_OF = {"zynq7": "series7", "zynqmp": "ultrascale", "versal": "ultrascale"}


@dataclass(frozen=True)
class Fit:
    """A board: how much of it the spec's geometry takes, and the largest geometry that is estimated to fit."""

    board: str
    family: str
    spec: Geometry
    spec_luts: float  # share of the board's
    spec_dsps: float
    spec_bram: float
    spec_uram: float
    largest: Geometry | None
    largest_luts: float
    limit: str  # what stops a larger one
    note: str


def spec_geometry(board: str, family: str) -> Geometry:
    """The geometry that a board's engine is built with."""
    names = ("Rows", "Columns", "Lanes", "ActDepth", "BusBits", "Banks", "Ultra", "Fp6Dsp")
    parameters = make_job(board, family, "rtl").parameters
    return Geometry(*(parameters[name] for name in names))


def _array(core: Core, geometry: Geometry) -> float:
    """LUT sites of the dot units and the recoding of a geometry with the core's lanes."""
    old = core.geometry
    cells = core.of_module("fpq_dot_fp4", "fpq_dot_fp4_dsp", "fpq_dot_fp6", "fpq_dot_fp6_dsp", "peer_dot") / (
        old.rows * old.columns * old.banks
    )
    a = core.of_module("fpq_recode_a_fp4", "fpq_recode_a_e2m1", "fpq_operands") / old.rows  # once for all banks
    w = core.of_module("fpq_recode_w_fp4", "fpq_recode_w_e2m1") / (old.columns * old.banks)
    return a * geometry.rows + geometry.banks * geometry.columns * (cells * geometry.rows + w)


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope through points by least squares; a single point is taken to be all slope beyond half."""
    if len({x for x, _ in points}) < 2:
        x, y = points[0]
        return y / 2, y / 2 / x
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return mean_y - slope * mean_x, slope


def memory(core: Core, geometry: Geometry, kind: str) -> float:
    """BRAM36s or UltraRAMs: the activation buffer grows with rows and depth, the weights' ring with columns."""
    old, total, rows, columns = core.geometry, 0.0, 0.0, 0.0
    for number, row in core.parts:
        blocks = number * (row.count.bram / 2 if kind == "bram36" else row.count.uram)
        if row.unit.design.top == "fpq_act_buffer":
            rows += blocks
        elif row.unit.design.top == "fpq_weights":
            columns += blocks
        else:
            total += blocks
    return (
        total
        + rows * geometry.rows * geometry.act_depth / (old.rows * old.act_depth)
        + columns * geometry.columns * geometry.banks / (old.columns * old.banks)
    )


def largest(board: Board, core: Core, wanted: Geometry, measured: Sequence[Core]) -> tuple[Geometry | None, float, str]:
    """The geometry with most multiply-accumulates that fits (as `wanted` otherwise), its LUTs, what stops the next."""
    best: tuple[int, int, Geometry, float] | None = None
    blocked: dict[int, set[str]] = {}
    for rows in (2, 4, 8, 16, 32):
        for columns in range(4, 129, 4):
            one = replace(wanted, rows=rows, columns=columns)
            luts = luts_of(core, one, measured)
            limits = {
                "LUT": luts > SHARE * board.luts,
                "DSP": core.total("dsp") * outputs(one) / outputs(core.geometry) > board.dsps,
                "BRAM": memory(core, one, "bram36") > board.bram36,
                "URAM": memory(core, one, "uram") > board.uram,
            }
            if any(limits.values()):
                blocked.setdefault(one.macs, set()).update(name for name, over in limits.items() if over)
            else:
                rank = (one.macs, -abs(rows - columns), one, luts)
                best = rank if best is None or rank[:2] > best[:2] else best
    if best is None:
        return None, 0.0, "LUT"
    above = min((macs for macs in blocked if macs > best[0]), default=0)
    return best[2], best[3], "/".join(sorted(blocked.get(above, {"LUT"})))


def fits(family: str, cores: Mapping[str, Core], measured: Mapping[str, Sequence[Core]]) -> list[Fit]:
    """The boards of the spec. cores: by board, at the spec's geometry; measured: all cores of a device and family.

    A board whose own geometry was not counted is estimated through the largest core of its device.
    """
    result = []
    for name, board in load().boards.boards.items():
        device, wanted = DEVICE_OF[board.device], spec_geometry(name, family)
        known = [one for one in measured.get(device, []) if one.geometry.lanes == wanted.lanes]
        if not known:
            continue
        own = cores.get(name)
        core = own or max(known, key=lambda one: one.geometry.macs)
        best, luts, limit = largest(board, core, wanted, known)
        notes = [] if own else [f"through {core.geometry}"]
        notes += ["as UltraScale+: Versal's LUTs and carry differ"] if board.device == "versal" else []
        share = outputs(wanted) / outputs(core.geometry)
        result.append(
            Fit(
                name,
                family,
                wanted,
                (core.sites if own else luts_of(core, wanted, known)) / board.luts,
                core.total("dsp") * share / board.dsps,
                memory(core, wanted, "bram36") / board.bram36,
                memory(core, wanted, "uram") / board.uram if board.uram else 0.0,
                best,
                luts / board.luts,
                limit,
                "; ".join(notes),
            )
        )
    return result


def outputs(geometry: Geometry) -> int:
    """Results that an array works on at a time."""
    return geometry.rows * geometry.columns * geometry.banks


def luts_of(core: Core, geometry: Geometry, measured: Sequence[Core]) -> float:
    """LUT sites of a core of another geometry: see the module's first lines."""
    fixed, slope = _line([(float(outputs(one.geometry)), one.sites - _array(one, one.geometry)) for one in measured])
    return _array(core, geometry) + fixed + slope * outputs(geometry)

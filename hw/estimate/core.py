# SPDX-License-Identifier: Apache-2.0
"""The whole core counted by its parts: each is synthesized once, with the parts inside it left out, and multiplied.

A flat synthesis of a core of thousands of multiply-accumulates takes hours; the parts take minutes and serve every
geometry. What is lost is what Yosys could have simplified across the parts' borders: the report sets a small core
beside its flat synthesis.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .catalog import CORE_CUTS, FAMILIES, Unit, substitute
from .depth import Depth
from .measure import Row, measure, parts_of
from .netlist import Count
from .synthesis import Design, Device, children

__all__ = ["Core", "Geometry", "core", "flat"]

CATEGORIES = ("multiplier", "tree", "scale and accumulate", "control")
# Which part of the core belongs where; what is not named here is control: buffers, loaders, prologue, schedule, AXI.
OF_CATEGORY = {
    "fpq_float_unit": "scale and accumulate",
    "fpq_bank_scales": "scale and accumulate",
    "fpq_drain": "scale and accumulate",
    "fpq_bank": "scale and accumulate",
}
IN_SLICES = {"fpq_dot_fp6_dsp"}  # its products are in DSP slices


@dataclass(frozen=True)
class Geometry:
    """Of a build; fields as in the contract. ultra: 1 where the activation buffer is UltraRAM.

    fp6_dsp: banks where FP6 is multiplied in DSP slices, not in LUTs; None leaves it to the device.
    """

    rows: int
    columns: int
    lanes: int
    act_depth: int = 1024
    bus_bits: int = 128
    banks: int = 1
    ultra: int = 0
    fp6_dsp: int | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates a cycle."""
        return self.rows * self.columns * self.lanes * self.banks

    @property
    def parameters(self) -> dict[str, int]:
        """Of fpq_accel."""
        names = {"rows": "Rows", "columns": "Columns", "lanes": "Lanes", "act_depth": "ActDepth"}
        names |= {"bus_bits": "BusBits", "banks": "Banks", "ultra": "Ultra"}
        result: dict[str, int] = {parameter: getattr(self, name) for name, parameter in names.items()}
        return result if self.fp6_dsp is None else result | {"Fp6Dsp": self.fp6_dsp}

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.lanes}" + (f"x{self.banks}" if self.banks > 1 else "")


@dataclass
class Core:
    """Parts with their numbers; totals."""

    family: str
    geometry: Geometry
    device: str
    parts: list[tuple[int, Row]] = field(default_factory=list)

    def total(self, name: str) -> int:
        """Sum of a field of Count over the parts."""
        return sum(number * int(getattr(row.count, name)) for number, row in self.parts)

    @property
    def sites(self) -> int:
        """LUT sites, packed."""
        return self.total("sites")

    @property
    def per_mac(self) -> float:
        """LUT sites per multiply-accumulate."""
        return self.sites / self.geometry.macs

    @property
    def depth(self) -> Depth:
        """The deepest part's; ways across borders of parts are not followed, and most borders have registers."""
        deepest = max((row.depth for _, row in self.parts), key=lambda d: (d.levels, d.chains))
        return replace(deepest, chains=max(row.depth.chains for _, row in self.parts))

    def of_module(self, *modules: str) -> int:
        """LUT sites of all parts of these modules."""
        return sum(number * row.count.sites for number, row in self.parts if row.unit.design.top in modules)

    def categories(self, multiplier_sites: float) -> dict[str, float]:
        """LUT sites by part of the work; `multiplier_sites` is those of a single product in its array."""
        result = dict.fromkeys(CATEGORIES, 0.0)
        for number, row in self.parts:
            top, sites = row.unit.design.top, number * row.count.sites
            if "recode" in top or top == "fpq_operands":
                result["multiplier"] += sites
            elif "_dot" in top:
                products = 0.0 if top in IN_SLICES else number * row.unit.macs * multiplier_sites
                result["multiplier"] += products
                result["tree"] += sites - products
            else:
                result[OF_CATEGORY.get(top, "control")] += sites
        return result


def _instances(design: Design, folder: Path) -> Counter[tuple[str, tuple[tuple[str, int], ...]]]:
    """The parts left out of a netlist: module and parameters, with their number."""
    found = Counter[tuple[str, tuple[tuple[str, int], ...]]]()
    for top, parameters in parts_of(design, folder):
        parameters.pop("Bank", None)  # the banks differ by their number alone
        found[top, tuple(sorted(parameters.items()))] += 1
    return found


def _cut(top: str, parameters: Mapping[str, int]) -> Design:
    used = {path.stem for path in children(top)} - {top}
    return Design(top, parameters, keep=tuple(name for name in CORE_CUTS if name in used))


def core(family: str, geometry: Geometry, device: Device, check: bool, quick: bool = False) -> Core:
    """Count the accelerator's parts, each verified in lockstep: what is left out of it as the same stub on both sides.

    Raises FpqvarError as `measure` does.
    """
    result = Core(family, geometry, device.name)
    todo = Counter({_Key.of(_cut("fpq_accel", {"Family": FAMILIES[family], **geometry.parameters})): 1})
    while todo:
        key, number = todo.popitem()
        design = key.design.on(device)
        row = measure(_unit(family, design), device, check, quick)
        result.parts.append((number, row))
        for (top, parameters), count in _instances(design, row.folder).items() if design.keep else ():
            inside = dict(parameters)
            if top == "fpq_array_generic":
                unit = substitute(family, inside["Lanes"])
                instance = measure(unit, device, check, quick)
                result.parts.append((number * count * inside["Rows"] * inside["Columns"], instance))
            elif top == "fpq_operands" and family.startswith("int"):
                continue  # wires: only floating-point operands are recoded
            else:
                todo[_Key.of(_cut(top, inside))] += number * count
    result.parts.sort(key=lambda part: -part[0] * part[1].count.sites)
    return result


@dataclass(frozen=True)
class _Key:
    """A design that can be a key."""

    top: str
    parameters: tuple[tuple[str, int], ...]
    keep: tuple[str, ...]

    @classmethod
    def of(cls, design: Design) -> "_Key":
        return cls(design.top, tuple(sorted(design.parameters.items())), tuple(design.keep))

    @property
    def design(self) -> Design:
        return Design(self.top, dict(self.parameters), keep=self.keep)


def _unit(family: str, design: Design) -> Unit:
    macs = design.parameters["Lanes"] if "_dot" in design.top and "Lanes" in design.parameters else 0
    macs *= 2 if design.top == "fpq_dot_fp6_dsp" else 1  # two columns
    return Unit(design.top, design, "part of the core", family if macs else "", macs)


def flat(family: str, geometry: Geometry, device: Device, check: bool, quick: bool = False) -> Row:
    """The accelerator synthesized whole: exact, and slow."""
    design = Design("fpq_accel", {"Family": FAMILIES[family], **geometry.parameters})
    return measure(Unit(f"core {family} {geometry}, flat", design, "core", family, geometry.macs), device, check, quick)


def total(core: Core) -> Count:
    """All of a core's parts together."""
    names = ("sites", "strict", "ff", "carry", "dsp", "ram_sites", "bram", "uram")
    return Count(**{name: core.total(name) for name in names}, levels=core.depth.levels, chains=core.depth.chains)

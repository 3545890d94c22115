# SPDX-License-Identifier: Apache-2.0
"""What `make estimate` synthesizes: the engine's dot units and their variants, peers, every module, the whole core."""

from dataclasses import dataclass

from .synthesis import RTL, Design, overridable

__all__ = [
    "CORE_CUTS",
    "FLOORS",
    "HEADLINE_LANES",
    "Unit",
    "headline_units",
    "module_units",
    "part_units",
    "substitute",
]

HEADLINE_LANES = 128  # a group, as the units' figures are compared
# Sites that no exact multiply-accumulate of the format can do without, far below what any unit here takes. A DSP slice
# counts as 100: it does the work of about as many.
FLOORS = {"fp4": 4.0, "fp6": 6.0, "int4": 6.0, "int8": 25.0}
DSP_SITES = 100
FAMILIES = {"fp4": 1, "fp6": 2, "int4": 3, "int8": 4}
# Descriptions for simulators only: synthesis takes other modules in their place.
NOT_FOR_SYNTHESIS = ("fpq_array_generic",)
# Modules that refuse to be elaborated for 7 series.
ONLY_ULTRASCALE = ("fpq_dot_fp4_dsp", "fpq_dsp_add")
# Modules whose default parameters would take long to simulate as netlists.
SMALL = {name: {"Rows": 2, "Columns": 4} for name in ("fpq_array", "fpq_array_fp4", "fpq_bank", "fpq_drain")}
# Modules of the core that are synthesized once and counted as often as they stand in it.
CORE_CUTS = (
    "fpq_recode_a_fp4", "fpq_recode_w_fp4", "fpq_recode_a_e2m1", "fpq_recode_w_e2m1", "fpq_dot_fp4", "fpq_dot_fp4_dsp",
    "fpq_dot_fp6", "fpq_dot_fp6_dsp", "fpq_float_unit", "fpq_array_generic", "fpq_array", "fpq_operands",
    "fpq_bank_scales", "fpq_drain", "fpq_bank", "fpq_weights", "fpq_act_buffer", "fpq_prologue", "fpq_issue",
    "fpq_store", "fpq_commands", "fpq_x_loader", "fpq_x_read", "fpq_core",
)  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A design that gets a row. macs: multiply-accumulates a cycle, where LUTs per MAC mean something."""

    name: str
    design: Design
    group: str  # dot, peer, part, module, core
    format: str = ""
    macs: int = 0
    note: str = ""
    devices: tuple[str, ...] = ()  # keys of DEVICES that it can be built for; none named: all

    @property
    def floor(self) -> float:
        """Fewest sites (a DSP slice counts as DSP_SITES) that are believed."""
        return FLOORS[self.format] * self.macs if self.macs else 0.0


def _dot(name: str, top: str, format: str, note: str = "", dsp: bool = False, **parameters: int) -> Unit:
    group = "peer" if top.startswith("peer_") else "dot"
    return Unit(name, Design(top, parameters, dsp=dsp), group, format, parameters["Lanes"], note, devices_of(top))


def devices_of(top: str) -> tuple[str, ...]:
    """The devices that a module can be built for: a DSP48E1 has no fourth operand."""
    return ("ultrascale",) if top in ONLY_ULTRASCALE else ()


# The dot units that compete, of 128 lanes with their group accumulators. A new variant is a line here.
VARIANTS = (
    _dot("FP4, no dual format", "fpq_dot_fp4", "fp4", "operands recoded outside", Lanes=128, Dual=0),
    _dot("FP4, LUT stream", "fpq_dot_fp4", "fp4", "with the dual format; operands recoded outside", Lanes=128),
    _dot("FP4, DSP adders", "fpq_dot_fp4_dsp", "fp4", "with the dual format; DSP: 1 of 8", Lanes=128),
    _dot("FP4, DSP adders, 32 lanes", "fpq_dot_fp4_dsp", "fp4", "operands recoded outside", Lanes=32),
    _dot("FP6, LUT stream", "fpq_dot_fp6", "fp6", "with the dual format; operands recoded outside", Lanes=128),
    Unit("FP6, DSP, 2 columns", Design("fpq_dot_fp6_dsp", {"Lanes": 128}), "dot", "fp6", 256, "DSP: 1 of 2"),
    _dot(
        "FP6, LUTRAM tables", "fpq_dot_fp6_tables", "fp6", "with the dual format; without the tables' writer", Lanes=128
    ),
    _dot("FP4, LUT stream, 64 lanes", "fpq_dot_fp4", "fp4", "operands recoded outside", Lanes=64),
    _dot("FP4, LUT stream, 32 lanes", "fpq_dot_fp4", "fp4", "operands recoded outside", Lanes=32),
)
PEERS = (
    _dot("naive FP4", "peer_dot", "fp4", "decode, *, adder tree", Bits=4, ExponentBits=2, Lanes=128, SumBits=22),
    _dot("naive FP6", "peer_dot", "fp6", "decode, *, adder tree", Bits=6, ExponentBits=2, Lanes=128, SumBits=26),
    _dot("INT4", "peer_dot", "int4", "*, adder tree", Bits=4, Lanes=128, SumBits=22),
    _dot("INT8", "peer_dot", "int8", "*, adder tree", Bits=8, Lanes=128, SumBits=29),
)


def headline_units() -> list[Unit]:
    """The dot units and their peers."""
    return [*VARIANTS, *PEERS]


def part_units() -> list[Unit]:
    """Multipliers by themselves, and an array with its operands' recoding."""
    return [
        Unit("FP4 product cell", Design("fpq_product_fp4"), "part", "fp4", 0),
        Unit("FP4 product cell without the dual format", Design("fpq_product_e2m1"), "part", "fp4", 0),
        Unit("FP4 recoding, activation", Design("fpq_recode_a_fp4"), "part", "fp4"),
        Unit("FP4 recoding, weight", Design("fpq_recode_w_fp4"), "part", "fp4"),
        Unit("FP6 product cell", Design("fpq_product_fp6"), "part", "fp6", 0),
        Unit("FP6 table writer, a row", Design("fpq_table_writer", {"Lanes": 128}), "part", "fp6"),
        Unit("naive FP4 product", Design("peer_multiply", {"Bits": 4, "ExponentBits": 2}), "part", "fp4"),
        Unit("naive FP6 product", Design("peer_multiply", {"Bits": 6, "ExponentBits": 2}), "part", "fp6"),
        Unit("INT4 product", Design("peer_multiply", {"Bits": 4}), "part", "int4"),
        Unit("INT8 product", Design("peer_multiply", {"Bits": 8}), "part", "int8"),
        Unit(
            "FP4 array 2x4x32",
            Design("fpq_array", {"Rows": 2, "Columns": 4, "Lanes": 32}),
            "part",
            "fp4",
            256,
            "with recoding",
        ),
    ]


def _small(module: str) -> str:
    return ", ".join(f"{name}={value}" for name, value in SMALL.get(module, {}).items())


def module_units() -> list[Unit]:
    """Every module of hw/rtl with its default parameters, but SMALL; of the device's primitives where it has them."""
    skip = {*NOT_FOR_SYNTHESIS, "fpq_accel", "fpq_core"}
    return [
        Unit(
            path.stem,
            Design(path.stem, SMALL.get(path.stem, {})),
            "module",
            note=_small(path.stem),
            devices=devices_of(path.stem),
        )
        for path in sorted(RTL.glob("fpq_*.sv"))
        if not path.stem.endswith("_pkg") and path.stem not in skip
    ]


def substitute(family: str, lanes: int) -> Unit:
    """The dot unit that stands for an array that is described for simulators only: a peer of the format."""
    named = {"fp4": (4, 2, 22), "fp6": (6, 2, 26), "int4": (4, 0, 22), "int8": (8, 0, 29)}
    bits, exponent, width = named[family]
    parameters = {"Bits": bits, "ExponentBits": exponent, "Lanes": lanes, "SumBits": width}
    return Unit(f"peer_dot {family}", Design("peer_dot", parameters), "part of the core", family, lanes)


def parameters_of(module: str) -> list[str]:
    """The names that `--param` may set."""
    return overridable(module)

# SPDX-License-Identifier: Apache-2.0
"""The Python views: `sw_quant/_generated.py` (formats) and `host/_generated.py` (commands, registers, boards)."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

from .schema import Geometry, Spec
from .tables import Table
from .text import LICENCE, NOTICE, wrapped

WIDTH = 120

SW_QUANT_HEAD = '''# {licence}
# {notice}
"""Formats and sizes of the contract (docs/contract.md)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MagnitudeTable:
    """The magnitudes of one sign of a format, as integers times the unit `2**unit_log2`.

    `thresholds[i]` is `magnitudes[i] + magnitudes[i + 1]`: the midpoint in half units.
    `fmax_reciprocal_bits` is the single-precision pattern of `1 / fmax`.
    """

    magnitudes: tuple[int, ...]
    unit_log2: int
    thresholds: tuple[int, ...]
    fmax: float
    fmax_reciprocal_bits: int


@dataclass(frozen=True)
class Format:
    """An element format. `negative` is the same object as `positive` unless the format is dual.

    A negative element's index field `j` means magnitude `j + negative_offset`.
    """

    name: str
    id: int
    kind: Literal["float", "integer", "dual"]
    bits: int
    positive: MagnitudeTable
    negative: MagnitudeTable
    negative_offset: int

'''

HOST_HEAD = '''# {licence}
# {notice}
"""Command descriptor, control registers, engine families and geometries (docs/contract.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag


@dataclass(frozen=True)
class Field:
    """A field of the command descriptor; `offset` in bytes."""

    name: str
    offset: int
    bits: int
    doc: str


@dataclass(frozen=True)
class BitField:
    """A part of a register."""

    lsb: int
    bits: int


@dataclass(frozen=True)
class Register:
    """A control register; `access` is `rw`, or `out` for what the engine writes."""

    name: str
    offset: int
    bits: int
    access: str
    doc: str
    fields: Mapping[str, BitField] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """The formats that one build of the engine multiplies."""

    name: str
    id: int
    weights: str
    activations: tuple[str, ...]


@dataclass(frozen=True)
class Geometry:
    """Size of one engine: `rows * columns * lanes * banks` multiply-accumulates a cycle; `act_depth` in chunks.

    `banks` (of the RTL engine) changes neither the weights' layout nor a result.
    """

    rows: int
    columns: int
    lanes: int
    act_depth: int
    bus_bits: int
    banks: int = 1


@dataclass(frozen=True)
class Board:
    """A board: its device, its memory (MiB, GB/s), what builds for it (Vivado's edition), what it boots, engines."""

    name: str
    part: str
    board_part: str
    device: str
    luts: int
    ffs: int
    dsps: int
    bram36: int
    uram: int
    memory_mib: int
    bandwidth_gbps: float
    clock_mhz: int
    fp6_dot: str
    vivado: str
    image: str
    python: str
    fp6_dsp_banks: int
    geometry: Mapping[str, Geometry]

'''


def emit_sw_quant(spec: Spec) -> str:
    """Text of `sw_quant/_generated.py`."""
    contract = spec.contract
    lines = [
        SW_QUANT_HEAD.format(licence=LICENCE, notice=NOTICE),
        f"CONTRACT_VERSION = {contract.version}",
        f"GHT_BLOCK = {contract.ght_block}",
        f"GHT_INTEGER_BITS = {contract.ght_integer_bits}",
        f"K_MULTIPLE = {contract.k_multiple}",
        f"MAX_K = {contract.max_k}",
        "",
    ]
    lines.append("# fmt: off")
    for table in spec.tables().values():
        lines += [f"_{table.name.upper()} = MagnitudeTable(", *_table(table), ")"]
    lines += ["# fmt: on", "", "FORMATS: dict[str, Format] = {"]
    for name, entry in spec.formats.formats.items():
        positive, negative = (f"_{table.name.upper()}" for table in spec.formats.tables(name))
        offset = getattr(entry, "negative_offset", 0)
        arguments = [_str(name), entry.id, _str(entry.kind), entry.bits, positive, negative, offset]
        lines.append(_call(f"    {_str(name)}: Format", arguments))
    return "\n".join([*lines, "}", ""])


def _table(table: Table) -> Iterable[str]:
    yield from _integers("magnitudes", table.magnitudes)
    yield f"    unit_log2={table.unit_log2},"
    yield from _integers("thresholds", table.thresholds)
    yield f"    fmax={float(table.fmax)!r},"
    yield f"    fmax_reciprocal_bits=0x{table.fmax_reciprocal_bits:08X},"


def _integers(name: str, values: tuple[int, ...]) -> Iterable[str]:
    """A tuple: on one line, or as a range, or filled into lines (the formatter would give each number its own)."""
    line = f"    {name}=({', '.join(map(str, values))}),"
    steps = {high - low for low, high in pairwise(values)}
    if len(line) <= WIDTH:
        return [line]
    if len(steps) == 1:
        return [f"    {name}=tuple(range({values[0]}, {values[-1] + 1}, {steps.pop()})),"]
    return [f"    {name}=(", wrapped(values, "        ", WIDTH - 1) + ",", "    ),"]


def emit_host(spec: Spec) -> str:
    """Text of `host/_generated.py`."""
    contract, descriptor = spec.contract, spec.descriptor
    lines = [
        HOST_HEAD.format(licence=LICENCE, notice=NOTICE),
        f"CONTRACT_VERSION = {contract.version}",
        f"GHT_BLOCK = {contract.ght_block}",
        f"K_MULTIPLE = {contract.k_multiple}",
        f"MAX_K = {contract.max_k}",
        f"SECTION_BYTES = {contract.section_bytes}",
        f"STRIDE_MULTIPLE = {contract.stride_multiple}",
        f"DESCRIPTOR_BYTES = {descriptor.bytes}",
        "",
    ]
    lines += _enum("Opcode", "IntEnum", "Operation of a command.", descriptor.opcodes)
    lines += _enum("CommandFlag", "IntFlag", "Bits of a command's `flags`.", _masks(descriptor.flags))
    lines += _enum("ErrorCode", "IntEnum", "The status register, in the order of the checks.", contract.errors)
    lines += _enum("EngineFlag", "IntFlag", "Bits of the `flags` register.", _masks(contract.flags))
    lines += _enum("Core", "IntEnum", "Who made the engine: the identity register's `core`.", contract.cores)
    lines += ["", "# The engine's names in Vivado, which PYNQ binds its driver to.", "IP_VLNV: dict[Core, str] = {"]
    ip = contract.ip
    lines += [
        f"    Core.{core.upper()}: {_str(f'{ip.vendor}:{core}:{ip.name}:{ip.version}')}," for core in contract.cores
    ]
    lines += ["}", ""]
    lines += ["DESCRIPTOR_FIELDS: tuple[Field, ...] = ("]
    lines += [_call("    Field", [_str(f.name), f.offset, f.bits, _str(f.doc)]) for f in descriptor.fields]
    lines += [")", "", "# Must be zero: (offset, bytes)."]
    lines += ["DESCRIPTOR_RESERVED: tuple[tuple[int, int], ...] = ("]
    lines += [*(f"    ({offset}, {size})," for offset, size in descriptor.reserved), ")", ""]
    lines += ["REGISTERS: dict[str, Register] = {"]
    for register in spec.registers.registers:
        arguments: list[object] = [_str(register.name), f"0x{register.offset:03X}", register.bits]
        arguments += [_str(register.access), _str(register.doc)]
        if register.fields:
            arguments.append(_dictionary(register.fields))
        lines.append(_call(f"    {_str(register.name)}: Register", arguments, one_a_line=bool(register.fields)))
    lines += ["}", "", "FAMILIES: dict[str, Family] = {"]
    for name, family in spec.formats.families.items():
        activations = ", ".join(map(_str, family.activations)) + ("," if len(family.activations) == 1 else "")
        arguments = [_str(name), family.id, _str(family.weights), f"({activations})"]
        lines.append(_call(f"    {_str(name)}: Family", arguments))
    lines += ["}", "", "SIMULATION_GEOMETRIES: dict[str, Geometry] = {"]
    lines += [f"    {_str(name)}: {_geometry(geometry)}," for name, geometry in spec.boards.simulation.items()]
    lines += ["}", "", "BOARDS: dict[str, Board] = {"]
    for board_name, board in spec.boards.boards.items():
        lines += [f"    {_str(board_name)}: Board(", f"        name={_str(board_name)},"]
        for key in (*type(board).model_fields, *type(board).model_computed_fields):
            if key != "geometry":
                value = getattr(board, key)
                lines.append(f"        {key}={_str(value) if isinstance(value, str) else value},")
        lines.append("        geometry={")
        lines += [f"            {_str(name)}: {_geometry(item)}," for name, item in board.geometry.items()]
        lines += ["        },", "    ),"]
    return "\n".join([*lines, "}", ""])


def _enum(name: str, base: str, doc: str, members: dict[str, int]) -> list[str]:
    body = [f"    {member.upper()} = {value}" for member, value in members.items()]
    return ["", f"class {name}({base}):", f'    """{doc}"""', "", *body, ""]


def _masks(bits: dict[str, int]) -> dict[str, int]:
    return {name: 1 << bit for name, bit in bits.items()}


def _geometry(geometry: Geometry) -> str:
    return f"Geometry({', '.join(f'{key}={value}' for key, value in geometry.model_dump().items())})"


def _dictionary(fields: dict[str, list[int]]) -> str:
    """The parts of a register, one a line, as an argument of a call at depth two."""
    items = [f"            {_str(name)}: BitField({lsb}, {bits})," for name, (lsb, bits) in fields.items()]
    return "\n".join(["{", *items, "        }"])


def _call(head: str, arguments: Sequence[object], one_a_line: bool = False) -> str:
    """`head(arguments),` as the formatter would lay it out."""
    line = f"{head}({', '.join(map(str, arguments))}),"
    if len(line) <= WIDTH and not one_a_line:
        return line
    indent = " " * (len(head) - len(head.lstrip()))
    return "\n".join([f"{head}(", *(f"{indent}    {item}," for item in arguments), f"{indent}),"])


def _str(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

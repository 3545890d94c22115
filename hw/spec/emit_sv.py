# SPDX-License-Identifier: Apache-2.0
"""The SystemVerilog view, `hw/rtl/fpq_pkg.sv`: types, constants and constant functions for the RTL engine."""

from collections.abc import Iterable, Mapping

from .schema import Spec
from .tables import Table
from .text import LICENCE, NOTICE, camel, wrapped

WIDTH = 100

HEAD = """// {licence}
// {notice}
//
// Formats, command descriptor, registers and geometries of docs/contract.md.

// No one design uses all of the constants.
// verilator lint_off UNUSEDPARAM
package fpq_pkg;
"""


def emit_sv(spec: Spec) -> str:
    """Text of the package."""
    contract, descriptor = spec.contract, spec.descriptor
    sizes = contract.model_dump(exclude={"version", "flags", "errors", "cores", "ip"})
    lines = [HEAD.format(licence=LICENCE, notice=NOTICE)]
    lines += [_parameter("int unsigned", "ContractVersion", contract.version)]
    lines += [_parameter("int unsigned", camel(name), value) for name, value in sizes.items()]
    lines += [_parameter("int unsigned", "DescriptorBytes", descriptor.bytes), ""]
    lines += _enum("opcode_e", "Op", descriptor.opcodes)
    lines += _enum("error_e", "Err", contract.errors)
    lines += _enum("core_e", "Core", contract.cores)
    lines += _enum("format_e", "Fmt", {name: entry.id for name, entry in spec.formats.formats.items()})
    lines += _enum("family_e", "Family", {name: family.id for name, family in spec.formats.families.items()})
    lines += _bits("CmdFlag", "Bits of a command's flags; every other bit is reserved.", descriptor.flags)
    lines += _bits("EngineFlag", "Bits of the flags register.", contract.flags)
    lines += _descriptor(spec) + _registers(spec)
    lines += ["  // Magnitudes in units, thresholds (sums of neighbours) in half units; entry i is [i]."]
    for table in spec.tables().values():
        lines += _table(table)
    lines += _format_functions(spec) + _family_functions(spec) + _geometries(spec)
    return "\n".join([*lines, "endpackage", "// verilator lint_on UNUSEDPARAM", ""])


def _parameter(kind: str, name: str, value: object, doc: str = "") -> str:
    return f"  localparam {kind} {name} = {value};" + (f"  // {doc}" if doc else "")


def _enum(name: str, prefix: str, members: Mapping[str, int]) -> list[str]:
    body = ",\n".join(f"    {prefix}{camel(member)} = 8'd{value}" for member, value in members.items())
    return ["  typedef enum logic [7:0] {", body, f"  }} {name};", ""]


def _bits(prefix: str, doc: str, bits: Mapping[str, int]) -> list[str]:
    lines = [f"  // {doc}"]
    lines += [_parameter("int unsigned", f"{prefix}{camel(name)}", bit) for name, bit in bits.items()]
    mask = f"32'h{sum(1 << bit for bit in bits.values()):08x}"
    return [*lines, _parameter("logic [31:0]", f"{prefix}Mask", mask), ""]


def _descriptor(spec: Spec) -> list[str]:
    """The packed struct; its last member is bit 0, so that a little-endian read of memory casts to it."""
    members: list[tuple[int, int, str, str]] = [(f.offset, f.bits, f.name, f.doc) for f in spec.descriptor.fields]
    members += [(at, 8 * size, f"reserved_{at}", "zero") for at, size in spec.descriptor.reserved]
    lines = ["  // A command as it lies in memory: byte i is bits [8*i +: 8].", "  typedef struct packed {"]
    lines += [f"    logic [{bits - 1}:0] {name};  // {doc}" for _, bits, name, doc in sorted(members, reverse=True)]
    return [*lines, "  } descriptor_t;", ""]


def _registers(spec: Spec) -> list[str]:
    lines = ["  // Byte offsets of the control registers, and the parts of some."]
    for register in spec.registers.registers:
        lines.append(f"  // {register.doc[0].upper()}{register.doc[1:]}.")
        name = f"Reg{camel(register.name)}"
        lines.append(_parameter("logic [11:0]", name, f"12'h{register.offset:03x}"))
        for part, (lsb, bits) in register.fields.items():
            lines.append(_parameter("int unsigned", f"{name}{camel(part)}Lsb", lsb))
            if bits > 1:
                lines.append(_parameter("int unsigned", f"{name}{camel(part)}Bits", bits))
    return [*lines, ""]


def _table(table: Table) -> list[str]:
    name = camel(table.name)
    return [
        "",
        _parameter("int unsigned", f"{name}Count", len(table.magnitudes)),
        _parameter("int signed", f"{name}UnitLog2", table.unit_log2),
        _parameter("logic [31:0]", f"{name}FmaxReciprocal", f"32'h{table.fmax_reciprocal_bits:08x}"),
        *_packed(f"{name}Magnitude", table.magnitudes),
        *_packed(f"{name}Threshold", table.thresholds),
    ]


def _packed(name: str, values: tuple[int, ...]) -> list[str]:
    """A packed array, which more tools take than an unpacked one; the concatenation begins with the last entry."""
    width = values[-1].bit_length()
    items = wrapped((f"{width}'d{value}" for value in reversed(values)), "    ", WIDTH)
    return [f"  localparam logic [{len(values) - 1}:0][{width - 1}:0] {name} = {{", items, "  };"]


def _function(
    name: str, kind: str, arguments: str, subject: str, cases: Iterable[tuple[str, str]], default: str = "0"
) -> list[str]:
    lines = [f"  function automatic {kind} {name}({arguments});", f"    unique case ({subject})"]
    lines += [f"      {label}: return {value};" for label, value in cases]
    return [*lines, f"      default: return {default};", "    endcase", "  endfunction", ""]


def _format_functions(spec: Spec) -> list[str]:
    """Look-ups by format and sign, for constants of modules with a format as parameter."""
    formats = spec.formats
    lines = ["", "  // The same by format and sign, for modules that have the format as a parameter."]
    widths = [(f"Fmt{camel(name)}", str(entry.bits)) for name, entry in formats.formats.items()]
    lines += _function("format_bits", "int unsigned", "format_e fmt", "fmt", widths)
    duals = [f"Fmt{camel(name)}" for name, entry in formats.formats.items() if entry.kind == "dual"]
    lines += _function("format_is_dual", "bit", "format_e fmt", "fmt", [(", ".join(duals), "1'b1")])
    integers = [f"Fmt{camel(name)}" for name, entry in formats.formats.items() if entry.kind == "integer"]
    lines += _function("format_is_integer", "bit", "format_e fmt", "fmt", [(", ".join(integers), "1'b1")])
    offsets = [
        (f"Fmt{camel(name)}", str(entry.negative_offset))
        for name, entry in formats.formats.items()
        if entry.kind == "dual" and entry.negative_offset
    ]
    lines += _function("negative_offset", "int unsigned", "format_e fmt", "fmt", offsets)
    tables = []
    for name in formats.formats:
        for sign, table in enumerate(formats.tables(name)):
            tables.append((f"{{Fmt{camel(name)}, 1'b{sign}}}", camel(table.name)))
    signed, indexed = "format_e fmt, bit negative", "format_e fmt, bit negative, int unsigned index"
    for function, kind, arguments, member, suffix in (
        ("magnitude_count", "int unsigned", signed, "Count", ""),
        ("unit_log2", "int signed", signed, "UnitLog2", ""),
        ("fmax_reciprocal", "logic [31:0]", signed, "FmaxReciprocal", ""),
        ("magnitude", "int unsigned", indexed, "Magnitude", "[index]"),
        ("threshold", "int unsigned", indexed, "Threshold", "[index]"),
    ):
        cast = "32'({})" if suffix else "{}"
        cases = [(label, cast.format(f"{table}{member}{suffix}")) for label, table in tables]
        lines += _function(function, kind, arguments, "{fmt, negative}", cases)
    return lines


def _family_functions(spec: Spec) -> list[str]:
    families = spec.formats.families
    default = f"Fmt{camel(next(iter(spec.formats.formats)))}"  # a function of an enumeration returns a member
    weights = [(f"Family{camel(name)}", f"Fmt{camel(family.weights)}") for name, family in families.items()]
    duals = [
        (f"Family{camel(name)}", f"Fmt{camel(family.activations[1])}")
        for name, family in families.items()
        if len(family.activations) > 1
    ]
    having = [(", ".join(label for label, _ in duals), "1'b1")]
    return [
        "  // A family's weights, which are its plain activations too, and its dual activations if it has any.",
        *_function("family_weights", "format_e", "family_e family", "family", weights, default),
        *_function("family_has_dual", "bit", "family_e family", "family", having),
        *_function("family_dual", "format_e", "family_e family", "family", duals, default),
    ]


def _geometries(spec: Spec) -> list[str]:
    fields = list(next(iter(spec.boards.simulation.values())).model_dump())
    lines = ["  // Engine sizes: rows x columns x lanes x banks multiply-accumulates a cycle; act_depth in chunks."]
    lines += ["  typedef struct packed {", *(f"    int unsigned {name};" for name in fields), "  } geometry_t;", ""]
    geometries = {camel(name): geometry for name, geometry in spec.boards.simulation.items()}
    for board_name, board in spec.boards.boards.items():
        geometries |= {camel(board_name) + camel(name): geometry for name, geometry in board.geometry.items()}
    for name, geometry in geometries.items():
        values = ", ".join(f"{key}: {value}" for key, value in geometry.model_dump().items())
        lines += [f"  localparam geometry_t Geometry{name} = '{{", f"    {values}", "  };"]
    return [*lines, ""]

# SPDX-License-Identifier: Apache-2.0
"""The C++ view, `hw/hls/include/fpq/generated.hpp`: constants and types for the HLS kernels, in C++14."""

from collections.abc import Mapping

from .schema import Spec
from .tables import Table
from .text import LICENCE, NOTICE, camel, wrapped

WIDTH = 100

HEAD = """// {licence}
// {notice}
//
// Formats, command descriptor, registers and geometries of docs/contract.md. A format, a family and a geometry
// are structs without data, to be used as template arguments; all their members are compile-time constants.
// clang-format off
#ifndef FPQ_GENERATED_HPP_
#define FPQ_GENERATED_HPP_

#include <cstddef>
#include <cstdint>
"""


def emit_cpp(spec: Spec) -> str:
    """Text of the header."""
    contract, descriptor = spec.contract, spec.descriptor
    lines = [HEAD.format(licence=LICENCE, notice=NOTICE)]
    lines += ["// Register offsets, plain literals for use in pragmas."]
    lines += [f"#define FPQ_REG_{r.name.upper()} 0x{r.offset:03x}  // {r.doc}" for r in spec.registers.registers]
    lines += ["", "namespace fpq {", "namespace spec {", ""]
    sizes = contract.model_dump(exclude={"version", "flags", "errors", "cores", "ip"})
    lines += [f"constexpr std::uint32_t kContractVersion = {contract.version};"]
    lines += [f"constexpr std::uint32_t k{camel(name)} = {value};" for name, value in sizes.items()]
    lines += [f"constexpr std::uint32_t kDescriptorBytes = {descriptor.bytes};", ""]
    lines += _enum("Opcode", descriptor.opcodes)
    lines += _enum("ErrorCode", contract.errors)
    lines += _enum("Core", contract.cores)
    lines += _enum("FormatId", {name: entry.id for name, entry in spec.formats.formats.items()})
    lines += _enum("FamilyId", {name: family.id for name, family in spec.formats.families.items()})
    lines += _masks("CommandFlag", "bits of a command's flags; every other bit is reserved", descriptor.flags)
    lines += _masks("EngineFlag", "bits of the flags register", contract.flags)
    lines += _register_fields(spec)
    lines += _descriptor(spec)
    for table in spec.tables().values():
        lines += _table(table)
    lines += _formats(spec) + _families(spec) + _geometries(spec)
    return "\n".join([*lines, "}  // namespace spec", "}  // namespace fpq", "", "#endif  // FPQ_GENERATED_HPP_", ""])


def _enum(name: str, members: Mapping[str, int]) -> list[str]:
    body = [f"  k{camel(member)} = {value}," for member, value in members.items()]
    return [f"enum class {name} : std::uint8_t {{", *body, "};", ""]


def _masks(name: str, doc: str, bits: Mapping[str, int]) -> list[str]:
    lines = [f"// {name}: {doc}."]
    lines += [f"constexpr std::uint32_t k{name}{camel(member)} = 0x{1 << bit:x};" for member, bit in bits.items()]
    return [*lines, f"constexpr std::uint32_t k{name}Mask = 0x{sum(1 << bit for bit in bits.values()):x};", ""]


def _register_fields(spec: Spec) -> list[str]:
    lines = ["// Parts of registers."]
    for register in spec.registers.registers:
        for name, (lsb, bits) in register.fields.items():
            lines.append(f"constexpr int k{camel(register.name)}{camel(name)}Lsb = {lsb};")
            lines.append(f"constexpr int k{camel(register.name)}{camel(name)}Bits = {bits};")
    return [*lines, ""]


def _descriptor(spec: Spec) -> list[str]:
    fields = sorted(spec.descriptor.fields, key=lambda field: field.offset)
    lines = ["// Byte offsets in a descriptor."]
    lines += [f"constexpr std::uint32_t kOffset{camel(f.name)} = {f.offset};  // {f.doc}" for f in fields]
    members = [(f.offset, f"std::uint{f.bits}_t {f.name};") for f in fields]
    members += [(at, f"std::uint8_t reserved_{at}[{size}];") for at, size in spec.descriptor.reserved]
    lines += ["", "// A descriptor as it lies in memory. The reserved bytes must be zero.", "struct Descriptor {"]
    lines += [f"  {text}" for _, text in sorted(members)]
    lines += ["};", 'static_assert(sizeof(Descriptor) == kDescriptorBytes, "padding in Descriptor");']
    for field in fields:
        lines.append(
            f'static_assert(offsetof(Descriptor, {field.name}) == kOffset{camel(field.name)}, "{field.name}");'
        )
    offsets = ", ".join(str(at) for at, _ in spec.descriptor.reserved)
    sizes = ", ".join(str(size) for _, size in spec.descriptor.reserved)
    lines += ["", "// The reserved gaps of a descriptor, in bytes.", "struct ReservedGaps {"]
    lines += [f"  static constexpr int kCount = {len(spec.descriptor.reserved)};"]
    lines += [*_function("offset", "std::uint32_t", offsets), *_function("bytes", "std::uint32_t", sizes), "};", ""]
    return lines


def _function(name: str, kind: str, values: str) -> list[str]:
    """A table as a constexpr function, which C++14 and HLS tools take without an out-of-class definition."""
    body = [f"    constexpr {kind} table[] = {{{values}}};"]
    if len(body[0]) > WIDTH:
        body = [f"    constexpr {kind} table[] = {{", wrapped(values.split(", "), "        ", WIDTH) + "};"]
    return [f"  static constexpr {kind} {name}(int i) {{", *body, "    return table[i];", "  }"]


def _table(table: Table) -> list[str]:
    name = f"{camel(table.name)}Magnitudes"
    return [
        f"// Magnitudes in units of 2^{table.unit_log2}, thresholds (sums of neighbours) in half units.",
        f"struct {name} {{",
        f"  static constexpr int kCount = {len(table.magnitudes)};",
        f"  static constexpr int kMax = {table.magnitudes[-1]};",
        f"  static constexpr int kMagnitudeBits = {table.magnitudes[-1].bit_length()};",
        f"  static constexpr int kThresholdBits = {table.thresholds[-1].bit_length()};",
        f"  static constexpr int kUnitLog2 = {table.unit_log2};",
        f"  static constexpr std::uint32_t kFmaxReciprocalBits = 0x{table.fmax_reciprocal_bits:08x};",
        *_function("magnitude", "std::uint16_t", ", ".join(map(str, table.magnitudes))),
        *_function("threshold", "std::uint16_t", ", ".join(map(str, table.thresholds))),
        "};",
        f'static_assert({name}::magnitude({name}::kCount - 1) == {name}::kMax, "{table.name}");',
        f"static_assert({name}::threshold({name}::kCount - 2) ==",
        f'              {name}::magnitude({name}::kCount - 2) + {name}::kMax, "{table.name}");',
        "",
    ]


def _formats(spec: Spec) -> list[str]:
    lines = ["// Formats. `Positive` and `Negative` are one type unless the format is dual."]
    for name, entry in spec.formats.formats.items():
        positive, negative = spec.formats.tables(name)
        lines += [
            f"struct {camel(name)} {{",
            f"  static constexpr FormatId kId = FormatId::k{camel(name)};",
            f"  static constexpr int kBits = {entry.bits};",
            f"  static constexpr bool kInteger = {str(entry.kind == 'integer').lower()};  // two's complement",
            f"  static constexpr bool kDual = {str(entry.kind == 'dual').lower()};",
            f"  static constexpr int kNegativeOffset = {getattr(entry, 'negative_offset', 0)};",
            f"  using Positive = {camel(positive.name)}Magnitudes;",
            f"  using Negative = {camel(negative.name)}Magnitudes;",
            "};",
            "",
        ]
    return lines


def _families(spec: Spec) -> list[str]:
    lines = ["// Families. `Plain` is the weights' format as activations; `Dual` is void where there is none."]
    for name, family in spec.formats.families.items():
        dual = camel(family.activations[1]) if len(family.activations) > 1 else "void"
        accepted = " || ".join(f"id == FormatId::k{camel(item)}" for item in family.activations)
        lines += [
            f"struct {camel(name)}Family {{",
            f"  static constexpr FamilyId kId = FamilyId::k{camel(name)};",
            f"  static constexpr int kBits = {spec.formats.formats[family.weights].bits};",
            f"  static constexpr bool kHasDual = {str(dual != 'void').lower()};",
            f"  using Weights = {camel(family.weights)};",
            f"  using Plain = {camel(family.activations[0])};",
            f"  using Dual = {dual};",
            f"  static constexpr bool accepts_activations(FormatId id) {{ return {accepted}; }}",
            "};",
            "",
        ]
    return lines


def _geometries(spec: Spec) -> list[str]:
    geometries = {camel(name): geometry for name, geometry in spec.boards.simulation.items()}
    for board_name, board in spec.boards.boards.items():
        geometries |= {camel(board_name) + camel(name): geometry for name, geometry in board.geometry.items()}
    lines = [
        "// Geometries: for simulation, and of each board and family. The HLS core has one array, as wide as all banks."
    ]
    for name, geometry in geometries.items():
        lines.append(f"struct {name}Geometry {{")
        size = geometry.model_dump() | {"columns": geometry.columns * geometry.banks, "banks": 1}
        lines += [f"  static constexpr int k{camel(key)} = {value};" for key, value in size.items()]
        lines += ["};", ""]
    return lines

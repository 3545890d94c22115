# SPDX-License-Identifier: Apache-2.0
"""What the types of schema.py cannot say: values of one key against those of others."""

from collections.abc import Iterable
from itertools import pairwise

from .schema import Board, DualFormat, FloatFormat, Formats, Spec, SpecError

FP6_DSP_SHARE = 0.85  # of a device's DSP slices, for FP6 products


def check(spec: Spec) -> None:
    """Raise `SpecError` on the first contradiction."""
    _check_contract(spec)
    _check_formats(spec.formats)
    _check_descriptor(spec)
    _check_registers(spec)
    _check_boards(spec)


def _unique(file: str, keys: Iterable[tuple[str, int | str]]) -> None:
    seen: dict[int | str, str] = {}
    for key, value in keys:
        if value in seen:
            raise SpecError(file, key, f"{value!r} is already that of {seen[value]}")
        seen[value] = key


def _no_overlap(file: str, spans: Iterable[tuple[str, int, int]]) -> None:
    """Spans are (key, first byte or bit, number of them)."""
    ordered = sorted(spans, key=lambda span: span[1])
    for (low, start, size), (high, begin, _) in pairwise(ordered):
        if start + size > begin:
            raise SpecError(file, high, f"overlaps {low}")


def _check_contract(spec: Spec) -> None:
    file, contract = "contract.toml", spec.contract
    for key in ("ght_block", "k_multiple", "section_bytes", "stride_multiple"):
        value = getattr(contract, key)
        if value & (value - 1):
            raise SpecError(file, key, f"{value} is not a power of two")
    if contract.ght_block % contract.k_multiple:
        raise SpecError(file, "ght_block", f"{contract.ght_block} is not a multiple of k_multiple")
    if contract.max_k % contract.ght_block:
        raise SpecError(file, "max_k", f"{contract.max_k} is not a multiple of ght_block")
    _unique(file, ((f"flags.{name}", bit) for name, bit in contract.flags.items()))
    _unique(file, ((f"cores.{name}", number) for name, number in contract.cores.items()))
    if contract.errors.get("ok") != 0 or list(contract.errors.values()) != list(range(len(contract.errors))):
        raise SpecError(file, "errors", "codes must count up from ok = 0, in the order in which they are checked")


def _check_formats(formats: Formats) -> None:
    file = "formats.toml"
    for name, entry in formats.formats.items():
        if isinstance(entry, DualFormat):
            _check_dual(file, formats, name, entry)
    _unique(file, ((f"formats.{name}.id", entry.id) for name, entry in formats.formats.items()))
    _unique(file, ((f"families.{name}.id", family.id) for name, family in formats.families.items()))
    for name, family in formats.families.items():
        used = [("weights", family.weights), *(("activations", item) for item in family.activations)]
        for key, item in used:
            if item not in formats.formats:
                raise SpecError(file, f"families.{name}.{key}", f"unknown format {item!r}")
            if formats.formats[item].bits != formats.formats[family.weights].bits:
                raise SpecError(file, f"families.{name}.{key}", f"{item!r} is not as wide as the weights")
        if formats.formats[family.weights].kind == "dual":
            raise SpecError(file, f"families.{name}.weights", "weights cannot be dual")
        if family.activations[:1] != [family.weights]:
            raise SpecError(file, f"families.{name}.activations", "must begin with the weights' format")
        if any(formats.formats[item].kind != "dual" for item in family.activations[1:]) or len(family.activations) > 2:
            raise SpecError(file, f"families.{name}.activations", "may add one dual format to the weights', no more")


def _check_dual(file: str, formats: Formats, name: str, entry: DualFormat) -> None:
    if (entry.negative is None) == (entry.negative_count is None):
        raise SpecError(file, f"formats.{name}.negative", "give exactly one of negative and negative_count")
    for key in ("positive", "negative"):
        other = getattr(entry, key)
        if other is not None and not isinstance(formats.formats.get(other), FloatFormat):
            raise SpecError(file, f"formats.{name}.{key}", f"{other!r} is not a float format")
    positive, negative = formats.tables(name)
    codes = 1 << (entry.bits - 1)
    if len(positive.magnitudes) != codes:
        raise SpecError(file, f"formats.{name}.positive", f"needs {codes} magnitudes, has {len(positive.magnitudes)}")
    if len(negative.magnitudes) != codes + entry.negative_offset:
        wanted = codes + entry.negative_offset
        key = "negative" if entry.negative is not None else "negative_count"
        raise SpecError(file, f"formats.{name}.{key}", f"needs {wanted} magnitudes, has {len(negative.magnitudes)}")


def _check_descriptor(spec: Spec) -> None:
    file, descriptor = "descriptor.toml", spec.descriptor
    if descriptor.bytes & (descriptor.bytes - 1) or descriptor.bytes % spec.contract.section_bytes:
        raise SpecError(file, "bytes", f"{descriptor.bytes} is not a power of two and a multiple of section_bytes")
    _unique(file, ((f"opcodes.{name}", code) for name, code in descriptor.opcodes.items()))
    _unique(file, ((f"flags.{name}", bit) for name, bit in descriptor.flags.items()))
    _unique(file, ((f"fields.{field.offset}.name", field.name) for field in descriptor.fields))
    for field in descriptor.fields:
        if field.offset % (field.bits // 8):
            raise SpecError(file, f"fields.{field.name}.offset", f"{field.offset} is not aligned to {field.bits} bits")
        if field.offset + field.bits // 8 > descriptor.bytes:
            raise SpecError(file, f"fields.{field.name}.offset", f"beyond the {descriptor.bytes} bytes of a descriptor")
    _no_overlap(file, ((f"fields.{field.name}", field.offset, field.bits // 8) for field in descriptor.fields))


def _check_registers(spec: Spec) -> None:
    file, registers = "registers.toml", spec.registers.registers
    _unique(file, ((f"registers.{register.offset:#x}.name", register.name) for register in registers))
    for register in registers:
        key = f"registers.{register.name}"
        if register.offset % 4:
            raise SpecError(file, f"{key}.offset", f"{register.offset:#x} is not a multiple of 4")
        for name, (lsb, bits) in register.fields.items():
            if bits == 0 or lsb + bits > register.bits:
                raise SpecError(file, f"{key}.fields.{name}", f"[{lsb}, {bits}] does not lie in {register.bits} bits")
        _no_overlap(file, ((f"{key}.fields.{name}", lsb, bits) for name, (lsb, bits) in register.fields.items()))
    # An `out` register of an HLS core is followed by the word with its valid bit.
    spans = [(f"registers.{item.name}", item.offset, item.bits // 8 + 4 * (item.access == "out")) for item in registers]
    _no_overlap(file, spans)


def _check_fp6_dot(file: str, name: str, board: Board) -> None:
    """Two FP6 products a DSP slice; float units and prologue want slices too."""
    size = board.geometry.get("fp6")
    if size is None:
        return
    if board.fp6_dot == "both" and size.banks < 2:
        raise SpecError(file, f"boards.{name}.fp6_dot", "both wants two banks or more; choose lut or dsp")
    slices = size.rows * size.columns * size.lanes * board.fp6_dsp_banks // 2
    room = int(FP6_DSP_SHARE * board.dsps)
    if slices > room:
        problem = (
            f"geometry.fp6 takes {slices} DSP slices, {room} of {board.dsps} may be used; "
            "choose both or lut, or a smaller one"
        )
        raise SpecError(file, f"boards.{name}.fp6_dot", problem)


def _check_boards(spec: Spec) -> None:
    file, families = "boards.toml", spec.formats.families
    geometries = {f"simulation.{name}": geometry for name, geometry in spec.boards.simulation.items()}
    for name, board in spec.boards.boards.items():
        for family, geometry in board.geometry.items():
            key = f"boards.{name}.geometry.{family}"
            if family not in families:
                raise SpecError(file, key, f"unknown family; there are {', '.join(families)}")
            geometries[key] = geometry
        _check_fp6_dot(file, name, board)
    # The smallest group makes the most chunks of a row; one row tile of the longest row must fit even then.
    chunks = spec.contract.max_k // spec.contract.k_multiple
    for key, geometry in geometries.items():
        if geometry.act_depth < chunks:
            problem = f"{geometry.act_depth} cannot hold the {chunks} chunks of a row of max_k = {spec.contract.max_k}"
            raise SpecError(file, f"{key}.act_depth", problem)

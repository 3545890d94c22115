# SPDX-License-Identifier: Apache-2.0
"""The register map under the names that Vitis HLS gives, which Vivado carries into the .hwh and PYNQ reads there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from host._generated import REGISTERS, BitField

__all__ = ["RegisterWord", "register_words"]

BLOCK = ("ctrl", "gier", "ip_ier", "ip_isr")  # of ap_ctrl_hs; Vitis writes these in capitals


@dataclass(frozen=True)
class RegisterWord:
    """32 bits of the map. `access` is as in IP-XACT; `fields` are named in capitals, as Vitis does."""

    name: str
    offset: int
    access: str
    doc: str
    fields: Mapping[str, BitField] = field(default_factory=dict)


def register_words() -> Iterator[RegisterWord]:
    """Every word of hw/spec/registers.toml: a register of 64 bits is two, `<name>_1` (the low half) and `<name>_2`."""
    for register in REGISTERS.values():
        name = register.name.upper() if register.name in BLOCK else register.name
        access = "read-write" if register.access == "rw" else "read-only"
        fields = {part.upper(): bits for part, bits in register.fields.items()}
        if register.bits == 32:
            yield RegisterWord(name, register.offset, access, register.doc, fields)
            continue
        for half, what in enumerate(("bits 31 to 0", "bits 63 to 32")):
            text = f"{register.doc}; {what}"
            yield RegisterWord(f"{name}_{half + 1}", register.offset + 4 * half, access, text)

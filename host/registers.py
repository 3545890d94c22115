# SPDX-License-Identifier: Apache-2.0
"""The control registers as 32-bit words, by the names that Vitis HLS gives them and a hardware handoff (.hwh) carries.

The block's own registers are written in capitals. An argument of 64 bits takes two words, `_1` and `_2`. What the
engine writes has one more word behind it, `_ctrl`, in which the HLS core says whether the value is valid.
"""

from dataclasses import dataclass

from host._generated import REGISTERS, BitField, Register

__all__ = ["WORD_BITS", "Word", "all_words", "register_words"]

WORD_BITS = 32

_BLOCK = {"ctrl": "CTRL", "gier": "GIER", "ip_ier": "IP_IER", "ip_isr": "IP_ISR"}


@dataclass(frozen=True)
class Word:
    """One word: its name in a .hwh, its byte offset, "read-write", "read-only" or "write-only", and its bit fields."""

    name: str
    offset: int
    access: str
    doc: str
    fields: dict[str, BitField]


def register_words(register: Register) -> tuple[Word, ...]:
    """The words that hold a register's value, the least significant one first."""
    if register.name in _BLOCK:
        fields = {name.upper(): field for name, field in register.fields.items()}
        return (Word(_BLOCK[register.name], register.offset, "read-write", register.doc, fields),)
    access = "read-only" if register.access == "out" else "read-write"
    if register.bits <= WORD_BITS:
        return (Word(register.name, register.offset, access, register.doc, {register.name: BitField(0, WORD_BITS)}),)
    return tuple(
        Word(
            f"{register.name}_{half + 1}",
            register.offset + 4 * half,
            access,
            f"{register.doc}, bits {WORD_BITS * half + WORD_BITS - 1}..{WORD_BITS * half}",
            {register.name: BitField(0, WORD_BITS)},
        )
        for half in range(2)
    )


def all_words() -> tuple[Word, ...]:
    """Every word of the control port that holds something, by offset; the valid words of the outputs among them."""
    words: list[Word] = []
    for register in REGISTERS.values():
        words += register_words(register)
        if register.access == "out":
            offset = register.offset + register.bits // 8
            words.append(
                Word(f"{register.name}_ctrl", offset, "read-only", "valid (HLS core)", {"ap_vld": BitField(0, 1)})
            )
    return tuple(sorted(words, key=lambda word: word.offset))

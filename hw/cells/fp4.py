# SPDX-License-Identifier: Apache-2.0
"""The FP4 cells, from the codes that `search` found.

Bits 0 and 1 of a product depend on both magnitudes modulo 4, bits 6 and 7 on which of four sizes each has: a LUT each,
of two and two class bits and the sign. Each middle pair of bits takes a LUT of two intermediate functions, five class
bits in all, and then one or two LUTs of those, further class bits and the sign.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .model import Cell, Class, Lut, Output, table_of

__all__ = ["DUAL", "E2M1", "PLAIN", "UNION"]

E2M1 = (0, 1, 2, 3, 4, 6, 8, 12)
UNION = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12)  # e2m1 and e1m2


@dataclass(frozen=True)
class Found:
    """Codes of one pair of bits. Codes are numbers, one for each magnitude; `final` has (a code, b code) by bit."""

    bits: tuple[int, int]
    a_bits: int  # of the first LUT's a code
    a: tuple[int, ...]
    b: tuple[int, ...]
    tables: tuple[tuple[int, ...], tuple[int, ...]]  # of the intermediate functions; index: a code, then b code
    final: Mapping[tuple[int, ...], tuple[tuple[int, tuple[int, ...]], tuple[int, tuple[int, ...]]]]


def _classes(operand: str, codes: Sequence[int], bits: int) -> list[Class]:
    return [Class(operand, tuple(code >> i & 1 for code in codes)) for i in range(bits)]


class _Builder:
    """Collects classes (equal ones once) and LUTs."""

    def __init__(self, a: tuple[int, ...], b: tuple[int, ...], signed: bool) -> None:
        self.a, self.b, self.signed = a, b, signed
        self.classes: dict[str, Class] = {}
        self.luts: list[Lut] = []

    def inputs(self, a: Sequence[int], a_bits: int, b: Sequence[int], b_bits: int) -> list[str]:
        """Names of the class bits of two codes."""
        names = []
        for new in _classes("a", a, a_bits) + _classes("b", b, b_bits):
            if len(set(new.values)) == 1:
                continue
            found = next((name for name, old in self.classes.items() if old == new), None)
            if found is None:
                count = sum(old.operand == new.operand for old in self.classes.values())
                found = f"{new.operand}{count}"
                self.classes[found] = new
            names.append(found)
        return names

    def nets(self, i: int, j: int, sign: int) -> dict[str, int]:
        nets = {name: c.values[i if c.operand == "a" else j] for name, c in self.classes.items()} | {"s": sign}
        for lut in self.luts:
            index = sum(nets[name] << place for place, name in enumerate(lut.inputs))
            nets |= {output.net: output.table[index] for output in lut.outputs}
        return nets

    def lut(self, inputs: Sequence[str], outputs: Mapping[str, Callable[[int, int, int], int]]) -> None:
        """A LUT whose outputs are functions of (index of a, index of b, sign)."""
        cases = [(i, j, s) for i in range(len(self.a)) for j in range(len(self.b)) for s in (0, 1)]
        nets = [self.nets(*case) for case in cases]
        tables = {
            net: table_of(inputs, [(given, wanted(*case)) for given, case in zip(nets, cases, strict=True)])
            for net, wanted in outputs.items()
        }
        self.luts.append(Lut(tuple(inputs), tuple(Output(net, table) for net, table in tables.items())))

    def product_bits(self, inputs: Sequence[str], *bits: int) -> None:
        def bit(place: int) -> Callable[[int, int, int], int]:
            return lambda i, j, s: (self.a[i] * self.b[j] >> place & 1) ^ (s and self.signed)

        self.lut([*inputs, "s"] if self.signed else inputs, {f"p{place}": bit(place) for place in bits})


def _size(values: Sequence[int], classes: Mapping[int, int]) -> list[int]:
    return [classes.get(value, 0) for value in values]


def _build(name: str, a: tuple[int, ...], middle: Sequence[Found], a_sizes: Mapping[int, int]) -> Cell:
    cell = _Builder(a, E2M1, True)
    cell.product_bits(cell.inputs([v % 4 for v in a], 2, [v % 4 for v in E2M1], 2), 0, 1)
    b_sizes = {6: 1, 8: 2, 12: 3}
    cell.product_bits(cell.inputs(_size(a, a_sizes), 2, _size(E2M1, b_sizes), 2), 6, 7)
    for pair in middle:
        inputs = cell.inputs(pair.a, pair.a_bits, pair.b, 5 - pair.a_bits)
        names = [f"m{pair.bits[0]}{pair.bits[1]}{k}" for k in (0, 1)]

        def intermediate(k: int, pair: Found = pair) -> Callable[[int, int, int], int]:
            return lambda i, j, _s: pair.tables[k][pair.a[i] | pair.b[j] << pair.a_bits]

        cell.lut(inputs, {net: intermediate(k) for k, net in enumerate(names)})
        for bits, ((final_a_bits, final_a), (final_b_bits, final_b)) in pair.final.items():
            cell.product_bits([*names, *cell.inputs(final_a, final_a_bits, final_b, final_b_bits)], *bits)
    result = Cell(name, a, E2M1, 8, cell.classes, tuple(cell.luts))
    result.check()
    return result


def _digits(text: str) -> tuple[int, ...]:
    return tuple(int(character) for character in text)


_RAW = _digits("01234567")
_NONE = (0, _digits("00000000"))

PLAIN = _build(
    "plain",
    E2M1,
    [
        Found(
            bits=(2, 4),
            a_bits=2,
            a=_digits("33023102"),
            b=_RAW,
            tables=(_digits("10111000101111001111110101010011"), _digits("10111111010101111100000001010000")),
            final={(2, 4): ((2, _digits("12223033")), _NONE)},
        ),
        Found(
            bits=(3, 5),
            a_bits=2,
            a=_digits("13203120"),
            b=_RAW,
            tables=(_digits("00010001010110011111011111001110"), _digits("01001110110111111110101110000110")),
            final={(3, 5): ((2, _digits("11330322")), _NONE)},
        ),
    ],
    {6: 1, 8: 2, 12: 3},
)

DUAL = _build(
    "dual",
    UNION,
    [
        Found(
            bits=(4, 5),
            a_bits=3,
            a=_digits("4431776502"),
            b=_digits("00031312"),
            tables=(_digits("01011111111110001001111001111001"), _digits("10100000110100010111010001100111")),
            final={(4, 5): ((1, _digits("0000000011")), (1, _digits("11011000")))},
        ),
        Found(
            bits=(2, 3),
            a_bits=2,
            a=_digits("3023132001"),
            b=_RAW,
            tables=(_digits("11110011100101110101000011111100"), _digits("11110101001000111100101111110101")),
            final={
                (3,): ((2, _digits("0323210100")), (1, _digits("11100000"))),
                (2,): ((2, _digits("3220121031")), (1, _digits("01110100"))),
            },
        ),
    ],
    {6: 1, 7: 1, 8: 2, 12: 3},
)

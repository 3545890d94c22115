# SPDX-License-Identifier: Apache-2.0
"""A multiplier cell: how its operands are recoded, and the LUTs between recoded operands and product.

A cell multiplies magnitudes. Its output is the product's bits, complemented where the sign is set, so that an adder's
free carry-in makes it negative. Operands come as *class bits*: functions of one operand each, made once for a whole row
or column of cells. So a LUT may look at any classes of either operand, not only at its code's bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

__all__ = ["Cell", "CellError", "Class", "Lut", "Output"]


class CellError(Exception):
    """A cell that does not multiply, or has a LUT with too many inputs."""


@dataclass(frozen=True)
class Class:
    """One class bit: of operand "a" or "b", its value for each of the operand's magnitudes in order."""

    operand: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Output:
    """One output of a LUT: a net's name and its value for each combination of the inputs (input 0 counts 1)."""

    net: str
    table: tuple[int, ...]


@dataclass(frozen=True)
class Lut:
    """One LUT site: up to six inputs and one output, or five and two. Inputs are nets, "s", or names of classes."""

    inputs: tuple[str, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        if len(self.inputs) > (6 if len(self.outputs) == 1 else 5) or not 1 <= len(self.outputs) <= 2:
            raise CellError(f"a LUT of {len(self.inputs)} inputs and {len(self.outputs)} outputs does not exist")
        if any(len(output.table) != 1 << len(self.inputs) for output in self.outputs):
            raise CellError(f"the tables of {[output.net for output in self.outputs]} do not fit their inputs")


@dataclass(frozen=True)
class Cell:
    """LUTs in order of evaluation; product bit i is net f"p{i}"."""

    name: str
    a: tuple[int, ...]  # magnitudes of operand a
    b: tuple[int, ...]
    bits: int  # of the product
    classes: Mapping[str, Class]
    luts: tuple[Lut, ...]
    signed: bool = True  # complemented by "s"; else the adder does it

    @property
    def sites(self) -> float:
        """LUT sites of one cell; half a site makes the sign, as two of them share one."""
        return len(self.luts) + 0.5

    def evaluate(self, a: int, b: int, sign: int) -> int:
        """The output for the a-th and b-th magnitude, bit i from net p<i>."""
        nets = {name: c.values[a if c.operand == "a" else b] for name, c in self.classes.items()} | {"s": sign}
        for lut in self.luts:
            index = sum(nets[name] << place for place, name in enumerate(lut.inputs))
            nets |= {output.net: output.table[index] for output in lut.outputs}
        return sum(nets[f"p{i}"] << i for i in range(self.bits))

    def check(self) -> None:
        """Try every pair of magnitudes with both signs; raises CellError on the first wrong product."""
        for (i, a), (j, b), sign in product(enumerate(self.a), enumerate(self.b), (0, 1)):
            wanted = a * b ^ (sign and self.signed) * ((1 << self.bits) - 1)
            found = self.evaluate(i, j, sign)
            if found != wanted:
                raise CellError(f"cell {self.name}: {a} * {b}, sign {sign}, gives {found:#x}, not {wanted:#x}")


def table_of(inputs: Sequence[str], cases: Sequence[tuple[Mapping[str, int], int]]) -> tuple[int, ...]:
    """The table that gives each case (values of all nets, wanted output); raises CellError where two contradict."""
    table: dict[int, int] = {}
    for nets, wanted in cases:
        index = sum(nets[name] << place for place, name in enumerate(inputs))
        if table.setdefault(index, wanted) != wanted:
            raise CellError(f"inputs {tuple(inputs)} do not determine the output")
    return tuple(table.get(index, 0) for index in range(1 << len(inputs)))

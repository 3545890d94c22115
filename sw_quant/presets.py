# SPDX-License-Identifier: Apache-2.0
"""MX and NVFP4 by name: elements, groups and scales. What is done with them is `sw_quant.mx`'s; this needs no torch."""

from dataclasses import dataclass
from typing import Literal

from ._generated import FORMATS, Format
from .codes import values

__all__ = ["PRESETS", "RULES", "Preset", "ScaleRule"]

ScaleRule = Literal["floor", "ceil", "rceil", "even"]
RULES = ("floor", "ceil", "rceil", "even")


@dataclass(frozen=True)
class Preset:
    """An element format, elements a group, and the scale's type."""

    name: str
    element: str
    group: int
    scale: Literal["e8m0", "e4m3"]
    largest_exponent: int  # e of the text above
    mantissa_bits: int

    @property
    def format(self) -> Format:
        """The element's format."""
        return FORMATS[self.element]

    @property
    def largest(self) -> float:
        """The element's largest value."""
        return max(values(self.format))


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("mxfp4", "e2m1", 32, "e8m0", 2, 1),
        Preset("mxfp6_e2m3", "e2m3", 32, "e8m0", 2, 3),
        Preset("mxfp6_e3m2", "e3m2", 32, "e8m0", 4, 2),
        Preset("nvfp4", "e2m1", 16, "e4m3", 2, 1),
    )
}

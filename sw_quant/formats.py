# SPDX-License-Identifier: Apache-2.0
"""Element formats: look-up by name, and the values of their codes (contract section 1.1).

The numbers themselves come from `hw/spec/formats.toml` by way of `_generated.py`.  `float` formats are those of the OCP
Microscaling specification 1.0 where it has them (e2m1, e2m3, e3m2); the dual formats are FPQVAR's (section 3.1).
"""

from functools import cache

import torch
from torch import Tensor

from ._generated import FORMATS, Format, MagnitudeTable
from .errors import UsageError

__all__ = [
    "Format",
    "MagnitudeTable",
    "code_values",
    "default_group",
    "get",
    "resolve",
    "signed_units",
    "term_units",
    "terms",
]


def get(name: str) -> Format:
    """Return the format called `name`; raise `UsageError` with the known names when there is none."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UsageError(f"unknown format '{name}'; the formats are {', '.join(FORMATS)}") from None


def resolve(format: str | Format) -> Format:
    """Accept a format or its name."""
    return get(format) if isinstance(format, str) else format


def default_group(format: Format) -> int | None:
    """The contract's usual group: 128 elements for four-bit floats, a whole row (None) for everything else."""
    return 128 if format.bits == 4 and format.kind != "integer" else None


def sign_index(code: int, format: Format) -> tuple[bool, int]:
    """Split a code into its sign and its magnitude's index."""
    sign_bit = 1 << (format.bits - 1)
    negative = bool(code & sign_bit)
    if format.kind == "integer":
        return negative, 2 * sign_bit - code if negative else code
    return negative, (code & (sign_bit - 1)) + (format.negative_offset if negative else 0)


def _units_of(code: int, format: Format) -> int:
    negative, index = sign_index(code, format)
    if format.kind == "integer":
        return -index if negative else index  # index == magnitude, also for the most negative code
    return -format.negative.magnitudes[index] if negative else format.positive.magnitudes[index]


@cache
def signed_units(format: Format) -> tuple[int, ...]:
    """Per code, its signed magnitude in units of its own sign's table: exact integers, what a multiplier sees."""
    return tuple(_units_of(code, format) for code in range(1 << format.bits))


def code_values(format: str | Format) -> Tensor:
    """float32 [2**bits]: the value of each code before it is scaled.  Minus zero decodes to plain zero."""
    chosen = resolve(format)
    values = [
        units * 2.0 ** (chosen.negative if units < 0 else chosen.positive).unit_log2 for units in signed_units(chosen)
    ]
    return torch.tensor(values, dtype=torch.float32)


def terms(format: Format) -> tuple[MagnitudeTable, ...]:
    """The tables that have a scale of their own: one, or the positive and the negative one of a dual format."""
    return (format.positive, format.negative) if format.kind == "dual" else (format.positive,)


@cache
def term_units(format: Format) -> Tensor:
    """float32 [terms, 2**bits]: per code its signed units, split into the halves of a dual format (zero elsewhere)."""
    units = torch.tensor(signed_units(format), dtype=torch.float32)
    if format.kind != "dual":
        return units[None]
    return torch.stack([units.clamp(min=0), units.clamp(max=0)]) + 0.0  # + 0.0 turns -0 into +0

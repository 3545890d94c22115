# SPDX-License-Identifier: Apache-2.0
"""Element formats: look-up by name, and the values of their codes (contract section 1.1).

The numbers themselves come from `hw/spec/formats.toml` by way of `_generated.py`.  `float` formats are those of the OCP
Microscaling specification 1.0 where it has them (e2m1, e2m3, e3m2); the dual formats are FPQVAR's (section 3.1).
"""

from functools import cache

import torch
from torch import Tensor

from ._generated import FORMATS, Format, MagnitudeTable
from .codes import sign_index, signed_units, terms, values
from .errors import UsageError

__all__ = [
    "Format",
    "MagnitudeTable",
    "code_values",
    "default_group",
    "get",
    "resolve",
    "sign_index",
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


def code_values(format: str | Format) -> Tensor:
    """float32 [2**bits]: the value of each code before it is scaled.  Minus zero decodes to plain zero."""
    return torch.tensor(values(resolve(format)), dtype=torch.float32)


@cache
def term_units(format: Format) -> Tensor:
    """float32 [terms, 2**bits]: per code its signed units, split into the halves of a dual format (zero elsewhere)."""
    units = torch.tensor(signed_units(format), dtype=torch.float32)
    if format.kind != "dual":
        return units[None]
    return torch.stack([units.clamp(min=0), units.clamp(max=0)]) + 0.0  # + 0.0 turns -0 into +0

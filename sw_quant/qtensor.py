# SPDX-License-Identifier: Apache-2.0
"""A quantized tensor: codes, half-precision scales, and the way back to numbers."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import packing
from .errors import UsageError
from .formats import Format, resolve, term_units, terms


@dataclass(frozen=True, eq=False)
class QTensor:
    """Codes with the scales of their groups, quantized along the last dimension K.

    Attributes:
        codes: uint8 [..., K], one code an element.
        scales: float16 [..., groups], or [..., groups, 2] for a dual format: positive, then negative.
        format: the codes' format.
        group: elements of K that share a scale; the last group may be shorter.

    Raises `UsageError` when the shapes or types do not fit each other.
    """

    codes: Tensor
    scales: Tensor
    format: Format
    group: int

    def __post_init__(self) -> None:
        if self.codes.dtype != torch.uint8 or self.scales.dtype != torch.float16:
            found = f"{self.codes.dtype} and {self.scales.dtype}"
            raise UsageError(f"a QTensor has uint8 codes and float16 scales, not {found}")
        if self.group <= 0 or self.codes.ndim == 0:
            raise UsageError(f"a QTensor needs a positive group and a dimension K, not group {self.group}")
        wanted = (*self.shape[:-1], self.groups, *((2,) if self.format.kind == "dual" else ()))
        if tuple(self.scales.shape) != wanted:
            raise UsageError(
                f"scales of {self.format.name} codes {tuple(self.shape)} in groups of {self.group} have the shape "
                f"{wanted}, not {tuple(self.scales.shape)}"
            )

    @property
    def shape(self) -> torch.Size:
        """Shape of the codes: [..., K]."""
        return self.codes.shape

    @property
    def groups(self) -> int:
        """Groups in a row, the shorter last one included."""
        return -(-self.shape[-1] // self.group)

    @property
    def term_scales(self) -> Tensor:
        """float16 [..., groups, terms]: the scales with a last dimension for the halves of a dual format."""
        return self.scales if self.format.kind == "dual" else self.scales[..., None]

    def units(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """[terms, ..., K]: the signed magnitudes in units, split into the halves of a dual format."""
        tables = term_units(self.format).to(self.codes.device, dtype)
        return tables.index_select(1, self.codes.reshape(-1).int()).view(-1, *self.shape)

    def dequantize(self) -> Tensor:
        """float32 [..., K]: magnitude x unit x scale, exact."""
        value = torch.zeros(self.shape, dtype=torch.float32, device=self.codes.device)
        for units, scales, table in zip(self.units(), self.term_scales.unbind(-1), terms(self.format), strict=True):
            step = scales.float() * 2.0**table.unit_log2
            value += units * step.repeat_interleave(self.group, dim=-1)[..., : self.shape[-1]]
        return value

    def pack(self) -> Tensor:
        """uint8 [..., K * bits / 8] on the CPU: each row's codes packed as docs/packing.md shows."""
        return torch.from_numpy(packing.pack(self.codes.cpu().numpy(), self.format.bits))

    @classmethod
    def unpack(cls, packed: Tensor, scales: Tensor, format: str | Format, group: int) -> "QTensor":
        """Undo `pack`; raises `UsageError` when bytes, scales and group do not belong together."""
        chosen = resolve(format)
        codes = torch.from_numpy(packing.unpack(packed.cpu().numpy(), chosen.bits))
        return cls(codes.to(packed.device), scales, chosen, group)

    def to(self, device: torch.device | str) -> "QTensor":
        """The same tensor on another device."""
        return replace(self, codes=self.codes.to(device), scales=self.scales.to(device))

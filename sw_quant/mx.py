# SPDX-License-Identifier: Apache-2.0
"""The neighbours of our formats: OCP Microscaling (MX) and NVIDIA's NVFP4.

| preset | element | group | scale |
| --- | --- | ---: | --- |
| `mxfp4` | e2m1 | 32 | E8M0: a power of two |
| `mxfp6_e2m3`, `mxfp6_e3m2` | e2m3, e3m2 | 32 | E8M0 |
| `nvfp4` | e2m1 | 16 | E4M3, under one single-precision scale for the whole tensor |

How a power of two is found for a group whose largest magnitude is a, with e the exponent of the element format's
largest power of two and m its largest value:

* `floor` (OCP MX specification 1.0, section 6.3): 2^(floor(log2 a) - e). The largest elements may saturate.
* `ceil`: 2^(ceil(log2 a) - e). Nothing saturates; up to a bit is lost.
* `rceil`: the smallest power of two of at least a / m. Nothing saturates, and no more is lost than must be.
* `even`: as `floor`, after a is rounded to the element's mantissa bits: saturates only what would round up anyway.

Elements are then rounded to nearest, ties to even, and saturate. Everything here is exact: scaling by powers of two,
and in double where a quotient is taken.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from . import packing
from ._generated import Format
from .codes import largest_place, place_codes, values
from .errors import FpqvarError, UsageError
from .presets import PRESETS, RULES, Preset, ScaleRule

__all__ = ["PRESETS", "RULES", "MxTensor", "Preset", "ScaleRule", "quantize_mx"]

E8M0_BIAS = 127
E4M3_MAX = 448.0


@dataclass(frozen=True, eq=False)
class MxTensor:
    """Codes uint8 [..., K], scales [..., groups], and for NVFP4 the tensor's scale.

    `scales` are uint8 for E8M0 (an exponent with bias 127) and float8_e4m3fn for NVFP4. `global_scale` is what the
    tensor was *multiplied* by before its groups were scaled, float32 [1]: elements are code * scale / global_scale.
    """

    codes: Tensor
    scales: Tensor
    preset: Preset
    global_scale: Tensor | None = None

    def steps(self) -> Tensor:
        """float64 [..., groups]: what a code of value 1 stands for."""
        if self.preset.scale == "e8m0":
            return torch.ldexp(torch.ones_like(self.scales, dtype=torch.float64), self.scales.int() - E8M0_BIAS)
        assert self.global_scale is not None
        return self.scales.double() / self.global_scale.double()

    def dequantize(self) -> Tensor:
        """float32 [..., K]."""
        table = torch.tensor(values(self.preset.format), dtype=torch.float64, device=self.codes.device)
        steps = self.steps().repeat_interleave(self.preset.group, dim=-1)[..., : self.codes.shape[-1]]
        return (table[self.codes.long()] * steps).float()


@torch.no_grad()
def quantize_mx(x: Tensor, preset: str, rule: ScaleRule = "floor") -> MxTensor:
    """Quantize float32, float16 or bfloat16 [..., K] along its last dimension.

    Args:
        x: K a multiple of the preset's group.
        preset: one of `PRESETS`.
        rule: how a power of two is chosen; NVFP4 has none and takes absmax.

    Raises:
        UsageError: an unknown preset or rule, or a K that does not fit.
        FpqvarError: an element is Inf or NaN.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown preset '{preset}'; the presets are {', '.join(PRESETS)}")
    if rule not in RULES:
        raise UsageError(f"unknown scale rule '{rule}'; the rules are {', '.join(RULES)}")
    chosen = PRESETS[preset]
    if x.ndim == 0 or x.shape[-1] == 0 or x.shape[-1] % chosen.group:
        raise UsageError(f"K = {x.shape[-1] if x.ndim else 0} is not a multiple of {preset}'s group, {chosen.group}")
    if not bool(torch.isfinite(x).all()):
        raise FpqvarError("cannot quantize Inf or NaN; look for the overflow that made it, or for a damaged checkpoint")
    groups = x.float().reshape(*x.shape[:-1], -1, chosen.group)
    absmax = groups.abs().amax(dim=-1)
    if chosen.scale == "e8m0":
        result = MxTensor(x.new_zeros(x.shape, dtype=torch.uint8), _powers(absmax, chosen, rule), chosen)
    else:
        largest = absmax.max().clamp(min=torch.finfo(torch.float32).tiny)
        global_scale = (torch.tensor(E4M3_MAX * chosen.largest, device=x.device) / largest).reshape(1)
        global_scale = torch.where(torch.isfinite(global_scale), global_scale, torch.ones_like(global_scale))
        scales = (absmax / chosen.largest * global_scale).clamp(max=E4M3_MAX).to(torch.float8_e4m3fn)
        result = MxTensor(x.new_zeros(x.shape, dtype=torch.uint8), scales, chosen, global_scale)
    codes = _codes(groups, result.steps(), chosen.format).view(x.shape)
    return MxTensor(codes, result.scales, chosen, result.global_scale)


def _powers(absmax: Tensor, preset: Preset, rule: ScaleRule) -> Tensor:
    """E8M0 scales, uint8, of float32 magnitudes."""
    if rule == "rceil":
        ratio = absmax.double() / preset.largest
        mantissa, exponent = torch.frexp(ratio)  # ratio = mantissa * 2^exponent, mantissa in [0.5, 1)
        power = torch.where(mantissa == 0.5, exponent - 1, exponent)
    else:
        a = absmax
        if rule == "even":  # half of the last kept bit is added to the bits: the carry goes into the exponent
            half = 1 << (23 - preset.mantissa_bits - 1)
            a = (absmax.view(torch.int32) + half).view(torch.float32)
        mantissa, exponent = torch.frexp(a)
        floor = exponent - 1
        power = (floor + (mantissa > 0.5).int() if rule == "ceil" else floor) - preset.largest_exponent
    power = torch.where(absmax == 0, torch.full_like(power, -E8M0_BIAS), power)
    return (power + E8M0_BIAS).clamp_(0, 254).to(torch.uint8)


def _codes(groups: Tensor, steps: Tensor, format: Format) -> Tensor:
    """uint8 codes of float32 [..., groups, group] with steps [..., groups]: to nearest, ties to even, saturated."""
    table = torch.tensor(place_codes(format, "even"), dtype=torch.uint8, device=groups.device)
    limit = largest_place(format)
    half_unit = 2.0 ** (format.positive.unit_log2 - 1)
    dead = (steps == 0)[..., None]
    z = groups.double().abs() / torch.where(dead, torch.inf, steps[..., None] * half_unit)
    z.clamp_(max=limit)
    place = (z.floor() + z.ceil()).long() + torch.signbit(groups) * (2 * limit + 1)
    return torch.where(dead, torch.zeros_like(table[place]), table[place])


def pack_rows(codes: Tensor, bits: int = 4) -> Tensor:
    """uint8 [N, K * bits / 8] of codes [N, K], as docs/packing.md shows. Raises what `packing.pack` raises."""
    return torch.from_numpy(packing.pack(codes.cpu().numpy(), bits))


def unpack_rows(packed: Tensor, bits: int = 4) -> Tensor:
    """The inverse of `pack_rows`."""
    return torch.from_numpy(packing.unpack(packed.cpu().numpy(), bits))

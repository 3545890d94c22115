# SPDX-License-Identifier: Apache-2.0
"""One pass through the transformer that quantizes each linear layer when its input arrives.

The batch goes through twice at once: its first half by the float model, its second by the model quantized so far. So
each layer sees both inputs, and is fitted to give the float model's output from what it will really get. Nothing is
needed but the float model: the images of the pass are its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sw_quant.errors import UsageError
from sw_quant.hadamard import signs
from sw_quant.ptq.gptq import Moments, compensate, fitted, nearest, output_error
from sw_quant.ptq.layers import Choice, QuantizedLinear, transform, untransform_weight
from sw_quant.recipe import GHT_KINDS, ByError, Recipe
from sw_quant.var import LinearLayer, Var

__all__ = ["Calibration", "draw_calibration", "reconstruct"]

_AT_A_TIME = 512  # images that are drawn side by side

Report = Callable[[str, Choice, float], None]
"""Called after each layer with its name, what was chosen, and the relative squared error of its outputs."""


@dataclass(frozen=True)
class Calibration:
    """Images of the float model, as the transformer meets them in training: all scales at once.

    Attributes:
        labels: int64 [2 B], the second half "no class", as guidance asks.
        inputs: [2 B, tokens - first, latent channels].
    """

    labels: Tensor
    inputs: Tensor


def _number(*parts: object) -> int:
    """A number below 2^63 that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "little") >> 1


@torch.no_grad()
def draw_calibration(var: Var, images: int, seed: int, cfg: float, top_k: int, top_p: float) -> Calibration:
    """Draw images of the float model, the classes in turn; none of the seeds is one that `fpqvar` draws with."""
    config, device = var.config, var.lvl_1L.device
    labels = torch.arange(images, device=device) % config.classes
    seeds = [_number("calibration", seed, i) for i in range(images)]
    parts = []
    for start in range(0, images, _AT_A_TIME):
        some = slice(start, start + _AT_A_TIME)
        tokens, _ = var.generate_tokens(labels[some], 0, cfg, top_k, top_p, image_seeds=seeds[some])
        parts.append(var.vqvae.quantize.transformer_inputs(tokens))
    inputs = torch.cat(parts)
    return Calibration(torch.cat((labels, torch.full_like(labels, config.classes))), torch.cat((inputs, inputs)))


@torch.no_grad()
def reconstruct(
    var: Var, calibration: Calibration, recipe: Recipe, report: Report | None = None
) -> dict[str, QuantizedLinear]:
    """Quantize the layers of a float model one after the other, in the order in which they run.

    Args:
        var: the model, on any device.
        calibration: images of it; all rows of a layer's input are in memory at once.
        recipe: one with `by_error`.
        report: told after each layer.

    Raises UsageError when the recipe has no `by_error`.
    """
    by_error = recipe.by_error
    if by_error is None:
        raise UsageError(f"recipe {recipe.name} has no [by_error]; add that table, as best-fp4 has it")
    linears, found = var.linear_layers(), dict[str, QuantizedLinear]()

    def executor(name: str, x: Tensor) -> Tensor:
        plain, quantized = x.chunk(2)
        layer = linears[name]
        rows, quantized_rows = (half.reshape(-1, x.shape[-1]) for half in (plain, quantized))
        choices = _choices(name, layer, rows, by_error, recipe.seed, var.config.shared_adaln)
        found[name], error = _quantize(layer, rows, quantized_rows, choices, recipe.layer(name).weights, by_error.group)
        if report is not None:
            report(name, found[name].choice, error)
        return torch.cat((F.linear(plain, *layer), found[name](quantized)))

    before, var.linear = var.linear, executor
    try:
        var(calibration.labels.repeat(2), calibration.inputs.repeat(2, 1, 1))
    finally:
        var.linear = before
    return found


def _choices(
    name: str, layer: LinearLayer, x: Tensor, by_error: ByError, seed: int, shared_adaln: bool
) -> list[Choice]:
    """What to try: formats of the activations; before mat_qkv and fc1 also smoothing factors and GHT.

    With shared adaLN all blocks have the same factors, so there are signs alone.
    """
    kind = name.rpartition(".")[2]
    if kind not in GHT_KINDS:
        return [Choice(None, False, format) for format in by_error.activations]
    d = signs(x.shape[1], _number("signs", seed, kind if shared_adaln else name)).to(x.device)
    factors = [d] if shared_adaln else [_smoothing(layer.weight, x, exponent) * d for exponent in by_error.smoothing]
    return [Choice(f, ght, format) for f in factors for ght in (False, True) for format in by_error.activations]


def _smoothing(weight: Tensor, x: Tensor, exponent: float) -> Tensor:
    """max|w|^(1-a) / max|x|^a of each channel (SmoothQuant), of geometric mean 1; ones for a = 0."""
    if exponent == 0:
        return torch.ones_like(x[0])
    largest_x, largest_w = (t.abs().amax(dim=0).clamp_min(1e-5) for t in (x, weight))
    factors = largest_w ** (1 - exponent) / largest_x**exponent
    return factors / factors.log().mean().exp()


def _quantize(
    layer: LinearLayer, x: Tensor, quantized: Tensor, choices: Sequence[Choice], format: str, group: int
) -> tuple[QuantizedLinear, float]:
    """Try the choices with weights rounded to nearest, take the one of least error, and compensate that."""
    trials = []
    for choice in choices:
        prepared = QuantizedLinear(choice, format, group, x, x, x).prepare(quantized)
        moments, weight = Moments.of(transform(x, choice), prepared), untransform_weight(layer.weight, choice)
        values, _ = nearest(fitted(weight, moments), moments, format, group)
        trials.append((output_error(weight, values, moments), choice, moments))
    _, choice, moments = min(trials, key=lambda trial: trial[0])
    weight = untransform_weight(layer.weight, choice)
    values, scales = compensate(fitted(weight, moments), moments, format, group)
    result = QuantizedLinear(choice, format, group, values.float(), scales, layer.bias)
    mean = F.linear(result.prepare(quantized).mean(dim=0), result.values)
    result.bias = layer.bias + (F.linear(x.mean(dim=0), layer.weight) - mean)  # the outputs keep their mean
    return result, output_error(weight, values, moments)

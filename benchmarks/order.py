# SPDX-License-Identifier: Apache-2.0
"""Why recipes stand in the order in which they stand: layer errors, the distribution of the next token, images.

    python -m benchmarks.order --model fmnist --device cuda --out order.json

For each variant of a recipe: the error of every kind of layer by itself, from the float model's inputs; the divergence
of the tokens' distribution from the float model's, on images of the float model (teacher forcing), guidance included;
and the Frechet distance of images drawn. Variants take one thing away or add one, so that an explanation can fail.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.report import versions, write_json
from benchmarks.variants import Variant, variants
from sw_quant.evaluation.classifier import load_classifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.evaluation.scorer import Scorer
from sw_quant.executor import GoldenLinears, dense_weight
from sw_quant.fake import fake_quantize
from sw_quant.packed import PackedLayer, PackedModel, Source
from sw_quant.ptq.layers import Choice, transform, untransform_weight
from sw_quant.ptq.reconstruct import Calibration, draw_calibration
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.recipe import LAYER_KINDS, Recipe
from sw_quant.smoothing import Factors, recipe_factors
from sw_quant.var import LinearExecutor, Var
from sw_quant.var.checkpoint import LoadedModel, load_model
from sw_quant.var.sampling import guided

FIRST_SEED = 7_000_000_000  # far from those that `fpqvar table` draws with


class Errors:
    """An executor that computes in float and adds up what a quantized layer would have made of the same inputs.

    Errors are squared, and relative to how much the outputs vary: all in all, of the rounding of the inputs alone, and
    of that of the weights alone. `constant` is the share that is the same in all images, at a place and channel.
    """

    def __init__(self, model: LoadedModel, packed: PackedModel, device: str) -> None:
        self._linears, self._packed = model.var.linear_layers(), packed
        self._golden, self._ratios = GoldenLinears(packed.layers, device), _input_ratios(model, packed, device)
        self.found: dict[str, dict[str, list[float]]] = {}
        self.means: dict[str, Tensor] = {}

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """[..., K] to [..., N], in float."""
        (weight, bias), layer = self._linears[name], self._packed.layers[name]
        y: Tensor = F.linear(x, weight, bias)
        ratio = self._ratios.get(name)
        error = self._golden(name, x if ratio is None else x * ratio) - y
        self.means[name] = error.flatten(0, -2).mean(dim=0)
        spread = (y - y.flatten(0, -2).mean(dim=0)).square().sum()
        self._add(name, "all", error.square().sum() / spread)
        self._add(name, "constant", error.mean(dim=0).square().sum() * len(x) / error.square().sum())
        choice = Choice(ratio, layer.entry.ght, layer.entry.activations)
        rows, own = transform(x.flatten(0, -2), choice), untransform_weight(weight, choice)
        rounded = fake_quantize(rows, choice.activations, layer.entry.group)
        self._add(name, "inputs", F.linear(rounded - rows, own).square().sum() / spread)
        self._add(name, "weights", F.linear(rows, dense_weight(layer, weight.device).t() - own).square().sum() / spread)
        return y

    def _add(self, name: str, what: str, value: Tensor) -> None:
        kinds = self.found.setdefault(what, {kind: [] for kind in LAYER_KINDS})
        kinds[name.rpartition(".")[2]].append(float(value))

    def by_kind(self) -> dict[str, dict[str, float]]:
        """Means over the blocks."""
        return {
            what: {kind: sum(each) / len(each) for kind, each in kinds.items()} for what, kinds in self.found.items()
        }


@torch.no_grad()
def logits(var: Var, executor: LinearExecutor | None, data: Calibration, chunk: int = 64) -> Tensor:
    """With class and without, float32 [2, images, tokens, vocabulary]."""
    before, var.linear = var.linear, executor
    try:
        parts = [var(a, b) for a, b in zip(data.labels.split(chunk), data.inputs.split(chunk), strict=True)]
    finally:
        var.linear = before
    both: Tensor = torch.cat(parts).unflatten(0, (2, -1))
    return both


def compare(var: Var, found: Tensor, wanted: Tensor, cfg: float) -> dict[str, Any]:
    """The guided distributions of the next token, found against wanted."""
    level = var.lvl_1L[0]
    f, w = (guided(both[0], both[1], var.guidance(cfg)) for both in (found, wanted))
    p, q = w.log_softmax(-1), f.log_softmax(-1)

    def divergence(scale: float) -> float:
        return float((p.exp() * (p - (f * scale).log_softmax(-1))).sum(-1).mean())

    kl = (p.exp() * (p - q)).sum(-1).mean(0)
    steps = [round(float(kl[level == step].mean()), 4) for step in range(int(level.max()) + 1)]
    e, e_class, e_none = (t - t.mean(-1, keepdim=True) for t in (f - w, found[0] - wanted[0], found[1] - wanted[1]))
    sharper = {scale: divergence(scale) for scale in (0.95, 1.0, 1.05, 1.1, 1.15, 1.2)}
    return {
        "kl": float(kl.mean()),
        "kl_by_step": steps,
        "entropy": float(-(q.exp() * q).sum(-1).mean()),
        "entropy_float": float(-(p.exp() * p).sum(-1).mean()),
        "logit_error": float(e.square().mean()),
        "logit_error_with_class": float(e_class.square().mean()),
        "branches_correlation": float(
            (e_class * e_none).mean() / (e_class.square().mean() * e_none.square().mean()) ** 0.5
        ),
        "constant_share": float(e.mean(0).square().mean() / e.square().mean()),
        "best_scale_of_logits": min(sharper, key=lambda scale: sharper[scale]),
        "kl_at_that_scale": min(sharper.values()),
    }


def corrected(packed: PackedModel, means: dict[str, Tensor]) -> PackedModel:
    """The same model, each output's mean error taken off its bias."""
    layers = {
        name: PackedLayer(layer.entry, layer.codes, layer.scales, layer.bias - means[name].cpu().numpy())
        for name, layer in packed.layers.items()
    }
    return replace(packed, layers=layers)


def pack(model: LoadedModel, variant: Variant, recipe: Recipe) -> PackedModel:
    """A variant's packed model."""
    factors = recipe_factors(recipe, model)
    if factors is not None:
        kept = {name: f for name, f in factors.layers.items() if name.rpartition(".")[2] in variant.factors}
        ones = {name: torch.ones_like(f) for name, f in factors.layers.items()}
        factors = Factors(ones | kept, factors.model, factors.origin)
    return quantize_model(model, recipe, Source(name=variant.name, sha256=model.sha256), factors=factors)


class Drawn:
    """Draws images and takes their distances: from the test images, and from images of the float model."""

    def __init__(self, model: LoadedModel, images: int, seeds: int, device: str) -> None:
        self._model, self._device = model, device
        self._images, self._seeds = images, seeds
        self._classifier = load_classifier(model.folder / "classifier.safetensors").to(device)
        self._test = Scorer(model.folder, device).reference
        self._float = self._statistics(model.var, seeds)  # of a seed that no variant has

    @torch.no_grad()
    def _statistics(self, var: Var, seed: int) -> Statistics:
        features, batch = [], min(self._images, 2500)
        for start in range(0, self._images, batch):
            numbers = range(start, min(start + batch, self._images))
            labels = torch.tensor([i % self._model.config.classes for i in numbers], device=self._device)
            seeds = [FIRST_SEED + 1_000_003 * seed + i for i in numbers]
            drawn = var.generate(labels, 0, self._model.defaults["cfg"], image_seeds=seeds)
            features.append(self._classifier.see(drawn.mul(255).round().div(255)).features)
        return Statistics.of(torch.cat(features))

    def distances(self, var: Var) -> dict[str, list[float]]:
        """One number a seed; `means` is the part of the distance that the features' means are apart."""
        own = [self._statistics(var, seed) for seed in range(self._seeds)]
        return {
            "frechet_distance": [frechet_distance(each, self._test) for each in own],
            "means": [float((each.mean - self._test.mean).square().sum()) for each in own],
            "from_float": [frechet_distance(each, self._float) for each in own],
            "spread": [float(each.cov.trace() / self._test.cov.trace()) for each in own],
        }


def study(
    model: LoadedModel, variant: Variant, data: Calibration, wanted: Tensor, drawn: Drawn | None, device: str
) -> dict[str, Any]:
    """Everything about one variant."""
    found: dict[str, Any] = {"name": variant.name}
    var = model.var
    if variant.recipe is not None:
        packed = pack(model, variant, variant.recipe)
        for _ in range(2 if variant.corrected else 1):
            # Factors and signs are in these networks' adaLN: each layer gets the inputs that it was made for.
            var = rebuild(packed, device)
            var.vqvae.to(device)
            var.linear = GoldenLinears(packed.layers, device)
            errors = _layer_errors(model, packed, data, device)
            if variant.corrected and "layer_error" not in found:
                packed = corrected(packed, errors.means)
            found["layer_error"] = errors.by_kind()
        found |= compare(var, logits(var, var.linear, data), wanted, model.defaults["cfg"])
    if drawn is not None:
        found |= drawn.distances(var)
    return found


@torch.no_grad()
def _layer_errors(model: LoadedModel, packed: PackedModel, data: Calibration, device: str) -> Errors:
    """Each layer by itself: the float model's inputs, times what adaLN was folded with."""
    errors = Errors(model, packed, device)
    logits(model.var, errors, data, len(data.labels))  # one pass: shares of what is constant need all images
    return errors


def _input_ratios(model: LoadedModel, packed: PackedModel, device: str) -> dict[str, Tensor]:
    """What adaLN multiplies each input by: read off the rows of its shift, which folding multiplies by it."""
    ratios, width, state = {}, model.config.width, model.var.state_dict()
    for block in range(model.config.depth):
        key = f"blocks.{block}.ada_lin.1.weight"
        new, old = torch.from_numpy(packed.floats[key]).float(), state[key].cpu().float()
        for kind, shift in (("mat_qkv", 4), ("fc1", 5)):
            rows = slice(shift * width, (shift + 1) * width)
            at = old[rows].abs().argmax(dim=1, keepdim=True)
            ratios[f"{block}.{kind}"] = (new[rows].gather(1, at) / old[rows].gather(1, at))[:, 0].to(device)
    return ratios


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fmnist")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=128, help="of the float model, that are compared on")
    parser.add_argument("--draw", type=int, default=0, help="images drawn for the distance; 0: none")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--signs", type=int, default=0, help="other draws of the transform's signs, of two recipes")
    parser.add_argument("--only", default="", help="variants whose name has this")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False
    model = load_model(args.model)
    model.var.to(args.device)
    model.var.vqvae.to(args.device)
    limits = model.defaults["cfg"], int(model.defaults["top_k"]), model.defaults["top_p"]
    data = draw_calibration(model.var, args.images, 1, *limits)
    wanted, rows = logits(model.var, None, data), []
    drawn = Drawn(model, args.draw, args.seeds, args.device) if args.draw else None
    for variant in variants(args.signs):
        if args.only in variant.name:
            rows.append(study(model, variant, data, wanted, drawn, args.device))
            print({key: _short(value) for key, value in rows[-1].items()}, flush=True)
    write_json(
        args.out, {**versions(), "model": args.model, "images": args.images, "draw": args.draw, "variants": rows}
    )


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""How long VAR-d30 takes for an image, and for 32, on a GPU: float, and FP4 with a six-bit cache.

    python -m benchmarks.var_speed [--official /path/to/VAR] [--json docs/results/var-h100.json]

`--official` is a checkout of the published code (github.com/FoundationVision/VAR), which is then timed in the same run,
under autocast to half precision as its own example has it. It is not part of this project. Every figure is the median
over whole calls, from labels to images, decoding included; weights are random. FP4 is timed in two ways (see
`sw_quant.var.linears`): fake-quantized, and exact, which are the engine's bits.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from benchmarks.report import device_line, require_cuda, versions, write_json
from sw_quant.hadamard import hadamard_fold_weight
from sw_quant.kvcache import CacheQuantizer
from sw_quant.quantize import layer_signs
from sw_quant.quantizer import quantize
from sw_quant.recipe import Recipe, load_recipe
from sw_quant.var import PRESETS, Var, Vqvae
from sw_quant.var.fast import FastVar
from sw_quant.var.linears import ExactLinears, FakeQuantLinears, Linears, QuantizedLayer

CFG, TOP_K, TOP_P = 4.0, 900, 0.95  # as the published demonstration

# Seconds on an H100 80GB HBM3, measured earlier and not by this script: the official code, and what FPQVAR publishes.
EARLIER = {1: {"official FP16": 0.294, "FPQVAR FP4+KV6": 0.835}, 32: {"official FP16": 0.758, "FPQVAR FP4+KV6": 2.181}}


def median_seconds(call: Callable[[], object], times: int) -> float:
    """Median seconds of whole calls, after three that are not counted."""
    spans = []
    for i in range(times + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        if i >= 3:
            spans.append(time.perf_counter() - start)
    return statistics.median(spans)


def random_var(preset: str) -> Var:
    """A model with random weights on the GPU."""
    torch.manual_seed(0)
    config = PRESETS[preset]
    with torch.device("cuda"):
        vqvae = Vqvae(config.vqvae)
        var = Var(config, vqvae)
    vqvae.eval().requires_grad_(False)
    return var.cuda().eval().requires_grad_(False)


def quantized_layers(var: Var, recipe: Recipe) -> dict[str, QuantizedLayer]:
    """The layers quantized on the GPU. (Signs are not folded into adaLN: of random weights the speed is the same.)"""
    signs = layer_signs(var.config, recipe)
    layers = {}
    for name, (weight, bias) in var.linear_layers().items():
        part = recipe.layer(name)
        if name in signs:
            weight = hadamard_fold_weight(weight, signs[name].to(weight.device))
        k = weight.shape[1]
        group = part.group if isinstance(part.group, int) else k
        q = quantize(weight, part.weights, group=min(group, k))
        layers[name] = QuantizedLayer(q, bias, part.activations, part.ght)
    return layers


def our_seconds(var: Var, images: int, linears: Linears | None, times: int) -> float:
    """Our generator with the model's own layers, or with others."""
    fast = FastVar(var, images, CFG, TOP_K, TOP_P, linears)
    labels = list(range(images))
    return median_seconds(lambda: fast.generate(labels, labels), times)


def official_seconds(checkout: Path, depth: int, images: int, times: int) -> float:
    """The published code on random weights."""
    sys.path.insert(0, str(checkout))
    from models import build_vae_var  # type: ignore[import-not-found, unused-ignore]

    resets = {kind: kind.reset_parameters for kind in (torch.nn.Linear, torch.nn.Conv2d)}
    vae, var = build_vae_var(device="cuda", depth=depth, shared_aln=False)  # which switches initialization off for all
    for kind, reset in resets.items():
        kind.reset_parameters = reset  # type: ignore[method-assign]
    for module in (vae, var):
        module.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
    for parameter in vae.parameters():
        parameter.normal_(std=0.02)
    labels = torch.arange(images, device="cuda")

    def call() -> Tensor:
        with torch.inference_mode(), torch.autocast("cuda", torch.float16):
            drawn: Tensor = var.autoregressive_infer_cfg(
                B=images, label_B=labels, cfg=CFG, top_k=TOP_K, top_p=TOP_P, g_seed=0, more_smooth=False
            )
            return drawn

    return median_seconds(call, times)


def main(
    model: Annotated[str, typer.Option(help="d16, d20, d24 or d30.")] = "d30",
    recipe: Annotated[str, typer.Option(help="A recipe's name or file.")] = "fpqvar-fp4-kv6",
    official: Annotated[Path | None, typer.Option(help="A checkout of the published VAR, to time it too.")] = None,
    times: Annotated[int, typer.Option(min=1, help="Calls to take the median of.")] = 7,
    json: Annotated[Path | None, typer.Option(help="Also write the figures here.")] = None,
) -> None:
    """Time whole images on this machine's GPU."""
    require_cuda()
    if model not in PRESETS or not model.startswith("d"):
        raise SystemExit(f"no published model '{model}'; there are d16, d20, d24, d30")
    print(f"{device_line()}; {model}, random weights, 256 x 256, guidance {CFG}, top-k {TOP_K}, top-p {TOP_P}")
    torch.backends.cudnn.benchmark = True  # of the official code and ours alike
    chosen = load_recipe(recipe)
    rows: list[dict[str, Any]] = []
    for images in (1, 32):
        row: dict[str, Any] = {"images": images}
        if official is not None:
            row["official_fp16_s"] = official_seconds(official, PRESETS[model].depth, images, times)
        var = random_var(model)
        row["float_fp16_s"] = our_seconds(var, images, None, times)
        if chosen.kv_cache is not None:
            var.cache_rounding = CacheQuantizer(chosen.kv_cache)
        layers = quantized_layers(var, chosen)
        row["fake_quant_s"] = our_seconds(var, images, FakeQuantLinears(layers), times)
        row["exact_s"] = our_seconds(var, images, ExactLinears(layers), times)
        del var, layers
        torch.cuda.empty_cache()
        for kind in ("fake_quant", "exact"):
            row[f"{kind}_of_float"] = row[f"{kind}_s"] / row["float_fp16_s"]
        if model == "d30":
            row["measured_earlier_s"] = EARLIER[images]
        print(
            "; ".join(
                f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
        rows.append(row)
    if json is not None:
        write_json(json, {"machine": versions(), "model": model, "recipe": chosen.name, "rows": rows})


if __name__ == "__main__":
    typer.run(main)

# SPDX-License-Identifier: Apache-2.0
"""How long the golden model takes on a CPU for one image of a published VAR, with guidance; random weights serve.

    taskset -c 0,1 python -m benchmarks.golden_cpu [--json docs/results/golden-cpu.json]

Prints wall and CPU seconds from label to image (quantizing the weights and decoding them once is told apart), and the
largest memory of the process. Other work on the machine makes wall time longer, not CPU time.
"""

import resource
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import Progress

from benchmarks.report import device_line, versions, write_json
from sw_quant.executor import GoldenLinears
from sw_quant.kvcache import CacheQuantizer
from sw_quant.packed import PackedLayer
from sw_quant.quantize import layer_signs, quantize_layer
from sw_quant.recipe import load_recipe
from sw_quant.var import PRESETS, Var, Vqvae


def main(
    model: Annotated[str, typer.Option(help="A published model, d16 to d30.")] = "d16",
    recipe: Annotated[str, typer.Option(help="A recipe's name or file.")] = "fpqvar-fp4",
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    json: Annotated[Path | None, typer.Option(help="Also write the figures here.")] = None,
) -> None:
    """Time one image of the golden model."""
    torch.set_num_threads(threads)
    print(f"{device_line()}; {model}, random weights, {recipe}, one image with guidance")
    config, chosen = PRESETS[model], load_recipe(recipe)
    torch.manual_seed(0)
    vqvae = Vqvae(config.vqvae).eval().requires_grad_(False)
    var = Var(config, vqvae).eval().requires_grad_(False)
    signs = layer_signs(config, chosen)
    start = time.perf_counter()
    layers: dict[str, PackedLayer] = {}
    with Progress() as progress:
        for name, layer in progress.track(var.linear_layers().items(), description="quantizing"):
            layers[name] = quantize_layer(name, layer, chosen, signs.get(name))
    for block in var.each_block():  # their place is taken by the packed ones
        for linear in (block.attn.mat_qkv, block.attn.proj, block.ffn.fc1, block.ffn.fc2):
            linear.weight.data = torch.empty(0)
    var.linear = GoldenLinears(layers)
    if chosen.kv_cache is not None:
        var.cache_rounding = CacheQuantizer(chosen.kv_cache)
    prepared = time.perf_counter() - start
    wall, cpu = time.perf_counter(), time.process_time()
    with Progress() as progress:
        task = progress.add_task("drawing")
        var.generate(
            torch.tensor([0]),
            cfg=4.0,
            image_seeds=[0],
            progress=lambda done, of: progress.update(task, completed=done, total=of),
        )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"quantized and prepared in {prepared:.1f} s; image: {wall:.1f} s wall, {cpu:.1f} s CPU; {memory:.2f} GiB")
    if json is not None:
        figures = {"prepare_s": prepared, "wall_s": wall, "cpu_s": cpu, "memory_gib": memory}
        write_json(json, {"machine": versions(), "model": model, "recipe": chosen.name, "threads": threads, **figures})


if __name__ == "__main__":
    typer.run(main)

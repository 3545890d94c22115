# SPDX-License-Identifier: Apache-2.0
"""`fpqvar export`: weights in the formats of other software."""

from pathlib import Path
from typing import Annotated

import typer

from host.cli.model import load
from sw_quant.errors import UsageError

__all__ = ["export"]


def export(
    model: Annotated[str, typer.Argument(help="fmnist, d16 to d36, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors and config.json.")],
    preset: Annotated[str, typer.Option(help="nvfp4, mxfp4 or mxfp6_e2m3.")] = "nvfp4",
    rule: Annotated[str, typer.Option(help="How mx finds a power of two: floor, ceil, rceil or even.")] = "floor",
    replace: Annotated[bool, typer.Option("--replace", help="Replace an older folder.")] = False,
) -> None:
    """Write the transformer's linear layers in NVFP4, MXFP4 or MXFP6, with the names that compressed-tensors uses.

    [bold]fpqvar export fmnist --preset nvfp4 --out out/fmnist-nvfp4[/bold]
        codes, E4M3 scales, and the factor that the weights were multiplied by; see docs/quantization.md
    """
    from sw_quant.interchange import FORMAT_NAMES, read_compressed, write_compressed
    from sw_quant.mx import RULES

    if preset not in FORMAT_NAMES:
        raise UsageError(f"unknown preset {preset!r}; known: {', '.join(FORMAT_NAMES)}")
    if rule not in RULES:
        raise UsageError(f"unknown rule {rule!r}; known: {', '.join(RULES)}")
    if not replace and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; choose another folder, or give --replace")
    layers = load(model).var.linear_layers()
    write_compressed(layers, out, preset, rule, replace)  # type: ignore[arg-type]  # checked above
    errors = {
        name: float((found.weight.dequantize() - layers[name].weight).norm() / layers[name].weight.norm())
        for name, found in read_compressed(out).items()
    }
    mean = sum(errors.values()) / len(errors)
    typer.echo(f"{out}: {len(errors)} layers in {preset}, relative error of the weights {mean:.4f} on average")

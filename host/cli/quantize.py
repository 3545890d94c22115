# SPDX-License-Identifier: Apache-2.0
"""`fpqvar quantize`: from a checkpoint to a packed model."""

from pathlib import Path
from typing import Annotated

import typer

from host.cli.model import FORMATS, choose_recipe, load, pack
from host.cli.progress import Ticks
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable

__all__ = ["quantize"]


def quantize(
    model: Annotated[str, typer.Argument(help="fmnist, d16 to d36, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option(help="Folder for the packed model; must be new or empty.")],
    format: Annotated[str, typer.Option(help="fp4, fp6, int4 or int8.")] = "fp4",
    recipe: Annotated[str | None, typer.Option(help="A shipped recipe or a .toml file, instead of --format.")] = None,
    factors: Annotated[
        Path | None, typer.Option(help="Smoothing factors: a file of `calibrate`, or the FPQVAR authors' files.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an older model in the folder.")] = False,
) -> None:
    """Quantize a model and pack it to real bits: a folder that `generate --model` and a board read.

    [bold]fpqvar quantize fmnist --format fp6 --out out/fmnist-fp6[/bold]

    [bold]fpqvar quantize d30 --recipe fp4-ght --out out/d30-fp4[/bold]
        one of the shipped recipes: fpqvar-fp4, fpqvar-fp4-galt, fpqvar-fp6, best-fp4, int4-rtn, litevar-int4, ...

    [bold]fpqvar quantize d16 --recipe mine.toml --out out/mine[/bold]
        your own; copy one of sw_quant/recipes/ to start with
    """
    from sw_quant.packed import save_packed

    if factors is not None and not factors.exists():
        raise UsageError(f"{factors}: no such file; learn factors with `fpqvar calibrate`")

    if recipe is None and format == FORMATS[-1]:
        raise UsageError("--format float is not a quantized one; choose fp4, fp6, int4 or int8")
    chosen = choose_recipe(format, recipe)
    if not replace and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; choose another folder, or give --replace")
    ensure_writable(out.absolute().parent)
    packed = pack(load(model), model, chosen, Ticks(), factors)
    save_packed(packed, out, replace)
    elements = sum(layer.entry.n * layer.entry.k for layer in packed.layers.values())
    typer.echo(
        f"{out}: {len(packed.layers)} layers by {chosen.name}, {packed.weight_bytes / 1e6:.1f} MB, "
        f"{packed.weight_bytes * 8 / elements:.3f} bits a weight"
    )
    if off := chosen.off_engine():
        typer.echo(f"for study only: no engine quantizes the activations of {', '.join(off)} as this recipe does")

# SPDX-License-Identifier: Apache-2.0
"""`fpqvar twin`: the same model with a large model's outlier channels."""

from pathlib import Path
from typing import Annotated

import typer

from host.cli.model import load
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable

__all__ = ["twin"]


def twin(
    model: Annotated[str, typer.Argument(help="fmnist, d16 to d36, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; must be new or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws the factors.")] = 0,
    sigma: Annotated[float, typer.Option(min=0, help="Standard deviation of the factors' natural logarithm.")] = 1.0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an older model in the folder.")] = False,
) -> None:
    """Write a model's outlier twin: the same images in float, much harder to quantize.

    Channels of adaLN's output are multiplied by factors, powers of two near a log-normal draw, and the columns of
    the next weight are divided by them: a small model gets the outlier channels of a large one. Factors of GALT that
    lie beside the model are written too, times the twin's: quantized with them it is what the model is.

    [bold]fpqvar twin fmnist --out out/twin[/bold]

    [bold]fpqvar evaluate --model out/twin --recipes float,fp4-rtn,fp4-ght --images 500 --out out/twin-quality[/bold]

    With the defaults the twin needs no folder: [bold]--model fmnist-twin[/bold] names it in every command.
    """
    from sw_quant.smoothing import scaled_factors
    from sw_quant.twin import outlier_profile, outlier_twin
    from sw_quant.var.store import save_model

    if not replace and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; choose another folder, or give --replace")
    ensure_writable(out.absolute().parent)
    loaded = load(model)
    profile = outlier_profile(loaded.config, seed, sigma)
    smooth = scaled_factors(loaded, profile)
    save_model(outlier_twin(loaded, seed, sigma), out, replace, smooth)
    factors = [float(f) for own in profile.values() for f in own]
    typer.echo(f"{out}: the twin of {model}, factors from {min(factors):g} to {max(factors):g}")
    typer.echo(
        f"{', '.join(smooth)}: the model's factors of GALT, rescaled for the twin"
        if smooth
        else f"no factors of GALT beside {model}; learn the twin's with `fpqvar calibrate {out}`, name them in a recipe"
    )

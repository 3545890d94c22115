# SPDX-License-Identifier: Apache-2.0
"""`fpqvar calibrate` and `fpqvar search`: what is learnt of a model before it is quantized."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from host.cli.model import choose_recipe, load, words
from host.cli.progress import Bar, Ticks
from host.cli.report import versions, write_json
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable, new_file

if TYPE_CHECKING:
    from torch import Tensor

    from sw_quant.calibration.capture import Captures
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["calibrate", "capture_inputs", "search"]

PARTIAL, PARTIAL_ERRORS = "partial.safetensors", "partial.json"  # of layers learnt before an interruption
_IMAGES = typer.Option(min=1, help="Images that the float model draws to be watched.")
_ROWS = typer.Option(min=1, help="Rows kept of each layer and scale step.")
_DEVICE = typer.Option(help="cpu or cuda.")


def calibrate(
    model: Annotated[str, typer.Argument(help="fmnist, d16 to d36, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option(help="Folder for the captures and factors.safetensors.")],
    recipe: Annotated[str, typer.Option(help="Learn for this recipe's formats and transforms.")] = "fpqvar-fp4",
    images: Annotated[int, _IMAGES] = 128,
    rows: Annotated[int, _ROWS] = 256,
    iterations: Annotated[int, typer.Option(min=1, help="Of AdamW, for each block.")] = 100,
    rate: Annotated[float, typer.Option(min=1e-6, help="Learning rate.")] = 0.01,
    blocks: Annotated[int, typer.Option(min=1, help="Blocks learnt side by side.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of the images and of the samples.")] = 0,
    device: Annotated[str, _DEVICE] = "cpu",
) -> None:
    """Learn smoothing factors (GALT) for mat_qkv and fc1.

    Captures the layers' inputs while the float model draws images, then learns each block's factors under the recipe's
    transform and quantizer. What is done is kept: an interrupted run goes on where it stopped.

    [bold]fpqvar calibrate fmnist --out out/galt[/bold]
    [bold]fpqvar quantize fmnist --recipe fpqvar-fp4 --factors out/galt/factors.safetensors --out out/fmnist-fp4[/bold]

    [bold]fpqvar calibrate d30 --images 32 --device cuda --blocks 30 --out out/galt-d30[/bold]
    """
    from sw_quant.calibration.galt import Options, learn
    from sw_quant.quantize import layer_signs
    from sw_quant.smoothing import SMOOTHED, Factors, save_factors

    chosen = choose_recipe(None, recipe)
    if off := [name for name in chosen.off_engine() if name.rpartition(".")[2] in SMOOTHED]:
        raise UsageError(f"recipe {chosen.name}: factors are learnt for the contract's quantizer, not for {off}'s")
    ensure_writable(out)
    loaded, ticks = load(model), Ticks()
    if loaded.config.shared_adaln:
        raise UsageError(f"{model} has shared adaLN: its blocks cannot have factors of their own")
    captures = capture_inputs(loaded, SMOOTHED, out / "captures", images, rows, seed, device, ticks)
    signs, linears = layer_signs(loaded.config, chosen), loaded.var.linear_layers()
    run = f"{loaded.sha256}\n{chosen.model_dump_json()}\n{iterations} {rate} {images} {rows} {seed}"
    done, errors = _partial(out, run)
    total = loaded.config.depth * len(SMOOTHED)
    with ticks.bar(f"learn factors of {model} for {chosen.name}", total * iterations) as bar:
        bar.add(len(done) * iterations)
        for kind in SMOOTHED:
            names = [f"{block}.{kind}" for block in range(loaded.config.depth) if f"{block}.{kind}" not in done]
            for start in range(0, len(names), blocks):
                part = names[start : start + blocks]
                samples = {name: [x.to(device) for x in captures.layer(name)] for name in part}
                options = Options(iterations, rate, seed=seed)
                layers = {name: type(linears[name])(*(t.to(device) for t in linears[name])) for name in part}
                advance = partial(_advance, bar, len(part))
                state = out / "state.pt"
                found = learn(samples, layers, signs, chosen.layer(kind), options, advance, state, run)
                for name, item in found.items():
                    done[name] = item.factors
                    errors[name] = [item.before, item.after]
                write_json(out / PARTIAL_ERRORS, {"errors": errors})
                save_factors(Factors(done, loaded.sha256, notes=run), out / PARTIAL)
    notes = f"GALT for {chosen.name}: {images} images, {iterations} iterations"
    save_factors(Factors(done, loaded.sha256, notes=notes), out / "factors.safetensors")
    report = {"model": model, "recipe": chosen.model_dump(), "images": images, "rows": rows, "iterations": iterations}
    write_json(out / "report.json", report | {"errors": errors, "versions": versions()})
    table = Table(title=f"{notes}: relative output error")
    for heading in ("layer", "without", "with factors"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for name, (before, after) in errors.items():
        table.add_row(name, f"{before:.3e}", f"{after:.3e}")
    Console().print(table)
    for file in (PARTIAL, PARTIAL_ERRORS):
        (out / file).unlink()
    typer.echo(f"{out / 'factors.safetensors'}: give it to `fpqvar quantize --factors`")


def search(
    model: Annotated[str, typer.Argument(help="fmnist, d16 to d36, or a checkpoint's path.")],
    out: Annotated[Path, typer.Option(help="The recipe to write, a .toml file.")],
    recipe: Annotated[str, typer.Option(help="Groups and transforms, and what to compare with.")] = "fp4-rtn",
    weights: Annotated[str, typer.Option(help="Formats to choose from for weights.")] = "e2m1,e1m2,e3m0",
    activations: Annotated[str, typer.Option(help="Formats to choose from for activations.")] = "e2m1,e1m2,e3m0,dual4",
    captures: Annotated[Path | None, typer.Option(help="Folder for the captures; default: beside the recipe.")] = None,
    images: Annotated[int, _IMAGES] = 32,
    rows: Annotated[int, _ROWS] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of the images and of the samples.")] = 0,
    device: Annotated[str, _DEVICE] = "cpu",
) -> None:
    """Choose each layer's formats by the error of its output (MixedFormat), and write a recipe.

    [bold]fpqvar search fmnist --out mixed-fp4.toml[/bold]
    [bold]fpqvar evaluate --recipes fp4-rtn,mixed-fp4.toml --images 500 --out out/mixed[/bold]

    [bold]fpqvar search fmnist --recipe fpqvar-fp4 --weights e2m1 --activations e2m1,dual4 --out engine.toml[/bold]
        only what an FP4 engine multiplies
    """
    from sw_quant._generated import FORMATS
    from sw_quant.calibration.search import recipe_text
    from sw_quant.calibration.search import search as choose_formats
    from sw_quant.recipe import LAYER_KINDS, load_recipe

    chosen = choose_recipe(None, recipe)
    lists = {"--weights": words(weights, "--weights"), "--activations": words(activations, "--activations")}
    for option, names in lists.items():
        for name in names:
            if name not in FORMATS or (option == "--weights" and FORMATS[name].kind == "dual"):
                raise UsageError(f"{option}: {name!r} is no format for them; known: {', '.join(FORMATS)}")
    if out.suffix != ".toml":
        raise UsageError(f"--out {out}: a recipe is a .toml file")
    loaded, ticks = load(model), Ticks()
    folder = captures or out.with_suffix(".captures")
    taken = capture_inputs(loaded, LAYER_KINDS, folder, images, rows, seed, device, ticks)
    with ticks.bar(f"choose formats for {model}", 1.0) as bar:
        found = choose_formats(
            loaded, chosen, taken, lists["--weights"], lists["--activations"], lambda done, total: bar.set(done / total)
        )
    text = recipe_text(chosen, found, f"formats chosen by layer, from {chosen.name}, on {images} images of {model}")
    with new_file(out) as aside:
        aside.write_text(text, encoding="utf-8")
    load_recipe(str(out))
    changed = sum(item.part != chosen.layer(name) for name, item in found.items())
    before, after = (sum(getattr(item, key) for item in found.values()) / len(found) for key in ("before", "error"))
    typer.echo(f"{out}: {changed} of {len(found)} layers changed, mean output error {before:.3e} to {after:.3e}")


def _advance(bar: Bar, layers: int, _done: int, _total: int) -> None:
    bar.add(layers)


def capture_inputs(
    loaded: "LoadedModel",
    kinds: tuple[str, ...],
    folder: Path,
    images: int,
    rows: int,
    seed: int,
    device: str,
    ticks: Ticks,
) -> "Captures":
    """Inputs of the layers of some kinds, from images that the float model draws; what is in `folder` is used."""
    from sw_quant.calibration.capture import Plan, capture, every_layer

    defaults = loaded.defaults
    plan = Plan(
        loaded.sha256,
        images,
        rows,
        every_layer(loaded, kinds),
        len(loaded.config.patch_sizes),
        seed,
        defaults["cfg"],
        int(defaults["top_k"]),
        defaults["top_p"],
    )
    with ticks.bar(f"capture inputs from {images} images", 1.0) as bar:
        return capture(loaded, plan, folder, 16, device, lambda done, total: bar.set(done / total))


def _partial(out: Path, run: str) -> "tuple[dict[str, Tensor], dict[str, list[float]]]":
    """What an interrupted run has learnt already, if it was the same run: factors, and errors before and after."""
    from sw_quant.smoothing import load_factors

    if not (out / PARTIAL).exists() or not (out / PARTIAL_ERRORS).exists():
        return {}, {}
    found = load_factors(out / PARTIAL)
    if found.notes != run:
        return {}, {}
    return dict(found.layers), json.loads((out / PARTIAL_ERRORS).read_text(encoding="utf-8"))["errors"]

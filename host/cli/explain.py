# SPDX-License-Identifier: Apache-2.0
"""`fpqvar explain`: pictures of what quantization does to a layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from host.cli.calibrate import capture_inputs
from host.cli.model import choose_recipe, load
from host.cli.progress import Ticks
from host.cli.report import write_json
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable, new_file

if TYPE_CHECKING:
    from torch import Tensor

    from sw_quant.explain import Channels, FormatError

__all__ = ["explain"]


def explain(
    out: Annotated[Path, typer.Option(help="Folder for the pictures and explain.json.")],
    layer: Annotated[str, typer.Option(help='A layer, such as "3.fc2".')] = "3.fc2",
    model: Annotated[str, typer.Option(help="fmnist, fmnist-twin, d16 to d36, or a checkpoint's path.")] = "fmnist",
    recipe: Annotated[str, typer.Option(help="Whose transforms, factors and formats.")] = "fpqvar-fp4",
    factors: Annotated[Path | None, typer.Option(help="Smoothing factors, where the recipe names none.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Images that the float model draws to be watched.")] = 16,
    rows: Annotated[int, typer.Option(min=1, help="Rows kept of each layer and scale step.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of the images and of the samples.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Draw a layer's weights and inputs against the formats' grids, its channels before and after GHT and GALT, and the
    output error of every layer by scale step.

    [bold]fpqvar explain --layer 3.fc2 --out out/explain[/bold]
    [bold]fpqvar explain --model fmnist-twin --layer 2.mat_qkv --recipe fpqvar-fp4-galt --out out/twin[/bold]
    """
    from sw_quant import explain as numbers
    from sw_quant.quantize import layer_signs
    from sw_quant.recipe import LAYER_KINDS
    from sw_quant.smoothing import load_factors, recipe_factors

    chosen = choose_recipe(None, recipe)
    if off := chosen.off_engine():
        raise UsageError(f"recipe {chosen.name} quantizes {', '.join(off)} in a way that is not drawn here")
    ensure_writable(out)
    loaded, ticks = load(model), Ticks()
    linears = loaded.var.linear_layers()
    if layer not in linears:
        raise UsageError(f"no layer {layer!r}; the model has {', '.join(list(linears)[:4])}, ... {list(linears)[-1]}")
    found = load_factors(factors) if factors is not None else recipe_factors(chosen, loaded)
    if found is not None:
        found.check(loaded.config, loaded.sha256)
    smooth = {} if found is None else dict(found.layers)
    taken = capture_inputs(loaded, LAYER_KINDS, out / "captures", images, rows, seed, device, ticks)
    samples = {name: taken.layer(name) for name in taken.plan.layers}
    signs = layer_signs(loaded.config, chosen)
    weight = linears[layer].weight.detach().float().cpu()
    inputs = _joined(samples[layer])
    group = chosen.layer(layer).group
    size = group if isinstance(group, int) else weight.shape[1]
    formats = {"weights": numbers.format_errors(weight), "inputs": numbers.format_errors(inputs)}
    data = {"weights": numbers.scaled(weight, size), "inputs": numbers.scaled(inputs, size)}
    seen = numbers.channels(samples[layer], signs.get(layer), smooth.get(layer))
    with ticks.bar("output errors", len(samples)) as bar:
        errors: dict[str, list[float]] = {}
        for name in samples:
            errors |= numbers.layer_errors({name: samples[name]}, linears, signs, smooth, {name: chosen.layer(name)})
            bar.add(1)
    title = f"{model}, {chosen.name}, layer {layer}"
    _draw_formats(out / "formats.png", title, data, formats, size)
    _draw_channels(out / "channels.png", title, seen)
    _draw_errors(out / "errors.png", f"{model}, {chosen.name}", errors)
    report: dict[str, Any] = {"model": model, "recipe": chosen.name, "layer": layer, "output_errors": errors}
    report["format_errors"] = {kind: {item.format: item.error for item in items} for kind, items in formats.items()}
    write_json(out / "explain.json", report)
    for name in ("formats.png", "channels.png", "errors.png", "explain.json"):
        typer.echo(str(out / name))


def _joined(steps: "list[Tensor]") -> "Tensor":
    import torch

    return torch.cat(steps)


def _figure(rows: int, columns: int, width: float, height: float) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    with new_file(path) as aside:
        figure.savefig(aside, format="png", dpi=120)
    plt.close(figure)


def _draw_formats(
    path: Path, title: str, data: "dict[str, Tensor]", formats: "dict[str, list[FormatError]]", size: int
) -> None:
    figure, axes = _figure(1, 2, 12, 4.5)
    for axis, (kind, items) in zip(axes[0], formats.items(), strict=True):
        axis.hist(data[kind].numpy(), bins=200, range=(-1, 1), density=True, color="0.6")
        top = axis.get_ylim()[1]
        for number, item in enumerate(items):
            height = top * (1.05 + 0.09 * number)
            text = f"{item.format}: error {item.error:.2e}"
            axis.plot(item.grid, [height] * len(item.grid), "|", markersize=9, color=f"C{number}", label=text)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, reverse=True)
        axis.set_xlim(-1.02, 1.02)
        axis.set_xlabel(f"{kind}, over the largest magnitude of their group of {size}")
        axis.set_ylabel("density; above: the formats' grids")
    figure.suptitle(title)
    _save(figure, path)


def _draw_channels(path: Path, title: str, seen: "Channels") -> None:
    import torch

    figure, axes = _figure(1, 1, 10, 4.5)
    shown = {"as it comes": seen.plain, "after GHT": seen.transformed}
    shown |= {"after GALT": seen.smoothed} if seen.smoothed is not None else {}
    shown |= {"after GALT and GHT": seen.both} if seen.both is not None else {}
    for label, absmax in shown.items():
        ordered = torch.sort(absmax, descending=True).values
        spread = float(ordered[0] / ordered.median())
        text = f"{label}: largest over median {spread:.1f}"
        axes[0][0].semilogy(ordered.clamp(min=1e-6).numpy(), label=text)
    axes[0][0].set_xlabel("input channels, the largest first")
    axes[0][0].set_ylabel("largest magnitude")
    axes[0][0].legend()
    figure.suptitle(title)
    _save(figure, path)


def _draw_errors(path: Path, title: str, errors: dict[str, list[float]]) -> None:
    kinds = sorted({name.partition(".")[2] for name in errors}, key=["mat_qkv", "proj", "fc1", "fc2"].index)
    figure, axes = _figure(1, len(kinds), 4 * len(kinds), 4)
    for axis, kind in zip(axes[0], kinds, strict=True):
        rows = [values for name, values in errors.items() if name.endswith(f".{kind}")]
        image = axis.imshow(rows, aspect="auto", cmap="viridis")
        axis.set_title(kind)
        axis.set_xlabel("scale step")
        axis.set_ylabel("block")
        figure.colorbar(image, ax=axis, shrink=0.8)
    figure.suptitle(f"{title}: relative squared error of the layers' outputs")
    _save(figure, path)

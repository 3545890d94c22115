# SPDX-License-Identifier: Apache-2.0
"""`fpqvar evaluate`: image quality of several recipes side by side."""

import copy
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from host.cli.draw import Sampling, draw, image_seed
from host.cli.model import FLOAT, choose_recipe, load, pack
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import ensure_writable, new_file

if TYPE_CHECKING:
    from sw_quant.evaluation.scorer import Scorer
    from sw_quant.recipe import Recipe
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["evaluate"]

DEFAULT_RECIPES = "float,fpqvar-fp6,fp4-rtn,fp4-dfq,fp4-ght,fpqvar-fp4"
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class _Run:
    """What has to be the same for results to stand in one table."""

    model: str
    checkpoint_sha256: str
    images: int
    seed: int
    sampling: dict[str, Any]


def evaluate(
    out: Annotated[Path, typer.Option(help="Folder for results.json, results.md and one file a recipe.")],
    model: Annotated[
        str, typer.Option(help="A model that comes with a classifier and reference statistics.")
    ] = "fmnist",
    recipes: Annotated[
        str, typer.Option(help='Names or .toml files, separated by commas; "float" is the plain model.')
    ] = DEFAULT_RECIPES,
    images: Annotated[int, typer.Option(min=2, help="Images of each recipe, spread evenly over the classes.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Every recipe draws with the same seeds.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda; the bits of the linear layers are the same.")] = "cpu",
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 100,
    cfg: Annotated[float | None, typer.Option(help="Guidance; default: the model's.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Default: the model's.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Default: the model's.")] = None,
) -> None:
    """Score recipes: class accuracy and Fréchet distance, the linear layers by the golden model.

    The Fréchet distance is taken on the features of the model's own classifier, so it is not FID. A recipe that has
    been done is not done again, so an interrupted evaluation goes on where it stopped.

    [bold]fpqvar evaluate --recipes float,fp4-rtn,fpqvar-fp4 --images 500 --out out/quick[/bold]

    [bold]fpqvar evaluate --images 10000 --batch 1000 --device cuda --out out/evaluation[/bold]
    """
    import torch

    from sw_quant.evaluation.scorer import Scorer

    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}; known: {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")
    names = [name.strip() for name in recipes.split(",")]
    chosen = {name: None if name == FLOAT else choose_recipe(None, name) for name in names}
    ensure_writable(out)
    loaded, ticks = load(model), Ticks()
    scorer = Scorer(loaded.folder, device)
    torch.backends.cudnn.allow_tf32 = False  # the float parts too are to be float32
    sampling = Sampling.of(loaded.defaults, cfg, top_k, top_p)
    run = _Run(model, loaded.sha256, images, seed, asdict(sampling))
    results = []
    for name, recipe in chosen.items():
        file = out / (re.sub(r"[^\w.-]", "_", name) + ".json")
        found = _already(file, run, recipe)
        if found is None:
            found = _score(loaded, name, recipe, run, scorer, sampling, batch, device, ticks)
            write_json(file, found)
        results.append(found)
    write_json(out / "results.json", asdict(run) | {"results": results})
    with new_file(out / "results.md") as aside:
        aside.write_text(_markdown(results, run), encoding="utf-8")
    Console().print(_table(results, run))
    typer.echo(f"{out / 'results.json'}  {out / 'results.md'}")


def _already(file: Path, run: _Run, recipe: "Recipe | None") -> dict[str, Any] | None:
    """The result of an earlier run, if there is one; raises FpqvarError if it is of another run."""
    if not file.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        before = {key: found["run"][key] for key in asdict(run)} | {"recipe": found["recipe"]}
    except (ValueError, KeyError, TypeError) as error:
        raise FpqvarError(f"{file} is no result of `fpqvar evaluate`; remove it, or choose another --out") from error
    wanted = json.loads(json.dumps(asdict(run))) | {"recipe": recipe.model_dump() if recipe else None}
    for key, value in wanted.items():
        if before[key] != value:
            raise FpqvarError(
                f"{file} was made with {key} {before[key]}, not {value}; choose another --out, or remove the file"
            )
    return found


def _score(
    loaded: "LoadedModel",
    name: str,
    recipe: "Recipe | None",
    run: _Run,
    scorer: "Scorer",
    sampling: Sampling,
    batch: int,
    device: str,
    ticks: Ticks,
) -> dict[str, Any]:
    """Draw the images of one recipe and score them."""
    from sw_quant.executor import GoldenLinears
    from sw_quant.quantize import rebuild

    if recipe is None:
        var = copy.deepcopy(loaded.var).to(device)  # the other recipes start from the model as it was loaded
        var.vqvae.to(device)
    else:
        packed = pack(loaded, run.model, recipe, ticks)
        var = rebuild(packed, device)
        var.linear = GoldenLinears(packed.layers, device)
    classes = len(loaded.class_names)
    labels = [i % classes for i in range(run.images)]
    seeds = [image_seed(run.seed, label, i // classes) for i, label in enumerate(labels)]
    drawn, seconds = draw(var, labels, seeds, sampling, batch, ticks, f"{run.images} images, {name}")
    score = scorer.score(drawn, labels)
    return {
        "name": name,
        "recipe": recipe.model_dump() if recipe else None,
        "run": asdict(run),
        **asdict(score),
        "seconds": round(seconds, 1),
        "device": device,
        "versions": versions(),
        "machine": machine(),
    }


def _columns(result: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        result["name"],
        f"{result['class_accuracy']:.3f}",
        f"{result['frechet_distance']:.2f}",
        f"{result['seconds']:.0f}",
    )


_HEADINGS = ("recipe", "class accuracy", "Fréchet distance", "seconds")


def _title(run: _Run) -> str:
    return f"{run.model}, {run.images} images a recipe, seed {run.seed}, guidance {run.sampling['cfg']:g}"


def _table(results: list[dict[str, Any]], run: _Run) -> Table:
    table = Table(title=_title(run), caption="Fréchet distance on the model's own classifier's features: not FID")
    for i, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if i else "left")
    for result in results:
        table.add_row(*_columns(result))
    return table


def _markdown(results: list[dict[str, Any]], run: _Run) -> str:
    rows = [_HEADINGS, ("---", "---:", "---:", "---:"), *(_columns(result) for result in results)]
    days = " and ".join(sorted({result["machine"]["date"] for result in results}))
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows]) + f"\n\n{_title(run)}; {days}.\n"

# SPDX-License-Identifier: Apache-2.0
"""`fpqvar evaluate`: image quality of several recipes side by side."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from host.cli.draw import Sampling
from host.cli.model import FLOAT, choose_recipe, load
from host.cli.progress import Ticks
from host.cli.report import write_json
from host.cli.scoring import GOLDEN, Job, Run, check_backend, check_device, score_recipe
from host.shards import Workers
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import ensure_writable, new_file

if TYPE_CHECKING:
    from sw_quant.evaluation.scorer import Scorer
    from sw_quant.recipe import Recipe
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["evaluate", "open_scorer"]

DEFAULT_RECIPES = "float,fpqvar-fp6,fp4-rtn,fp4-dfq,fp4-ght,fpqvar-fp4,best-fp4"
LEAST = 4  # images: Precision and Recall look at the third neighbour


def evaluate(
    out: Annotated[Path, typer.Option(help="Folder for results.json, results.md and one file a recipe.")],
    model: Annotated[
        str, typer.Option(help="fmnist, fmnist-twin, or another model; without a classifier it needs --npz.")
    ] = "fmnist",
    recipes: Annotated[
        str, typer.Option(help='Names or .toml files, separated by commas; "float" is the plain model.')
    ] = DEFAULT_RECIPES,
    images: Annotated[int, typer.Option(min=1, help="Images of each recipe, spread evenly over the classes.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Every recipe draws with the same seeds.")] = 0,
    backend: Annotated[str, typer.Option(help="golden, csim, rtl, ...: what computes the linear layers.")] = GOLDEN,
    device: Annotated[str, typer.Option(help="cpu or cuda; the bits of the linear layers are the same.")] = "cpu",
    batch: Annotated[int, typer.Option(min=1, help="Images at a time, and in a file that a kill cannot undo.")] = 100,
    npz: Annotated[bool, typer.Option("--npz", help="Keep the images as OpenAI's evaluator takes them.")] = False,
    cfg: Annotated[float | None, typer.Option(help="Guidance; default: the model's.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Default: the model's.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Default: the model's.")] = None,
) -> None:
    """Score recipes: class accuracy, Fréchet distances, Inception Score, Precision and Recall.

    They are taken on the features of the model's own classifier, so they are not FID and the others of ImageNet; the
    npz is for those. What has been drawn is not drawn again: an interrupted evaluation goes on where it stopped.

    [bold]fpqvar evaluate --recipes float,fp4-rtn,best-fp4 --images 500 --out out/quick[/bold]

    [bold]fpqvar evaluate --images 10000 --batch 1000 --device cuda --out out/evaluation[/bold]

    [bold]torchrun --nproc-per-node 8 --no-python fpqvar evaluate --model d30 --recipes fpqvar-fp4-kv6 --images 50000
    --batch 50 --device cuda --npz --out out/d30[/bold]
        one process a GPU; the images do not depend on how many there are
    """
    check_device(device)
    check_backend(backend)
    names = [name.strip() for name in recipes.split(",")]
    chosen = {name: None if name == FLOAT else choose_recipe(None, name) for name in names}
    ensure_writable(out)
    loaded, ticks = load(model), Ticks()
    exact_float32()
    sampling = Sampling.of(loaded.defaults, cfg, top_k, top_p)
    run = Run(model, loaded.sha256, images, seed, asdict(sampling), backend)
    with Workers.join() as workers:
        job = Job(out, batch, device, workers, npz)
        results = score_recipes(loaded, chosen, run, job, open_scorer(loaded, images, job), ticks)
    if workers.rank != 0:
        return
    write_json(out / "results.json", asdict(run) | {"results": results})
    with new_file(out / "results.md") as aside:
        aside.write_text(_markdown(results, run), encoding="utf-8")
    Console().print(_table(results, run))
    typer.echo(f"{out / 'results.json'}  {out / 'results.md'}")


def exact_float32() -> None:
    """The float parts are to be float32 on a GPU too."""
    import torch

    torch.backends.cudnn.allow_tf32 = False


def open_scorer(loaded: "LoadedModel", images: int, job: Job) -> "Scorer | None":
    """The model's scorer; None where it has none and the images are kept for another.

    Raises UsageError when there are fewer images than the metrics need, FpqvarError when there is no scorer.
    """
    from sw_quant.evaluation.scorer import Scorer

    if job.npz and not (loaded.folder / "classifier.safetensors").is_file():
        return None
    if images < LEAST:
        raise UsageError(f"--images {images}: the metrics need at least {LEAST}; draw more")
    try:
        return Scorer(loaded.folder, job.torch_device)
    except FpqvarError as error:
        raise FpqvarError(f"{error}; or give --npz, and score the images with another evaluator") from error


def score_recipes(
    loaded: "LoadedModel",
    chosen: "dict[str, Recipe | None]",
    run: Run,
    job: Job,
    scorer: "Scorer | None",
    ticks: Ticks,
) -> list[dict[str, Any]]:
    """The recipes' results, in the first process."""
    found = (score_recipe(loaded, name, recipe, run, job, scorer, ticks) for name, recipe in chosen.items())
    return [result for result in found if result is not None]


_HEADINGS = ("recipe", "class accuracy", "Fréchet distance", "spatial", "IS", "Precision", "Recall", "seconds")


def _columns(result: dict[str, Any]) -> tuple[str, ...]:
    values = (
        ("class_accuracy", "{:.3f}"),
        ("frechet_distance", "{:.2f}"),
        ("spatial_frechet_distance", "{:.2f}"),
        ("inception_score", "{:.2f}"),
        ("precision", "{:.3f}"),
        ("recall", "{:.3f}"),
        ("seconds", "{:.0f}"),
    )
    return (result["name"], *(form.format(result[key]) if key in result else "–" for key, form in values))


def _title(run: Run) -> str:
    return f"{run.model}, {run.images} images a recipe, seed {run.seed}, guidance {run.sampling['cfg']:g}"


def _table(results: list[dict[str, Any]], run: Run) -> Table:
    table = Table(title=_title(run), caption="On the features of the model's own classifier, not Inception's: not FID")
    for i, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if i else "left")
    for result in results:
        table.add_row(*_columns(result))
    return table


def _markdown(results: list[dict[str, Any]], run: Run) -> str:
    rows = [_HEADINGS, ("---", *(("---:",) * (len(_HEADINGS) - 1))), *(_columns(result) for result in results)]
    days = " and ".join(sorted({result["machine"]["date"] for result in results}))
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows]) + f"\n\n{_title(run)}; {days}.\n"

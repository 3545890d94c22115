# SPDX-License-Identifier: Apache-2.0
"""`fpqvar evaluate`: image quality of several recipes side by side."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from host.cli.draw import Sampling
from host.cli.fast import check_fast
from host.cli.features import CLASSIFIER, Features, Measure, open_measure
from host.cli.model import FLOAT, choose_recipe, load, words
from host.cli.progress import Ticks
from host.cli.report import write_json
from host.cli.scoring import GOLDEN, Job, Run, check_backend, check_device, check_factors, score_recipe
from host.shards import Workers
from sw_quant.files import ensure_writable, new_file

if TYPE_CHECKING:
    from sw_quant.recipe import Recipe
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["evaluate", "exact_float32", "score_recipes"]

DEFAULT_RECIPES = "float,fpqvar-fp6,fp4-rtn,fp4-dfq,fp4-ght,fpqvar-fp4,best-fp4"


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
    features: Annotated[
        str, typer.Option(help="classifier: the model's own; or inception:FILE, a state dict of Inception's weights.")
    ] = CLASSIFIER,
    reference: Annotated[
        Path | None, typer.Option(help="With inception: npz as OpenAI's evaluator takes it (mu, sigma, arr_0, ...).")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Half precision between the linear layers, in a CUDA graph: other images.")
    ] = False,
    cfg: Annotated[float | None, typer.Option(help="Guidance; default: the model's.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Default: the model's.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Default: the model's.")] = None,
) -> None:
    """Score recipes: class accuracy, Fréchet distances, Inception Score, Precision and Recall.

    They are taken on the features of the model's own classifier, so they are not FID and the others of ImageNet; with
    Inception's weights and a reference they are, and the npz is for other evaluators. What has been drawn is not drawn
    again: an interrupted evaluation goes on where it stopped.

    [bold]fpqvar evaluate --recipes float,fp4-rtn,best-fp4 --images 500 --out out/quick[/bold]

    [bold]fpqvar evaluate --images 10000 --batch 1000 --device cuda --out out/evaluation[/bold]

    [bold]torchrun --nproc-per-node 8 --no-python fpqvar evaluate --model d30 --recipes fpqvar-fp4-kv6 --images 50000
    --batch 50 --device cuda --npz --out out/d30[/bold]
        one process a GPU; the images do not depend on how many there are

    [bold]fpqvar evaluate --model d16 --recipes float,fpqvar-fp4 --images 50000 --batch 50 --device cuda
    --features inception:pt_inception-2015-12-05-6726825d.pth --reference VIRTUAL_imagenet256_labeled.npz
    --out out/d16[/bold]
    """
    check_device(device)
    check_backend(backend)
    chosen_features = Features.parse(features, reference)
    names = words(recipes, "--recipes")
    chosen = {name: None if name == FLOAT else choose_recipe(None, name) for name in names}
    if fast:
        check_fast(chosen, backend, GOLDEN)
    ensure_writable(out)
    loaded, ticks = load(model), Ticks()
    exact_float32()
    sampling = Sampling.of(loaded.defaults, cfg, top_k, top_p)
    run = Run(model, loaded.sha256, images, seed, asdict(sampling), backend, chosen_features.identity(), fast)
    with Workers.join() as workers:
        job = Job(out, batch, device, workers, npz)
        measure = open_measure(loaded, images, chosen_features, job.torch_device, npz, ticks)
        results = score_recipes(loaded, chosen, run, job, measure, ticks)
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


def score_recipes(
    loaded: "LoadedModel",
    chosen: "dict[str, Recipe | None]",
    run: Run,
    job: Job,
    measure: Measure | None,
    ticks: Ticks,
) -> list[dict[str, Any]]:
    """The recipes' results, in the first process."""
    check_factors(loaded, chosen.values())
    found = (score_recipe(loaded, name, recipe, run, job, measure, ticks) for name, recipe in chosen.items())
    return [result for result in found if result is not None]


_METRICS = (
    ("class_accuracy", "class accuracy", "{:.3f}"),
    ("frechet_distance", "Fréchet distance", "{:.2f}"),
    ("spatial_frechet_distance", "spatial", "{:.2f}"),
    ("fid", "FID", "{:.2f}"),
    ("sfid", "sFID", "{:.2f}"),
    ("inception_score", "IS", "{:.2f}"),
    ("precision", "Precision", "{:.3f}"),
    ("recall", "Recall", "{:.3f}"),
    ("seconds", "seconds", "{:.0f}"),
)


def _rows(results: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Headings and a row a recipe; a metric that no result has is left out."""
    metrics = [metric for metric in _METRICS if any(metric[0] in result for result in results)]
    headings = ("recipe", *(title for _, title, _ in metrics))
    return [
        headings,
        *((r["name"], *(form.format(r[key]) if key in r else "–" for key, _, form in metrics)) for r in results),
    ]


def _title(run: Run) -> str:
    return (
        f"{run.model}, {run.images} images a recipe, seed {run.seed}, guidance {run.sampling['cfg']:g}"
        + ", --fast" * run.fast
    )


def _caption(run: Run) -> str:
    if run.features is None:
        return "On the features of the model's own classifier, not Inception's: not FID"
    from sw_quant.evaluation.inception import FEATURES

    few = "; fewer images than features: the distances are too large" * (run.images <= FEATURES)
    return f"On Inception's features{few}"


def _table(results: list[dict[str, Any]], run: Run) -> Table:
    table = Table(title=_title(run), caption=_caption(run))
    headings, *rows = _rows(results)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(results: list[dict[str, Any]], run: Run) -> str:
    headings, *rows = _rows(results)
    lines = [headings, ("---", *(("---:",) * (len(headings) - 1))), *rows]
    days = " and ".join(sorted({result["machine"]["date"] for result in results}))
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{text}\n\n{_title(run)}; {days}. {_caption(run)}.\n"

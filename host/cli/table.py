# SPDX-License-Identifier: Apache-2.0
"""`fpqvar table`: the result table, the paper's rows on our models, mean and spread over seeds."""

import shutil
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer

from host.cli.draw import Sampling
from host.cli.evaluate import exact_float32, score_recipes
from host.cli.features import Features, open_measure
from host.cli.model import FLOAT, choose_recipe, load, words
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from host.cli.scoring import Job, Run, check_device
from host.shards import Workers
from sw_quant.errors import UsageError
from sw_quant.files import ensure_writable, new_file

__all__ = ["every_row", "table"]

# The rows, and what is published for them: FID and IS on ImageNet 256x256, 50,000 images (the paper's abstract; the
# float model's FID from the published models' list). Rows without a published figure that we could check have none.
ROWS = {
    FLOAT: "FID 1.97 (VAR-d30)",
    "int8-rtn": "",
    "int8-tensor": "",
    "int6-rtn": "",
    "int4-rtn": "",
    "int4-group": "",
    "int4-asymmetric": "",
    "int4-log2": "",
    "litevar-int6": "",
    "litevar-int4": "",
    "fp6-rtn": "",
    "fp6-e3m2": "",
    "fpqvar-fp6": "",
    "fpqvar-fp6-kv6": '"on par with the FP16 model"',
    "mxfp6_e2m3": "",
    "mxfp6_e3m2": "",
    "mxfp4": "",
    "nvfp4": "",
    "fp4-row": "",
    "fp4-rtn": "",
    "fp4-rtn-paper": "",
    "fp4-dfq": "",
    "fp4-ght": "",
    "fpqvar-fp4": "",
    "fpqvar-fp4-paper": "",
    "fpqvar-fp4-kv6": "FID 3.58, IS 241.5 (4 bits; best before: 10.83, 175.9)",
    "fpqvar-fp4-kv4": "",
    "fpqvar-fp4-galt": "",
    "fpqvar-fp4-galt-kv6": "",
    "best-fp4": "not in the paper",
}
ALL = "all"
PACKED = "packed"  # the quantized models of all seeds, until they are done with
_METRICS = (
    ("frechet_distance", "Fréchet distance", 2),
    ("spatial_frechet_distance", "spatial", 2),
    ("inception_score", "IS", 2),
    ("class_accuracy", "class accuracy", 3),
    ("precision", "Precision", 3),
    ("recall", "Recall", 3),
)


def table(
    out: Annotated[Path, typer.Option(help="Folder for table.json, table.md and every result.")],
    models: Annotated[str, typer.Option(help="Models, separated by commas.")] = "fmnist,fmnist-twin",
    recipes: Annotated[
        str, typer.Option(help='Rows, separated by commas; "float" is the plain model, "all" every shipped recipe.')
    ] = ALL,
    images: Annotated[int, typer.Option(min=4, help="Images of each recipe and seed.")] = 10_000,
    seeds: Annotated[str, typer.Option(help="At least two, separated by commas.")] = "3,4,5",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1000,
) -> None:
    """Make the result table: every recipe on every model, for several seeds, beside what the paper says.

    Resumable, and sharded by torchrun, as `fpqvar evaluate` is.

    [bold]fpqvar table --device cuda --batch 2500 --out out/table[/bold]
        every row

    [bold]fpqvar table --recipes float,fp4-rtn,best-fp4 --images 200 --batch 100 --out out/small[/bold]
    """
    check_device(device)
    numbers = _seeds(seeds)
    rows = every_row() if recipes == ALL else words(recipes, "--recipes")
    chosen = {name: None if name == FLOAT else choose_recipe(None, name) for name in rows}
    ensure_writable(out)
    exact_float32()
    ticks, found = Ticks(), dict[str, list[list[dict[str, Any]]]]()
    with Workers.join() as workers:
        for model in words(models, "--models"):
            loaded = load(model)
            sampling = asdict(Sampling.of(loaded.defaults, None, None, None))
            found[model] = []
            for seed in numbers:
                job = Job(out / model / f"seed{seed}", batch, device, workers, packed=out / model / PACKED)
                run = Run(model, loaded.sha256, images, seed, sampling)
                measure = open_measure(loaded, images, Features(), job.torch_device, False, ticks)
                found[model].append(score_recipes(loaded, chosen, run, job, measure, ticks))
            if workers.rank == 0:  # the others have drawn all that they had to
                shutil.rmtree(out / model / PACKED, ignore_errors=True)
    if workers.rank != 0:
        return
    data = {
        "images": images,
        "seeds": numbers,
        "versions": versions(),
        "machine": machine() | {"device": _name(device)},
        "models": {model: _rows(results) for model, results in found.items()},
    }
    write_json(out / "table.json", data)
    with new_file(out / "table.md") as aside:
        aside.write_text(markdown(data), encoding="utf-8")
    typer.echo(markdown(data))
    typer.echo(f"{out / 'table.json'}  {out / 'table.md'}")


def every_row() -> list[str]:
    """The float model and every shipped recipe, in the table's order; those that it does not know come last."""
    from sw_quant.recipe import shipped_recipes

    return [*ROWS, *(name for name in shipped_recipes() if name not in ROWS)]


def _seeds(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if len(numbers) < 2 or len(set(numbers)) != len(text.split(",")):
        raise UsageError(f"--seeds {text!r}: give at least two different numbers, such as 3,4,5")
    return numbers


def _name(device: str) -> str:
    if device != "cuda":
        return device
    import torch

    return torch.cuda.get_device_name()


def _rows(by_seed: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Mean and sample standard deviation of every metric of every recipe."""
    rows = []
    for results in zip(*by_seed, strict=True):
        row: dict[str, Any] = {"name": results[0]["name"], "recipe": results[0]["recipe"]}
        for key, _, _ in _METRICS:
            values = [result[key] for result in results]
            row[key] = {"mean": mean(values), "spread": stdev(values), "values": values}
        row["seconds"] = [result["seconds"] for result in results]
        rows.append(row)
    return rows


def markdown(data: dict[str, Any]) -> str:
    """The tables of `table.json`, one a model."""
    lines = []
    for model, rows in data["models"].items():
        headings = ["recipe", *(title for _, title, _ in _METRICS), "the paper, ImageNet"]
        lines += [f"### {model}", "", "| " + " | ".join(headings) + " |"]
        lines += ["| --- |" + " ---: |" * len(_METRICS) + " --- |"]
        for row in rows:
            cells = [f"{row[key]['mean']:.{n}f} ± {row[key]['spread']:.{n}f}" for key, _, n in _METRICS]
            lines += ["| " + " | ".join((row["name"], *cells, ROWS.get(row["name"], ""))) + " |"]
        lines += [""]
    seeds = ", ".join(map(str, data["seeds"]))
    lines += [
        f"{data['images']:,} images a recipe and seed; mean ± standard deviation over the seeds {seeds}; "
        f"{data['machine']['date']}, {data['machine']['device']}. On our classifier's features, not Inception's."
    ]
    return "\n".join(lines) + "\n"

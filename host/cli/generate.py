# SPDX-License-Identifier: Apache-2.0
"""`fpqvar generate`: images on disk."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from host.cli.draw import Sampling, batch_rows, draw, draw_without_torch, engine_report, image_seed
from host.cli.images import Pixels, draw_sheet, save_png, to_bytes
from host.cli.model import FLOAT, attach, check_backend, engines, open_model, parse_classes
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from host.cpu import NumpyVar
from host.devices import BACKENDS, DEFAULT_GEOMETRY
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import ensure_writable

if TYPE_CHECKING:
    from host.tracing import Trace
    from sw_quant.packed import PackedModel
    from sw_quant.var import Var

__all__ = ["generate"]


def generate(
    out: Annotated[Path, typer.Option(help="Folder for the images, sheet.png and report.json.")],
    model: Annotated[str, typer.Option(help="fmnist, d16 to d36, a checkpoint, or a folder of `quantize`.")] = "fmnist",
    format: Annotated[str | None, typer.Option(help="fp4 (default), fp6, int4, int8, or float.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A shipped recipe or a .toml file, instead of --format.")] = None,
    backend: Annotated[str | None, typer.Option(help=f"float, {', '.join(BACKENDS)}; default: golden.")] = None,
    check: Annotated[
        str | None, typer.Option(help="More backends, separated by commas, that must give the same bytes.")
    ] = None,
    classes: Annotated[str, typer.Option(help='Numbers or names, separated by commas, or "all".')] = "all",
    images_per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same images.")] = 0,
    cfg: Annotated[float | None, typer.Option(help="Guidance; default: the model's.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k likeliest tokens; default: the model's.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the likeliest of this probability in all.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 10,
    geometry: Annotated[str, typer.Option(help="Of the simulated engine: small, large or wide.")] = DEFAULT_GEOMETRY,
    bitstream: Annotated[Path | None, typer.Option(help="Of backend pynq: its folder; default: this board's.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one layer may take.")] = 600,
    trace: Annotated[
        str | None, typer.Option(metavar="LAYER[:CALL]", help="Of backend rtl: write waveforms of one call of a layer.")
    ] = None,
) -> None:
    """Draw images, the transformer's linear layers on an engine.

    [bold]fpqvar generate --classes 0,1,2 --out out/first[/bold]
        three images of the shipped model, quantized to FP4, by the golden model

    [bold]fpqvar generate --classes Dress --images-per-class 8 --backend csim --out out/dress[/bold]
        eight dresses by the HLS engine, compiled for simulation

    [bold]fpqvar generate --format fp6 --backend csim --check golden --classes all --out out/fp6[/bold]
        the ten classes in FP6, every layer's bytes compared with the golden model's

    [bold]fpqvar generate --classes 0 --backend rtl --check csim,golden --trace 0.fc1:3 --out out/rtl[/bold]
        one image by the RTL in simulation, every byte as the other two engines' say, and layer 0.fc1's waveforms
        in its fourth call (the fourth scale), out/rtl/0.fc1.3.fst

    [bold]sudo fpqvar generate --model fmnist-fp4 --backend pynq --out out/board[/bold]
        on a board, with the bitstream for it in bitstreams/

    [bold]fpqvar generate --model d30 --recipe mine.toml --classes 207 --out out/dog[/bold]
        an official model, from the hub or a path, by a recipe of your own
    """
    backend = backend or (FLOAT if format == FLOAT else "golden")
    backends = [backend, *([] if check is None else [name.strip() for name in check.split(",")])]
    for name in backends:
        check_backend(name)
    if (backend == FLOAT and (recipe or format not in (None, FLOAT))) or (backend != FLOAT and format == FLOAT):
        raise UsageError(f"--backend {backend} does not go with {recipe or format}; float goes with float only")
    if check is not None and FLOAT in backends:
        raise UsageError("--check compares the bytes of engines; float is none: choose golden, csim or rtl")
    if bitstream is not None and "pynq" not in backends:
        raise UsageError("--bitstream goes with --backend pynq only")
    if trace is not None and "rtl" not in backends:
        raise UsageError("--trace goes with --backend rtl or --check rtl only: no other engine has waveforms")
    ensure_writable(out)
    ticks = Ticks()
    chosen = open_model(model, FLOAT if backend == FLOAT else format, recipe, ticks, classes)
    if (chosen.packed is None) != (backend == FLOAT):
        raise UsageError(f"{model} is quantized; choose a backend that computes with it: golden or csim")
    wanted = parse_classes(classes, chosen.class_names)
    jobs = [(label, index) for label in wanted for index in range(images_per_class)]
    labels, seeds = [label for label, _ in jobs], [image_seed(seed, label, index) for label, index in jobs]
    sampling = Sampling.of(chosen.defaults, cfg, top_k, top_p)
    text = f"{len(jobs)} images, {chosen.recipe} on {' and '.join(backends)}"

    report: dict[str, Any] = {"command": "generate", "model": model, "recipe": chosen.recipe, "backend": backend}
    pixels: list[Pixels]
    if chosen.packed is None:
        pixels, seconds = _draw(chosen.var, labels, seeds, sampling, batch, ticks, text)
    else:
        rows = batch_rows(chosen.var.config, min(batch, len(jobs)))
        traced = None if trace is None else _parse_trace(trace, chosen.packed, out)
        if traced is not None:
            traced.path.unlink(missing_ok=True)
        with engines(chosen.packed, backends, rows, geometry, timeout, bitstream, traced) as tandem:
            attach(chosen.var, tandem)
            pixels, seconds = _draw(chosen.var, labels, seeds, sampling, batch, ticks, text)
        report |= {"manifest": chosen.packed.manifest.model_dump(include={"source", "recipe", "contract_version"})}
        report |= {"engines": engine_report(tandem)}
        if traced is not None:
            if not traced.path.exists():
                raise FpqvarError(f"--trace {trace}: {traced.layer} was called less often; there is one call a scale")
            report |= {"trace": traced.path.name}
        if check is not None:
            report |= {"bit_exact": tandem.is_bit_exact()}

    files = [f"class{label:03d}_{index:03d}.png" for label, index in jobs]
    for file, image in zip(files, pixels, strict=True):
        save_png(image, out / file)
    columns = [chosen.class_names[label] for label in wanted]
    sheet_rows = [(f"{chosen.recipe} {i}", pixels[i::images_per_class]) for i in range(images_per_class)]
    save_png(draw_sheet(sheet_rows, columns), out / "sheet.png")
    report |= {
        "seed": seed,
        "sampling": asdict(sampling),
        "batch": batch,
        "seconds": round(seconds, 3),
        "images": [
            {"file": file, "class": label, "seed": image_seed_, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
            for file, label, image_seed_, image in zip(files, labels, seeds, pixels, strict=True)
        ],
        "versions": versions(),
        "machine": machine(),
    }
    write_json(out / "report.json", report)
    if check is not None and not report["bit_exact"]:
        raise FpqvarError(f"{' and '.join(backends)} differ, first at {tandem.difference}; see {out / 'report.json'}")
    typer.echo(f"{len(jobs)} images in {seconds:.1f} s: {out / 'sheet.png'}")


def _parse_trace(text: str, packed: "PackedModel", out: Path) -> "Trace":
    from host.tracing import Trace

    return Trace.parse(text, packed.layers, out)


def _draw(
    var: "Var | NumpyVar",
    labels: list[int],
    seeds: list[int],
    sampling: Sampling,
    batch: int,
    ticks: Ticks,
    text: str,
) -> tuple[list[Pixels], float]:
    if isinstance(var, NumpyVar):
        drawn, seconds = draw_without_torch(var, labels, seeds, sampling, batch, ticks, text)
        return to_bytes(drawn), seconds
    images, seconds = draw(var, labels, seeds, sampling, batch, ticks, text)
    return to_bytes(images), seconds

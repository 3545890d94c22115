# SPDX-License-Identifier: Apache-2.0
"""`fpqvar demo`: the ten classes in float, FP6 and FP4, and the proof that golden model and engine agree."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from host.cli.draw import Sampling, batch_rows, draw, engine_report, image_seed
from host.cli.images import draw_sheet, save_png, to_bytes
from host.cli.model import choose_recipe, engines, load, pack
from host.cli.progress import Ticks
from host.cli.report import machine, versions, write_json
from host.devices import DEFAULT_GEOMETRY
from host.devices.csim import load_extension
from sw_quant.errors import FpqvarError
from sw_quant.files import ensure_writable

__all__ = ["demo"]

MODEL = "fmnist"
# Format, backends; the first one's outputs go into the picture.
ROWS = (("fp6", ("golden", "csim")), ("fp4", ("csim", "golden")))


def demo(
    out: Annotated[Path, typer.Option(help="Folder for sheet.png and report.json.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other images.")] = 0,
) -> None:
    """Draw the ten classes of the shipped model in float, FP6 and FP4, in two to three minutes on two cores.

    Both formats run on the golden model and on the HLS engine, compiled for simulation, side by side. Every linear
    layer's output is compared byte for byte; a difference ends the demo with exit code 1.
    """
    from sw_quant.quantize import rebuild

    ensure_writable(out)
    load_extension()
    ticks = Ticks()
    loaded = load(MODEL)
    labels = list(range(len(loaded.class_names)))
    seeds = [image_seed(seed, label, 0) for label in labels]
    sampling = Sampling.of(loaded.defaults, None, None, None)

    images, seconds = draw(loaded.var, labels, seeds, sampling, len(labels), ticks, "float")
    rows = [("float", to_bytes(images))]
    bit_exact: dict[str, bool] = {}
    runs: dict[str, Any] = {"float": {"seconds": round(seconds, 3)}}
    for format, backends in ROWS:
        recipe = choose_recipe(format, None)
        packed = pack(loaded, MODEL, recipe, ticks)
        with engines(packed, backends, batch_rows(loaded.config, len(labels)), DEFAULT_GEOMETRY, 600) as tandem:
            var = rebuild(packed)
            var.linear = tandem
            text = f"{format.upper()} on {' and '.join(backends)}"
            images, seconds = draw(var, labels, seeds, sampling, len(labels), ticks, text)
        rows.append((f"{format.upper()} {backends[0]}", to_bytes(images)))
        bit_exact[format] = tandem.is_bit_exact()
        runs[format] = {
            "recipe": recipe.name,
            "seconds": round(seconds, 3),
            "first_difference": None if tandem.difference is None else asdict(tandem.difference),
            "engines": engine_report(tandem),
        }

    save_png(draw_sheet(rows, loaded.class_names), out / "sheet.png")
    report = {
        "command": "demo",
        "model": MODEL,
        "bit_exact": dict(sorted(bit_exact.items())),
        "seed": seed,
        "image_seeds": seeds,
        "sampling": asdict(sampling),
        "runs": runs,
        "versions": versions(),
        "machine": machine(),
    }
    write_json(out / "report.json", report)
    for format in sorted(bit_exact):
        calls = runs[format]["engines"][0]["calls"]
        verdict = "equal in every byte" if bit_exact[format] else f"DIFFERENT: {runs[format]['first_difference']}"
        typer.echo(f"{format.upper()}: golden model and engine, {calls} layer outputs: {verdict}")
    typer.echo(f'"bit_exact": {json.dumps(report["bit_exact"])}')
    typer.echo(f"{out / 'sheet.png'}  {out / 'report.json'}")
    if not all(bit_exact.values()):
        raise FpqvarError(f"golden model and engine differ; the first difference is in {out / 'report.json'}")

# SPDX-License-Identifier: Apache-2.0
"""Train the small model that this package ships. See README.md beside this file."""

from __future__ import annotations

import json
import platform
import shutil
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from examples.fashion_mnist.classifiers import train_classifier
from examples.fashion_mnist.data import CLASS_NAMES, DEBIAN_FOLDER, Split, load, to_unit
from examples.fashion_mnist.loop import Budget
from examples.fashion_mnist.nets import FeatureNet
from examples.fashion_mnist.run import Log
from examples.fashion_mnist.score import (
    exact_float32,
    generate_set,
    nearest_distances,
    score_generated,
    score_reconstructions,
)
from examples.fashion_mnist.store import load_into, save_tensors
from examples.fashion_mnist.train_var import VarSettings, train_var
from examples.fashion_mnist.train_vqvae import VqvaeSettings, train_vqvae
from host.cli.images import draw_sheet, save_png, to_bytes
from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import FashionClassifier, Seen, load_classifier
from sw_quant.evaluation.scorer import Scorer, reference_tensors
from sw_quant.files import new_folder
from sw_quant.var.checkpoint import load_model
from sw_quant.var.config import PRESETS, to_dict
from sw_quant.var.transformer import Var
from sw_quant.var.vqvae import Vqvae

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

DataOption = Annotated[Path, typer.Option(help="Folder with Fashion-MNIST's four .gz files.")]
OutOption = Annotated[Path, typer.Option(help="Folder for the results; stages find each other's there.")]
DeviceOption = Annotated[str, typer.Option(help="cuda or cpu; auto takes a GPU where there is one.")]
SeedOption = Annotated[int, typer.Option(help="Seed of everything random.")]
StepsOption = Annotated[int | None, typer.Option(help="Train for this many steps (repeatable with a seed).")]
MinutesOption = Annotated[float | None, typer.Option(help="Train for this long.")]
LimitOption = Annotated[int, typer.Option(help="Use only so many images of each split (to try things out).")]

OUT = Path("out/fashion_mnist")
CONFIG = PRESETS["fmnist"]
SHEET_COLUMNS = 10
DISTANCE = (
    "Frechet distance between Gaussians of the classifier's 128 penultimate features (not FID), images rounded to 8 "
    "bits, to the 10,000 test images; weights as stored (float16), computed in float32"
)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    return torch.device(name)


def _describe(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"


def _splits(folder: Path, device: torch.device, limit: int) -> tuple[Split, Split]:
    parts = [load(folder, name).to(device) for name in ("train", "t10k")]
    train, test = (Split(part.images[:limit], part.labels[:limit]) for part in parts) if limit else parts
    return train, test


def _vqvae(out: Path, device: torch.device) -> Vqvae:
    vqvae = Vqvae(CONFIG.vqvae)
    load_into(vqvae, out / "vqvae.safetensors", device)
    return vqvae


@app.command()
def classifier(
    data: DataOption = DEBIAN_FOLDER,
    out: OutOption = OUT,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 15,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    limit: LimitOption = 0,
) -> None:
    """Train the classifier that scores; write its reference statistics of training and test images."""
    where = _device(device)
    train, test = _splits(data, where, limit)
    torch.manual_seed(seed)
    log = Log(out / "log.jsonl", "classifier")
    path = out / "classifier.safetensors"
    train_classifier(FashionClassifier().to(where), train, test, path, epochs, seed, log)
    net = load_classifier(path).to(where)  # as stored, in float16
    with exact_float32():
        _write_reference(net, train, test, out)
        found = Scorer(out, where).score(to_unit(train.images), train.labels.tolist())
    log.write(stored_train_accuracy=found.class_accuracy, train_to_test_distance=found.frechet_distance)


@app.command()
def reference(data: DataOption = DEBIAN_FOLDER, out: OutOption = OUT, device: DeviceOption = "auto") -> None:
    """Write the classifier's reference statistics anew, without training it."""
    where = _device(device)
    train, test = _splits(data, where, 0)
    with exact_float32():
        _write_reference(load_classifier(out / "classifier.safetensors").to(where), train, test, out)


def _write_reference(net: FashionClassifier, train: Split, test: Split, out: Path) -> None:
    tensors: dict[str, torch.Tensor] = {}
    for name, split in (("train", train), ("test", test)):
        parts = [net.see(to_unit(images)) for images in split.images.split(1000)]
        seen = Seen(*(torch.cat(values) for values in zip(*parts, strict=True)))
        tensors |= reference_tensors(name, seen, whole=name == "test")
    save_tensors(out / "reference.safetensors", tensors, dtype=None)


@app.command()
def features(
    data: DataOption = DEBIAN_FOLDER,
    out: OutOption = OUT,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 12,
    seed: SeedOption = 1000,
    device: DeviceOption = "auto",
    limit: LimitOption = 0,
) -> None:
    """Train the feature network of the VQVAE's perceptual loss."""
    where = _device(device)
    train, test = _splits(data, where, limit)
    torch.manual_seed(seed)
    path = out / "features.safetensors"
    train_classifier(FeatureNet().to(where), train, test, path, epochs, seed, Log(out / "log.jsonl", "features"))


@app.command()
def vqvae(
    data: DataOption = DEBIAN_FOLDER,
    out: OutOption = OUT,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    batch: Annotated[int, typer.Option(help="Images a step.")] = VqvaeSettings.batch,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = VqvaeSettings.rate,
    perceptual: Annotated[float, typer.Option(help="Weight of the perceptual loss.")] = VqvaeSettings.perceptual,
    adversarial: Annotated[float, typer.Option(help="Strength of the adversarial term.")] = VqvaeSettings.adversarial,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    limit: LimitOption = 0,
) -> None:
    """Train the VQVAE (needs `classifier` and `features`)."""
    where = _device(device)
    train, test = _splits(data, where, limit)
    net = FeatureNet()
    load_into(net, out / "features.safetensors", where)
    settings = VqvaeSettings(seed=seed, batch=batch, rate=rate, perceptual=perceptual, adversarial=adversarial)
    budget, log = Budget(steps, minutes), Log(out / "log.jsonl", "vqvae")
    train_vqvae(CONFIG.vqvae, settings, budget, train, test, net, Scorer(out, where), out, log)


@app.command()
def var(
    data: DataOption = DEBIAN_FOLDER,
    out: OutOption = OUT,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    batch: Annotated[int, typer.Option(help="Images a step.")] = VarSettings.batch,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = VarSettings.rate,
    dropout: Annotated[float, typer.Option(help="Dropout in the blocks.")] = VarSettings.dropout,
    preview: Annotated[int, typer.Option(help="Images of each class generated for the log now and then.")] = 200,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    limit: LimitOption = 0,
) -> None:
    """Train the transformer (needs `vqvae`)."""
    where = _device(device)
    train, test = _splits(data, where, limit)
    settings = VarSettings(seed=seed, batch=batch, rate=rate, dropout=dropout)
    budget, log = Budget(steps, minutes), Log(out / "log.jsonl", "var")
    scorer = Scorer(out, where)
    train_var(CONFIG, settings, budget, train, test, _vqvae(out, where), scorer, out, log, preview)


@app.command()
def score(
    data: DataOption = DEBIAN_FOLDER,
    out: OutOption = OUT,
    per_class: Annotated[int, typer.Option(min=2, help="Images of each class, for each setting.")] = 1000,
    cfg: Annotated[list[float], typer.Option(help="Guidance; give it several times to compare.")] = [2.0],  # noqa: B006
    top_k: Annotated[list[int], typer.Option(help="Top-k; 0 is off.")] = [0],  # noqa: B006
    top_p: Annotated[list[float], typer.Option(help="Top-p; 0 is off.")] = [0.0],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="Give it several times to see the spread.")] = [0],  # noqa: B006
    device: DeviceOption = "auto",
    limit: LimitOption = 0,
) -> None:
    """Score generated images for every combination of the settings, and the VQVAE's reconstructions."""
    where = _device(device)
    train, test = _splits(data, where, limit)
    model = Var(CONFIG, _vqvae(out, where))
    load_into(model, out / "var.safetensors", where)
    scorer, log = Scorer(out, where), Log(out / "log.jsonl", "score")
    rebuilt = score_reconstructions(model.vqvae, test, scorer)
    known = to_unit(train.images)
    ran = {"date": date.today().isoformat(), "device": _describe(where)}
    log.write(
        **ran, reconstructed=rebuilt.images, accuracy=rebuilt.class_accuracy, distance=rebuilt.frechet_distance,
        test_to_nearest_train=float(nearest_distances(to_unit(test.images), known).median()),
    )  # fmt: skip
    for guidance, k, p, one_seed in product(cfg, top_k, top_p, seed):
        images, labels = generate_set(model, per_class, one_seed, guidance, k, p)
        found = score_generated(images, labels, scorer)
        log.write(
            **ran, cfg=guidance, top_k=k, top_p=p, seed=one_seed, generated=found.images, accuracy=found.class_accuracy,
            distance=found.frechet_distance, to_nearest_train=float(nearest_distances(images, known).median()),
        )  # fmt: skip


@app.command()
def export(
    out: OutOption = OUT,
    package: Annotated[Path, typer.Option(help="Folder to write the model to.")] = Path("out/model"),
    cfg: Annotated[float, typer.Option(help="Default guidance.")] = 2.0,
    top_k: Annotated[int, typer.Option(help="Default top-k.")] = 0,
    top_p: Annotated[float, typer.Option(help="Default top-p.")] = 0.0,
) -> None:
    """Put the results together as a model folder, which `fpqvar --model` takes; with the log and a sheet of samples."""
    defaults = {"cfg": cfg, "top_k": top_k, "top_p": top_p}
    measured = _measured(out / "log.jsonl", defaults)
    data = {"model": to_dict(CONFIG), "class_names": CLASS_NAMES, "defaults": defaults, "measured": measured}
    with new_folder(package) as aside:
        for name in ("var", "vqvae", "classifier", "reference"):
            shutil.copyfile(out / f"{name}.safetensors", aside / f"{name}.safetensors")
        shutil.copyfile(out / "log.jsonl", aside / "log.jsonl")
        (aside / "config.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        model = load_model(aside)
        labels = torch.arange(CONFIG.classes).repeat_interleave(SHEET_COLUMNS)
        images = to_bytes(model.var.generate(labels, seed=0, cfg=cfg, top_k=top_k, top_p=top_p))
        rows = [(name, images[i * SHEET_COLUMNS : (i + 1) * SHEET_COLUMNS]) for i, name in enumerate(CLASS_NAMES)]
        save_png(draw_sheet(rows, [str(i) for i in range(SHEET_COLUMNS)]), aside / "samples.png")
    typer.echo(package)


def _measured(path: Path, defaults: dict[str, float]) -> dict[str, Any]:
    """The latest scores in the log that were taken with the defaults, by `score`."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scores = [record for record in records if record["stage"] == "score"]
    rebuilt = [record for record in scores if "reconstructed" in record]
    drawn = [record for record in scores if {key: record.get(key) for key in defaults} == defaults]
    if not rebuilt or not drawn:
        raise FpqvarError(f"{path}: has no scores for {defaults}; run `score` with these settings first")
    return {"distance": DISTANCE, "reconstructions": rebuilt[-1], "generated": drawn}


def main() -> None:
    """Run the command line; a mistake of the user's ends in one line."""
    try:
        app()
    except FpqvarError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

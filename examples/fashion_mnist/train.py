# SPDX-License-Identifier: Apache-2.0
"""Train the small model that this package ships. See README.md beside this file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from examples.fashion_mnist.classifiers import train_classifier
from examples.fashion_mnist.data import DEBIAN_FOLDER, Split, load
from examples.fashion_mnist.loop import Budget, Log
from examples.fashion_mnist.nets import FeatureNet
from examples.fashion_mnist.score import classify, exact_float32, generate_set, score_images
from examples.fashion_mnist.store import load_into, save_tensors
from examples.fashion_mnist.train_var import VarSettings, train_var
from examples.fashion_mnist.train_vqvae import VqvaeSettings, train_vqvae
from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import FashionClassifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.var.config import PRESETS
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


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    return torch.device(name)


def _splits(folder: Path, device: torch.device, limit: int) -> tuple[Split, Split]:
    parts = [load(folder, name).to(device) for name in ("train", "t10k")]
    train, test = (Split(part.images[:limit], part.labels[:limit]) for part in parts) if limit else parts
    return train, test


def _classifier(out: Path, device: torch.device) -> FashionClassifier:
    classifier = FashionClassifier()
    load_into(classifier, out / "classifier.safetensors", device)
    return classifier


def _scorer(out: Path, test: Split, device: torch.device) -> tuple[FashionClassifier, Statistics]:
    classifier = _classifier(out, device)
    with exact_float32():
        return classifier, Statistics.of(classify(test.images, classifier)[1])


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
    net = _classifier(out, where)  # as stored, in float16
    with exact_float32():
        found = {name: classify(split.images, net) for name, split in (("train", train), ("test", test))}
    statistics = {name: Statistics.of(features) for name, (_, features) in found.items()}
    tensors = {}
    for name, value in statistics.items():
        tensors |= {f"{name}.mean": value.mean, f"{name}.cov": value.cov, f"{name}.count": torch.tensor(value.count)}
    save_tensors(out / "reference.safetensors", tensors, dtype=None)
    log.write(
        test_accuracy=float((found["test"][0] == test.labels).double().mean()),
        train_to_test_distance=frechet_distance(statistics["train"], statistics["test"]),
    )


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
    settings = VqvaeSettings(
        seed=seed, batch=batch, rate=rate, perceptual=perceptual, adversarial=adversarial
    )
    budget, log = Budget(steps, minutes), Log(out / "log.jsonl", "vqvae")
    train_vqvae(CONFIG.vqvae, settings, budget, train, test, net, _scorer(out, test, where), out, log)


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
    scorer = _scorer(out, test, where)
    train_var(CONFIG, settings, budget, train, test, _vqvae(out, where), scorer, out, log, preview)


@app.command()
def score(
    data: DataOption = DEBIAN_FOLDER,
    out: OutOption = OUT,
    per_class: Annotated[int, typer.Option(help="Images of each class, for each setting.")] = 1000,
    cfg: Annotated[list[float], typer.Option(help="Guidance; give it several times to compare.")] = [3.0],  # noqa: B006
    top_k: Annotated[list[int], typer.Option(help="Top-k; 0 is off.")] = [0],  # noqa: B006
    top_p: Annotated[list[float], typer.Option(help="Top-p; 0 is off.")] = [0.0],  # noqa: B006
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Score generated images for every combination of guidance, top-k and top-p."""
    where = _device(device)
    _, test = _splits(data, where, 0)
    model = Var(CONFIG, _vqvae(out, where))
    load_into(model, out / "var.safetensors", where)
    scorer = _scorer(out, test, where)
    log = Log(out / "log.jsonl", "score")
    for guidance in cfg:
        for k in top_k:
            for p in top_p:
                with exact_float32():
                    images, labels = generate_set(model, per_class, seed, guidance, k, p)
                accuracy, distance = score_images(images, labels, *scorer)
                log.write(
                    cfg=guidance, top_k=k, top_p=p, seed=seed, generated=len(images), accuracy=accuracy,
                    distance=distance,
                )  # fmt: skip


def main() -> None:
    """Run the command line; a mistake of the user's ends in one line."""
    try:
        app()
    except FpqvarError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

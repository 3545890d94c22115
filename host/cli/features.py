# SPDX-License-Identifier: Apache-2.0
"""What images are scored by: the model's own classifier, or Inception with weights and a reference of the user's."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from host.cli.progress import Ticks
from host.shards import Pixels
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import sha256

if TYPE_CHECKING:
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["CLASSIFIER", "LEAST", "Features", "Measure", "open_measure"]

CLASSIFIER, INCEPTION = "classifier", "inception"
LEAST = 4  # images: Precision and Recall look at the third neighbour

Measure = Callable[[Pixels, list[int]], dict[str, Any]]
"""Scores of uint8 images [N, H, W, C] of the given classes."""


@dataclass(frozen=True)
class Features:
    """What `--features` and `--reference` ask for; without weights the model's own classifier."""

    weights: Path | None = None
    reference: Path | None = None

    @staticmethod
    def parse(text: str, reference: Path | None) -> "Features":
        """Raises UsageError when it is none of the two kinds, or one of two files is not given."""
        kind, _, weights = text.partition(":")
        if text == CLASSIFIER:
            if reference is not None:
                raise UsageError(
                    f"--reference {reference}: the classifier has its own; give --features inception:FILE too"
                )
            return Features()
        if kind != INCEPTION or not weights:
            raise UsageError(f"unknown --features {text!r}; known: {CLASSIFIER}, {INCEPTION}:FILE with its weights")
        if reference is None:
            raise UsageError(
                f"--features {text}: give --reference too, an npz with the statistics or images that FID compares with"
            )
        return Features(Path(weights), reference)

    def identity(self) -> dict[str, str] | None:
        """The content of the files, for results; None for the classifier. Raises FpqvarError when one is missing."""
        if self.weights is None or self.reference is None:
            return None
        for file, option in ((self.weights, "--features"), (self.reference, "--reference")):
            if not file.is_file():
                raise FpqvarError(f"{file}: no such file; {option} is to name one")
        return {"network": INCEPTION, "weights": sha256(self.weights), "reference": sha256(self.reference)}


def open_measure(
    loaded: "LoadedModel", images: int, features: Features, device: str, npz: bool, ticks: Ticks
) -> Measure | None:
    """What scores a model's images; None where it has no classifier and the images are kept for another evaluator.

    Raises UsageError when there are fewer images than the metrics need, FpqvarError when there is no scorer.
    """
    weights, reference = features.weights, features.reference
    if weights is None and npz and not (loaded.folder / "classifier.safetensors").is_file():
        return None
    if images < LEAST:
        raise UsageError(f"--images {images}: the metrics need at least {LEAST}; draw more")
    if weights is None or reference is None:
        return _classifier(loaded, device)
    return _inception(weights, reference, device, ticks)


def _classifier(loaded: "LoadedModel", device: str) -> Measure:
    from sw_quant.evaluation.scorer import Scorer

    try:
        scorer = Scorer(loaded.folder, device)
    except FpqvarError as error:
        raise FpqvarError(
            f"{error}; or score by Inception (--features inception:FILE), or give --npz for another evaluator"
        ) from error

    def measure(pixels: Pixels, labels: list[int]) -> dict[str, Any]:
        import torch

        images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
        return asdict(scorer.measure(images, labels))

    return measure


def _inception(weights: Path, reference: Path, device: str, ticks: Ticks) -> Measure:
    from sw_quant.evaluation.imagenet import InceptionScorer, load_reference
    from sw_quant.evaluation.inception import load_inception

    scorer = InceptionScorer(load_inception(weights), load_reference(reference), device)

    def measure(pixels: Pixels, labels: list[int]) -> dict[str, Any]:
        with ticks.bar("Inception, the reference", 1.0) as bar:
            scorer.prepare(lambda done, total: bar.set(done / total))
            bar.set(1.0)
        with ticks.bar(f"Inception, {len(pixels)} images", float(len(pixels))) as bar:
            return {"images": len(labels)} | scorer.measure(pixels, lambda done, _: bar.set(done))

    return measure

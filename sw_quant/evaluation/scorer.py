# SPDX-License-Identifier: Apache-2.0
"""Scores of a set of images against the test set: the classifier's accuracy, and five metrics on its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import Seen, check_images, load_classifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.evaluation.metrics import inception_score, precision_recall
from sw_quant.var.checkpoint import read_tensors

__all__ = ["Metrics", "Score", "Scorer", "reference_tensors"]

_BATCH = 500


@dataclass(frozen=True)
class Score:
    """Share of images whose class the classifier sees, and the distance on its features (which is not FID)."""

    class_accuracy: float
    frechet_distance: float
    images: int


@dataclass(frozen=True)
class Metrics(Score):
    """Besides, what sFID, Inception Score, Precision and Recall are, on the classifier instead of Inception."""

    spatial_frechet_distance: float
    inception_score: float
    precision: float
    recall: float


class Scorer:
    """The classifier and the reference statistics that lie in a model's folder.

    Raises FpqvarError when the folder has none.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._classifier = load_classifier(folder / "classifier.safetensors").to(device)
        self._path = folder / "reference.safetensors"
        self._tensors = read_tensors(self._path)
        self.reference = self._statistics("test")

    def _tensor(self, key: str) -> Tensor:
        if key not in self._tensors:
            raise FpqvarError(f"{self._path}: tensor '{key}' is missing; restore the file")
        return self._tensors[key]

    def _statistics(self, name: str) -> Statistics:
        return Statistics(self._tensor(f"{name}.mean"), self._tensor(f"{name}.cov"), int(self._tensor("test.count")))

    @torch.no_grad()
    def _see(self, images: Tensor) -> Seen:
        check_images(images)
        parts = []
        for part in images.split(_BATCH):
            levels = part.to(self._device).mul(255).round().clamp(0, 255).div(255)
            parts.append(self._classifier.see(levels))
        return Seen(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def score(self, images: Tensor, labels: Sequence[int]) -> Score:
        """Score float images [N, 1, 32, 32] in [0, 1], rounded to 256 levels first, as a file would hold them.

        Raises FpqvarError for fewer than two images, or images of another shape.
        """
        return self._score(self._see(images), labels)

    def _score(self, seen: Seen, labels: Sequence[int]) -> Score:
        right = seen.logits.argmax(dim=1).cpu() == torch.tensor(labels)
        distance = frechet_distance(Statistics.of(seen.features), self.reference)
        return Score(float(right.double().mean()), distance, len(right))

    def measure(self, images: Tensor, labels: Sequence[int]) -> Metrics:
        """All metrics of such images; raises FpqvarError as `score` does, and for too few images for a metric."""
        seen = self._see(images)
        base = self._score(seen, labels)
        reference = self._tensor("test.features").to(self._device)
        precision, recall = precision_recall(seen.features, reference)
        return Metrics(
            base.class_accuracy,
            base.frechet_distance,
            base.images,
            frechet_distance(Statistics.of(seen.spatial), self._statistics("test.spatial")),
            inception_score(seen.logits.softmax(dim=1)),
            precision,
            recall,
        )


def reference_tensors(name: str, seen: Seen, whole: bool) -> dict[str, Tensor]:
    """What `reference.safetensors` holds of a set of real images; `whole`: the features themselves too."""
    value, spatial = Statistics.of(seen.features), Statistics.of(seen.spatial)
    tensors = {f"{name}.mean": value.mean, f"{name}.cov": value.cov, f"{name}.count": torch.tensor(value.count)}
    if whole:
        tensors |= {f"{name}.spatial.mean": spatial.mean, f"{name}.spatial.cov": spatial.cov}
        tensors[f"{name}.features"] = seen.features.half().cpu()
    return tensors

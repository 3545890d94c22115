# SPDX-License-Identifier: Apache-2.0
"""Scores of a set of images: class accuracy, and Fréchet distance to the test set's committed statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import FashionClassifier, check_images, load_classifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.var.checkpoint import read_tensors

_BATCH = 500


@dataclass(frozen=True)
class Score:
    """Share of images whose class the classifier sees, and the distance on its features (which is not FID)."""

    class_accuracy: float
    frechet_distance: float
    images: int


class Scorer:
    """The classifier and the reference statistics that lie in a model's folder.

    Raises FpqvarError when the folder has none.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._classifier: FashionClassifier = load_classifier(folder / "classifier.safetensors").to(device)
        path = folder / "reference.safetensors"
        tensors = read_tensors(path)
        try:
            mean, cov, count = (tensors[f"test.{part}"] for part in ("mean", "cov", "count"))
        except KeyError as error:
            raise FpqvarError(f"{path}: tensor {error} is missing; restore the file") from None
        self.reference = Statistics(mean, cov, int(count))

    @torch.no_grad()
    def score(self, images: Tensor, labels: Sequence[int]) -> Score:
        """Score float images [N, 1, 32, 32] in [0, 1], rounded to 256 levels first, as a file would hold them.

        Raises FpqvarError for fewer than two images, or images of another shape.
        """
        check_images(images)
        seen, features = [], []
        for start in range(0, len(images), _BATCH):
            levels = images[start : start + _BATCH].to(self._device).mul(255).round().clamp(0, 255).div(255)
            classes, values = self._classifier.classify(levels)
            seen.append(classes.cpu())
            features.append(values.cpu())
        right = torch.cat(seen) == torch.tensor(labels)
        distance = frechet_distance(Statistics.of(torch.cat(features)), self.reference)
        return Score(float(right.double().mean()), distance, len(images))

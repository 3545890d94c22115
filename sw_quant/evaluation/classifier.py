# SPDX-License-Identifier: Apache-2.0
"""The small classifier that scores Fashion-MNIST images: their class, and features to compare whole sets by."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw_quant.errors import FpqvarError

FEATURES = 128
SPATIAL_CHANNELS = 8  # of the last feature map: as many numbers as there are features


class Seen(NamedTuple):
    """What the classifier makes of images: ``features [N, 128]``, ``spatial [N, 128]``, ``logits [N, classes]``.

    Like sFID's, the spatial features are the first channels of a feature map, place by place (Nash et al., 2021).
    """

    features: Tensor
    spatial: Tensor
    logits: Tensor


class FashionClassifier(nn.Module):
    """A plain convolutional network: three stages of two convolutions, then two linear layers.

    Images are ``[B, 1, 32, 32]`` in [0, 1].
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        widths = (1, 32, 64, 128)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += self._convolution(width_in, width_out)
            layers += self._convolution(width_out, width_out)
            layers.append(nn.MaxPool2d(2))
        self.stages = nn.Sequential(*layers)
        self.hidden = nn.Linear(widths[-1] * 4 * 4, FEATURES)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(FEATURES, classes)

    @staticmethod
    def _convolution(width_in: int, width_out: int) -> list[nn.Module]:
        return [nn.Conv2d(width_in, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()]

    def features(self, images: Tensor) -> Tensor:
        """The 128 activations before the last layer, ``[B, 128]``."""
        return torch.relu(self.hidden(self.stages(images * 2 - 1).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, ``[B, classes]``."""
        return self.head(self.dropout(self.features(images)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def see(self, images: Tensor) -> Seen:
        """Features and logits of images ``[B, 1, 32, 32]``."""
        maps = self.stages(images * 2 - 1)
        features = torch.relu(self.hidden(maps.flatten(1)))
        return Seen(features, maps[:, :SPATIAL_CHANNELS].flatten(1), self.head(features))

    @torch.no_grad()
    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The most likely class ``[B]`` and the features ``[B, 128]`` of each image."""
        features = self.features(images)
        return self.head(features).argmax(dim=1), features


def load_classifier(path: Path) -> FashionClassifier:
    """Read a classifier from a ``.safetensors`` file, in evaluation mode.

    Raises:
        FpqvarError: the file is missing or does not hold this network.
    """
    from sw_quant.var.checkpoint import load_strict, read_tensors

    with torch.device("meta"):
        classifier = FashionClassifier()
    load_strict(classifier, read_tensors(path), path)
    return classifier.eval()


def check_images(images: Tensor) -> None:
    """Refuse images that the classifier was not made for.

    Raises:
        FpqvarError: names the shape.
    """
    if images.shape[1:] != (1, 32, 32):
        raise FpqvarError(
            f"images of shape {list(images.shape[1:])} cannot be scored; the classifier takes [1, 32, 32]"
        )

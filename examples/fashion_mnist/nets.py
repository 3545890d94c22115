# SPDX-License-Identifier: Apache-2.0
"""Networks that only training uses: a feature network for the perceptual loss, and a discriminator.

The feature network is *not* the classifier that scores: another architecture, another seed, trained apart. It has
seen the same training images and labels, though, so the two networks' features are related; the README says so.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


class FeatureNet(nn.Module):
    """A small residual network with group normalisation, trained as a classifier. Images in [0, 1]."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        widths = (64, 128, 256)
        self.stem = nn.Conv2d(4, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(_Residual(width) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.norm = nn.GroupNorm(8, widths[-1])
        self.hidden = nn.Linear(widths[-1], 192)
        self.head = nn.Linear(192, classes)

    def features(self, images: Tensor) -> list[Tensor]:
        """Feature maps of the stem and the three stages, then the vector before the last layer."""
        x = self.stem(functional.pixel_unshuffle(images * 2 - 1, 2))
        maps = [x]
        for i, stage in enumerate(self.stages):
            x = stage(x)
            maps.append(x)
            if i < len(self.down):
                x = self.down[i](x)
        pooled = functional.silu(self.norm(x)).mean(dim=(2, 3))
        return [*maps, functional.silu(self.hidden(pooled))]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, classes]``."""
        return self.head(functional.dropout(self.features(images)[-1], 0.2, self.training))  # type: ignore[no-any-return]


def perceptual_loss(net: FeatureNet, fake: Tensor, real: Tensor) -> Tensor:
    """Squared distance of the two images' features, each layer relative to its variance. Images in [0, 1]."""
    with torch.no_grad():
        targets = net.features(real)
    losses = []
    for feature, target in zip(net.features(fake), targets, strict=True):
        difference = (feature.float() - target.float()).square().mean()
        losses.append(difference / target.float().var().clamp_min(1e-6))
    return torch.stack(losses).mean()


class Discriminator(nn.Module):
    """Tells real patches from decoded ones: a map of scores, one for each 8x8 region or so. Images in [-1, 1]."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.GroupNorm(8, 2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1), nn.GroupNorm(8, 4 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Scores ``[B, 1, 8, 8]``; above 0 means real."""
        return self.body(images)  # type: ignore[no-any-return]


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss."""
    return (functional.relu(1 - real.float()) + functional.relu(1 + fake.float())).mean()

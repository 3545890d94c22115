# SPDX-License-Identifier: Apache-2.0
"""The metrics against independent implementations on the same features: torchmetrics, and plain loops."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import load_classifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.evaluation.metrics import inception_score, precision_recall
from sw_quant.evaluation.scorer import Scorer
from sw_quant.var.checkpoint import SHIPPED

FMNIST = SHIPPED / "fmnist"


class _Features(nn.Module):
    """The classifier's features or logits, as torchmetrics wants its network."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.net, self.part, self.num_features = load_classifier(FMNIST / "classifier.safetensors"), part, 128

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = getattr(self.net.see(images), self.part)
        return found


def _images(count: int, seed: int) -> Tensor:
    """Blurred noise, so that features differ between images."""
    noise = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(noise, size=(32, 32), mode="bilinear").mul(255).round().div(255)


def test_frechet_and_inception_score_agree_with_torchmetrics() -> None:
    real, drawn = _images(200, 0), _images(150, 1)
    fid = FrechetInceptionDistance(feature=_Features("features"), normalize=False, input_img_size=(1, 32, 32))
    fid.update(real, real=True)
    fid.update(drawn, real=False)
    own = load_classifier(FMNIST / "classifier.safetensors")
    a, b = (Statistics.of(own.see(images).features) for images in (real, drawn))
    assert frechet_distance(a, b) == pytest.approx(float(fid.compute()), rel=1e-3)
    score = InceptionScore(feature=_Features("logits"), splits=1)
    score.update(drawn)
    expected = float(score.compute()[0])
    assert inception_score(own.see(drawn).logits.softmax(dim=1)) == pytest.approx(expected, rel=1e-5)


def _covered(points: npt.NDArray[np.float32], manifold: npt.NDArray[np.float32], k: int) -> float:
    """Kynkäänniemi et al., algorithm 1, one distance at a time."""
    inside = 0
    radii = [
        np.sort([np.linalg.norm(a - b) for j, b in enumerate(manifold) if j != i])[k - 1]
        for i, a in enumerate(manifold)
    ]
    for point in points:
        inside += any(np.linalg.norm(point - other) <= radius for other, radius in zip(manifold, radii, strict=True))
    return inside / len(points)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.floats(0, 3))
def test_precision_and_recall_agree_with_plain_loops(seed: int, k: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    generated = random.normal(size=(23, 4)).astype(np.float32) + np.float32(shift)
    reference = random.normal(size=(31, 4)).astype(np.float32)
    found = precision_recall(torch.tensor(generated), torch.tensor(reference), k)
    assert found == pytest.approx((_covered(generated, reference, k), _covered(reference, generated, k)))


def test_the_inception_score_has_its_bounds() -> None:
    assert inception_score(torch.full((50, 10), 0.1)) == pytest.approx(1)
    assert inception_score(torch.eye(10).repeat(5, 1)) == pytest.approx(10)
    halves = torch.eye(2).repeat_interleave(5000, dim=0)  # each split of 5000 is all of one class
    assert inception_score(halves) == pytest.approx(1)


def test_a_set_is_its_own_manifold() -> None:
    same = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    assert precision_recall(same, same) == (1, 1)
    assert precision_recall(same, same + 100) == (0, 0)


def test_too_few_or_broken_images_are_refused() -> None:
    with pytest.raises(FpqvarError, match="need more than 3 images, but there are 3 generated ones; draw more"):
        precision_recall(torch.zeros(3, 2), torch.zeros(9, 2))
    with pytest.raises(FpqvarError, match="not finite"):
        inception_score(torch.full((2, 3), float("nan")))


def test_the_shipped_scorer_measures_everything() -> None:
    scorer = Scorer(FMNIST)
    found = scorer.measure(_images(40, 0), [0] * 40)
    assert found.images == 40
    assert found.frechet_distance == scorer.score(_images(40, 0), [0] * 40).frechet_distance
    assert 1 <= found.inception_score <= 10
    assert 0 <= found.precision <= 1
    assert 0 <= found.recall <= 1
    assert found.spatial_frechet_distance > 0

# SPDX-License-Identifier: Apache-2.0
"""The Fréchet distance against closed forms and an independent calculation, and the committed reference."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sw_quant.errors import FpqvarError
from sw_quant.evaluation.classifier import FashionClassifier, check_images, load_classifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
from sw_quant.var.checkpoint import SHIPPED, read_tensors

FMNIST = SHIPPED / "fmnist"


def _random(seed: int, width: int, count: int = 50) -> Statistics:
    rng = np.random.default_rng(seed)
    return Statistics.of(torch.tensor(rng.normal(size=(count, width)) @ rng.normal(size=(width, width))))


def test_statistics_are_mean_and_covariance() -> None:
    values = np.random.default_rng(0).normal(size=(40, 5))
    found = Statistics.of(torch.tensor(values, dtype=torch.float32))
    np.testing.assert_allclose(found.mean.numpy(), values.astype(np.float32).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.cov.numpy(), np.cov(values.astype(np.float32).T), atol=1e-6)
    assert found.count == 40
    assert found.mean.dtype == found.cov.dtype == torch.float64


@given(st.lists(st.tuples(*[st.floats(0, 9)] * 2, *[st.floats(-5, 5)] * 2), min_size=1, max_size=6))
def test_independent_features_have_a_closed_form(rows: list[tuple[float, float, float, float]]) -> None:
    deviation_a, deviation_b, mean_a, mean_b = (torch.tensor(c, dtype=torch.float64) for c in zip(*rows, strict=True))
    a, b = (
        Statistics(mean, torch.diag(deviation**2), 10)
        for mean, deviation in ((mean_a, deviation_a), (mean_b, deviation_b))
    )
    expected = float((mean_a - mean_b).square().sum() + (deviation_a - deviation_b).square().sum())
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_it_agrees_with_the_eigenvalues_of_the_plain_product(seed: int, width: int) -> None:
    a, b = _random(seed, width), _random(seed + 1, width)
    eigenvalues = np.linalg.eigvals((a.cov @ b.cov).numpy())  # those of a product of two such matrices are not negative
    root = np.sqrt(np.clip(eigenvalues.real, 0, None)).sum()
    expected = float((a.mean - b.mean).square().sum() + a.cov.trace() + b.cov.trace()) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-6, abs=1e-6)


def test_a_set_is_at_no_distance_from_itself() -> None:
    same = _random(1, 20, count=10)  # fewer vectors than features: the covariance is singular
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-6)


def test_bad_features_are_refused() -> None:
    with pytest.raises(FpqvarError, match=r"features of shape \[1, 3\]"):
        Statistics.of(torch.zeros(1, 3))
    with pytest.raises(FpqvarError, match="not finite"):
        Statistics.of(torch.tensor([[0.0], [float("nan")]]))
    with pytest.raises(FpqvarError, match="width 3 and 2"):
        frechet_distance(_random(0, 3), _random(0, 2))


def test_the_committed_reference_is_whole() -> None:
    tensors = read_tensors(FMNIST / "reference.safetensors")
    train, test = (
        Statistics(tensors[f"{name}.mean"], tensors[f"{name}.cov"], int(tensors[f"{name}.count"]))
        for name in ("train", "test")
    )
    assert (train.count, test.count) == (60_000, 10_000)
    for value in (train, test):
        assert value.mean.shape == (128,)
        assert value.mean.dtype == torch.float64
        assert (value.cov - value.cov.T).abs().max() < 1e-12
    assert 0.10 < frechet_distance(train, test) < 0.11  # as the training log says


def test_the_committed_classifier_gives_features_and_classes() -> None:
    classifier = load_classifier(FMNIST / "classifier.safetensors")
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    classes, features = classifier.classify(images)
    assert features.shape == (3, 128)
    assert float(features.min()) >= 0
    assert torch.equal(classes, classifier(images).argmax(dim=1))


def test_a_damaged_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FpqvarError, match=r"none.safetensors: no such file"):
        load_classifier(tmp_path / "none.safetensors")
    with pytest.raises(FpqvarError, match="is missing"):
        load_classifier(FMNIST / "vqvae.safetensors")


def test_other_image_sizes_are_refused() -> None:
    with pytest.raises(FpqvarError, match=r"shape \[3, 32, 32\]"):
        check_images(torch.zeros(2, 3, 32, 32))
    assert sum(p.numel() for p in FashionClassifier().parameters()) < 600_000

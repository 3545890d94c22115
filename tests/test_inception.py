# SPDX-License-Identifier: Apache-2.0
"""Inception with random weights: the same numbers as torch-fidelity's network, and honest refusals."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from host.cli.evaluate import _caption, _rows
from host.cli.features import Features
from host.cli.scoring import Run
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.evaluation.imagenet import InceptionScorer, load_reference
from sw_quant.evaluation.inception import Inception, load_inception
from sw_quant.evaluation.metrics import precision_recall
from tests.cli import Run as RunCommand
from tests.cli import refused

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def network() -> Inception:
    """Random weights of a size that keeps signals alive, and statistics that are not those of a fresh network."""
    torch.manual_seed(0)
    made = Inception()
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def weights(network: Inception, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its state dict, as older files are: without counts, in torch's format of before 1.6."""
    path = tmp_path_factory.mktemp("inception") / "pt_inception.pth"
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def fidelity() -> Iterator[ModuleType]:
    """torch-fidelity's module with the network, without its package, which imports torchvision."""
    folder = Path(sys.prefix) / "peers" / "torch_fidelity"
    assert folder.is_dir(), f"{folder} is missing; `make test` installs requirements/peers.txt there"
    package = ModuleType("torch_fidelity")
    package.__path__ = [str(folder)]
    sys.modules["torch_fidelity"] = package
    yield importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    for name in [name for name in sys.modules if name.startswith("torch_fidelity")]:
        del sys.modules[name]


def _pixels(count: int, seed: int, size: int = 24) -> Pixels:
    """Blurred noise, so that images differ."""
    noise = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    large = nn.functional.interpolate(noise, size=(size, size), mode="bilinear")
    return large.mul(255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def _close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).norm() < 1e-4 * expected.norm())


@pytest.mark.parametrize("size", [24, 299, 320])
def test_the_network_is_torch_fidelitys(network: Inception, weights: Path, fidelity: Any, size: int) -> None:
    """Features, logits and, by a hook on the layer that sFID is named after, spatial features."""
    peer = fidelity.FeatureExtractorInceptionV3("peer", ["2048", "logits_unbiased"], str(weights))
    spatial: list[Tensor] = []
    peer.Mixed_6d.branch1x1.register_forward_hook(lambda module, inputs, output: spatial.append(output))
    images = torch.from_numpy(_pixels(3, 1, size)).permute(0, 3, 1, 2)
    features, logits = peer(images)
    seen = network.see(images)
    assert _close(seen.features, features)
    assert _close(seen.logits, logits)
    assert seen.features.std(dim=0).mean() > 1e-3 * seen.features.mean()  # images are told apart
    expected = spatial[0][:, :7].numpy().transpose(0, 2, 3, 1).reshape(3, -1)  # as TensorFlow lays them
    assert _close(seen.spatial, torch.from_numpy(expected))


def test_the_file_has_the_published_names(network: Inception, weights: Path, fidelity: Any) -> None:
    peer = fidelity.FeatureExtractorInceptionV3("peer", ["2048"], str(weights)).state_dict()
    ours = load_inception(weights).state_dict()
    assert ours.keys() == peer.keys()
    assert all(torch.equal(value, peer[key]) for key, value in ours.items())
    assert len([key for key in ours if key.endswith("conv.weight")]) == 94


class _Part(nn.Module):
    """The network as torchmetrics wants it."""

    def __init__(self, network: Inception, part: str) -> None:
        super().__init__()
        self.network, self.part, self.num_features = network, part, 2048

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = getattr(self.network.see(images), self.part)
        return found


def test_metrics_agree_with_torchmetrics(network: Inception, tmp_path: Path) -> None:
    real, drawn = _pixels(12, 2), _pixels(9, 3)
    np.savez(tmp_path / "images.npz", arr_0=real)
    scorer = InceptionScorer(network, load_reference(tmp_path / "images.npz"))
    found = scorer.measure(drawn)
    fid = FrechetInceptionDistance(_Part(network, "features"), normalize=False, input_img_size=(3, 24, 24))
    for images, is_real in ((real, True), (drawn, False)):
        fid.update(torch.from_numpy(images).permute(0, 3, 1, 2), real=is_real)
    # Covariances of 12 images in 2048 dimensions are singular, where torchmetrics' eigenvalues lose half their digits.
    assert found["fid"] == pytest.approx(float(fid.compute()), rel=2e-3)
    score = InceptionScore(_Part(network, "logits"), splits=1)
    score.update(torch.from_numpy(drawn).permute(0, 3, 1, 2))
    assert found["inception_score"] == pytest.approx(float(score.compute()[0]), rel=1e-4)
    features = [scorer.see(images).features for images in (drawn, real)]
    assert (found["precision"], found["recall"]) == precision_recall(features[0], features[1])
    assert found["sfid"] > 0

    # The same from statistics, in the layout of OpenAI's evaluator.
    seen = scorer.see(real)
    arrays = {"mu": seen.features, "mu_s": seen.spatial}
    covs = {key.replace("mu", "sigma"): np.cov(value.double().numpy(), rowvar=False) for key, value in arrays.items()}
    np.savez(tmp_path / "mu.npz", **{key: value.mean(0).numpy() for key, value in arrays.items()}, **covs)
    again = InceptionScorer(network, load_reference(tmp_path / "mu.npz")).measure(drawn)
    assert again.keys() == {"fid", "sfid", "inception_score"}
    assert again["fid"] == pytest.approx(found["fid"], rel=1e-4)
    assert again["sfid"] == pytest.approx(found["sfid"], rel=1e-4)


def test_grey_images_are_seen_as_rgb(network: Inception, tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", arr_0=_pixels(5, 2))
    scorer = InceptionScorer(network, load_reference(tmp_path / "images.npz"))
    grey = _pixels(2, 4)[..., :1]
    assert torch.equal(scorer.see(grey).features, scorer.see(np.repeat(grey, 3, axis=-1)).features)


def test_wrong_references_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(FpqvarError, match=r"a.npz: no such file; give the npz of OpenAI's evaluator"):
        load_reference(path)
    path.write_bytes(b"PK rubbish")
    with pytest.raises(FpqvarError, match="not an npz, or cut off"):
        load_reference(path)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"other": np.zeros(3)}, "neither mu and sigma nor arr_0"),
        ({"mu": np.zeros(2048)}, "neither mu and sigma nor arr_0"),
        ({"mu": np.zeros(64), "sigma": np.eye(64)}, r"mu is float64 \[64\], where Inception's is \[2048\]"),
        ({"mu": np.full(2048, np.nan), "sigma": np.eye(2048)}, "mu holds NaN"),
        ({"arr_0": np.zeros((9, 8, 8, 3))}, r"arr_0 is float64 \[9, 8, 8, 3\], where images are uint8"),
        ({"arr_0": np.zeros((9, 8, 8, 1), np.uint8)}, r"arr_0 is uint8 \[9, 8, 8, 1\]"),
        ({"arr_0": np.zeros((3, 8, 8, 3), np.uint8)}, "3 images, where Precision and Recall need more than 3"),
        ({"arr_0": np.array([{}], dtype=object)}, "cannot be read as an npz"),
    ]
    for arrays, message in cases:
        np.savez(path, **arrays)
        with pytest.raises(FpqvarError, match=message):
            load_reference(path)


def test_wrong_weights_are_named(network: Inception, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = network.state_dict()
    state["fc.weight"] = state["fc.weight"][:1000]
    torch.save(state, path)
    with pytest.raises(FpqvarError, match=r"fc.weight' has shape \[1000, 2048\], expected \[1008, 2048\].*pytorch-fid"):
        load_inception(path)
    del state["fc.weight"]
    torch.save(state, path)
    with pytest.raises(FpqvarError, match=r"'fc\.weight' is missing"):
        load_inception(path)
    torch.save(network, path)  # code, not tensors
    with pytest.raises(FpqvarError, match="cannot be read as a model file"):
        load_inception(path)


def test_options_are_checked(tmp_path: Path) -> None:
    npz = tmp_path / "a.npz"
    assert Features.parse("classifier", None).identity() is None
    with pytest.raises(UsageError, match="give --reference too"):
        Features.parse("inception:w.pth", None)
    for text in ("inception", "inception:", "vgg", "vgg:x"):
        with pytest.raises(UsageError, match=r"unknown --features .*; known: classifier, inception:FILE"):
            Features.parse(text, npz)
    with pytest.raises(UsageError, match="the classifier has its own"):
        Features.parse("classifier", npz)
    with pytest.raises(FpqvarError, match=r"w.pth: no such file; --features"):
        Features.parse(f"inception:{tmp_path / 'w.pth'}", npz).identity()


def test_evaluate_by_inception(run: RunCommand, weights: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.npz"
    np.savez(reference, arr_0=_pixels(5, 2))
    out = tmp_path / "out"
    arguments = ["evaluate", "--recipes", "float", "--features", f"inception:{weights}", "--reference", reference]
    refused(run(*arguments, "--images", 3, "--out", out), 2, "--images 3: the metrics need at least 4")
    code, stdout, stderr = run(*arguments, "--images", 6, "--out", out)
    assert code == 0, stderr
    assert "FID" in stdout
    result = json.loads((out / "float.json").read_text())
    assert result["fid"] > 0
    assert "class_accuracy" not in result
    assert result["run"]["features"]["network"] == "inception"
    lines = (out / "results.md").read_text().splitlines()
    assert lines[0] == "| recipe | FID | sFID | IS | Precision | Recall | seconds |"
    assert "fewer images than features" in lines[-1]
    np.savez(reference, arr_0=_pixels(6, 2))  # another reference: another result
    refused(
        run(*arguments, "--images", 6, "--out", out), 1, "float.json was made with features", "choose another --out"
    )
    few = Run("m", "0", 9, 0, {"cfg": 1.0})
    assert "not FID" in _caption(few)
    assert _rows([{"name": "a", "fid": 1.5}, {"name": "b", "recall": 0.5}]) == [
        ("recipe", "FID", "Recall"),
        ("a", "1.50", "–"),
        ("b", "–", "0.500"),
    ]

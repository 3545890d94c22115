# SPDX-License-Identifier: Apache-2.0
"""The Fashion-MNIST trainer, on a tiny model and made-up images: it resumes to the bit, and refuses bad data."""

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from examples.fashion_mnist import run as run_module
from examples.fashion_mnist.classifiers import train_classifier
from examples.fashion_mnist.data import Split, load
from examples.fashion_mnist.loop import Budget, batches, learning_rate
from examples.fashion_mnist.nets import FeatureNet
from examples.fashion_mnist.quantizer import TrainingQuantizer
from examples.fashion_mnist.run import Log
from examples.fashion_mnist.score import nearest_distances
from examples.fashion_mnist.train_var import VarSettings, VarTrainer, train_var
from examples.fashion_mnist.train_vqvae import VqvaeSettings, VqvaeTrainer, train_vqvae
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.evaluation.scorer import Scorer
from sw_quant.var import Vqvae
from sw_quant.var.checkpoint import SHIPPED
from sw_quant.var.multiscale import MultiScaleQuantizer
from tests.tiny import CONFIG

SHAPE = replace(CONFIG.vqvae, multipliers=(1, 1, 1), patch_sizes=(1, 2, 8))  # 32x32 images
MODEL = replace(CONFIG, classes=10, vqvae=SHAPE)


def _split(count: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    images = torch.randint(40, (count, 1, 32, 32), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):  # a bright band, further down for each class
        image[:, 3 * label : 3 * label + 3] += 200
    return Split(images.to(torch.uint8), labels)


TRAIN, TEST = _split(24, 0), _split(12, 1)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(SHIPPED / "fmnist")


@pytest.fixture(scope="module")
def features() -> FeatureNet:
    torch.manual_seed(0)
    return FeatureNet()


def _vqvae(out: Path, features: FeatureNet, scorer: Scorer, seed: int = 0) -> None:
    settings = VqvaeSettings(seed=seed, batch=8)
    log = Log(out / "log.jsonl", "vqvae")
    train_vqvae(SHAPE, settings, Budget(steps=6), TRAIN, TEST, features, scorer, out, log)


def _var(out: Path, scorer: Scorer) -> None:
    torch.manual_seed(2)
    vqvae = Vqvae(SHAPE).eval()
    log = Log(out / "log.jsonl", "var")
    train_var(MODEL, VarSettings(batch=8), Budget(steps=6), TRAIN, TEST, vqvae, scorer, out, log, preview=1)


def _cut_off_and_resume(kind: Any, train: Callable[[Path], None], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, stopped in the fourth step, with the state saved after every step; then train again."""
    plan = run_module.Plan
    monkeypatch.setattr(run_module.Plan, "__init__", _saving_always(plan.__init__))
    step, calls = kind.step, []

    def interrupted(self: Any, *args: Any) -> Any:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(kind, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(out)
    monkeypatch.setattr(kind, "step", step)
    train(out)
    assert json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"] == 6


def _saving_always(init: Callable[..., None]) -> Callable[..., None]:
    return lambda self, *args, **kwargs: init(self, *args, **{**kwargs, "save_every": -1.0})


def test_a_cut_off_vqvae_run_ends_as_if_it_had_not_been(
    tmp_path: Path, features: FeatureNet, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _vqvae(tmp_path / "whole", features, scorer)
    _cut_off_and_resume(VqvaeTrainer, lambda out: _vqvae(out, features, scorer), tmp_path / "parts", monkeypatch)
    whole, parts = (load_file(tmp_path / name / "vqvae.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == Vqvae(SHAPE).state_dict().keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    with pytest.raises(FpqvarError, match=r"vqvae.state: belongs to a run with other settings"):
        _vqvae(tmp_path / "whole", features, scorer, seed=1)


def test_a_cut_off_var_run_ends_as_if_it_had_not_been(
    tmp_path: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _var(tmp_path / "whole", scorer)
    _cut_off_and_resume(VarTrainer, lambda out: _var(out, scorer), tmp_path / "parts", monkeypatch)
    whole, parts = (load_file(tmp_path / name / "var.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_unused_codes_are_replaced_by_vectors_of_the_batch(features: FeatureNet, scorer: Scorer) -> None:
    trainer = VqvaeTrainer(SHAPE, VqvaeSettings(batch=8), features, TRAIN, TEST, scorer)
    trainer.step(torch.arange(8), 0, 0.5)
    before = trainer.codebook.detach().clone()
    trainer.usage[[3, 17]] = 0.01
    vectors = torch.randn(2, 5, 4)
    trainer._revive(vectors)
    changed = (trainer.codebook != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == [3, 17]
    for code in changed:
        assert trainer.codebook[code].tolist() in vectors.flatten(0, 1).tolist()
        assert torch.equal(trainer.ema.average.quantize.embedding.weight[code], trainer.codebook[code])
    assert trainer.usage[[3, 17]].tolist() == [1.0, 1.0]


def test_a_classifier_learns_made_up_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    many = Split(TRAIN.images.repeat(11, 1, 1, 1), TRAIN.labels.repeat(11))  # a step an epoch
    net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))
    train_classifier(net, many, TEST, tmp_path / "net.safetensors", epochs=60, seed=0, log=Log(tmp_path / "log", "net"))
    record = json.loads((tmp_path / "log").read_text())
    assert record["train_accuracy"] > 0.5  # a tenth by chance
    assert load_file(tmp_path / "net.safetensors").keys() == net.state_dict().keys()


@pytest.mark.parametrize("seed", range(3))
def test_the_training_quantizer_agrees_with_the_model(seed: int) -> None:
    torch.manual_seed(seed)
    quantizer = MultiScaleQuantizer(replace(SHAPE, vocabulary=64, latent_channels=8, patch_sizes=(1, 2, 3, 5, 8)))
    latents = torch.randn(4, 8, 8, 8, requires_grad=True)
    tokens, expected = quantizer.quantize(latents)
    found = TrainingQuantizer(quantizer)(latents)
    assert torch.equal(found.tokens, torch.cat(tokens, dim=1))
    # Matrices instead of interpolation: the sums are taken in another order.
    torch.testing.assert_close(found.latents, expected, rtol=0, atol=1e-5)
    found.latents.sum().backward()
    assert latents.grad is not None
    assert torch.equal(latents.grad, torch.ones_like(latents))  # straight through


def test_batches_go_on_where_they_stopped() -> None:
    device = torch.device("cpu")
    whole, later = batches(20, 6, 3, 0, device), batches(20, 6, 3, 4, device)
    first = [next(whole) for _ in range(8)]
    assert [next(later).tolist() for _ in range(4)] == [index.tolist() for index in first[4:]]
    assert sorted(torch.cat(first[:3]).tolist()) != sorted(torch.cat(first[3:6]).tolist())
    assert len(set(torch.cat(first[:3]).tolist())) == 18
    with pytest.raises(UsageError, match="batch 21 is larger"):
        next(batches(20, 21, 3, 0, device))


def test_the_budget_is_steps_or_minutes() -> None:
    assert Budget(steps=10).fraction(4, 999.0) == 0.4
    assert Budget(minutes=2).fraction(999, 60.0) == 0.5
    assert Budget(minutes=2).fraction(0, 500.0) == 1.0
    for wrong in ({}, {"steps": 1, "minutes": 1.0}, {"steps": 0}, {"minutes": -1.0}):
        with pytest.raises(UsageError):
            Budget(**wrong)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(1.0, i / 1000) for i in range(1001)]
    assert max(rates) == rates[30] == 1.0
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_the_nearest_image_is_found() -> None:
    others = torch.stack([torch.full((1, 32, 32), value) for value in (0.0, 0.5, 1.0)])
    images = torch.stack([torch.full((1, 32, 32), value) for value in (0.1, 0.5, 0.8)])
    torch.testing.assert_close(nearest_distances(images, others), torch.tensor([0.1, 0.0, 0.2]), rtol=0, atol=1e-4)


def _idx(magic: int, shape: tuple[int, ...], content: bytes) -> bytes:
    return gzip.compress(b"".join(number.to_bytes(4, "big") for number in (magic, *shape)) + content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(_idx(0x803, (2, 28, 28), bytes([7]) * 1568))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(_idx(0x801, (2,), bytes([9, 0])))
    return tmp_path


def test_images_are_padded(folder: Path) -> None:
    split = load(folder, "train")
    assert split.images.shape == (2, 1, 32, 32)
    assert split.images.sum() == 2 * 28 * 28 * 7
    assert split.images[:, :, 2:30, 2:30].min() == 7
    assert split.labels.tolist() == [9, 0]


def test_bad_data_is_refused(folder: Path) -> None:
    with pytest.raises(FpqvarError, match=r"t10k-images-idx3-ubyte.gz: no such file; install Debian's package"):
        load(folder, "t10k")
    labels = folder / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(_idx(0x801, (3,), bytes(3)))
    with pytest.raises(FpqvarError, match="2 images but 3 labels"):
        load(folder, "train")
    labels.write_bytes(_idx(0x801, (2,), bytes(3)))
    with pytest.raises(FpqvarError, match="not an IDX file"):
        load(folder, "train")
    shutil.copy(labels, folder / "train-images-idx3-ubyte.gz")
    with pytest.raises(FpqvarError, match=r"train-images-idx3-ubyte.gz: not an IDX file"):
        load(folder, "train")
    labels.write_bytes(labels.read_bytes()[:-9])
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"plain")
    with pytest.raises(FpqvarError, match=r"train-images-idx3-ubyte.gz: cannot be read"):
        load(folder, "train")

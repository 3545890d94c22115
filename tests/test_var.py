# SPDX-License-Identifier: Apache-2.0
"""The VAR model by itself: sampling, the hook for linear layers, seeds, and refusals."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from sw_quant.errors import FpqvarError, UsageError
from sw_quant.var import PRESETS, Var, Vqvae
from sw_quant.var.config import from_dict, to_dict
from sw_quant.var.philox import uniforms
from sw_quant.var.sampling import draw, restrict
from tests.tiny import CONFIG, tiny_model

LABELS = torch.tensor([0, 2, 1, 1])


@pytest.fixture(params=[False, True], ids=["own", "shared"])
def var(request: pytest.FixtureRequest) -> Var:
    found: Var = tiny_model(shared_adaln=request.param, seed=3).var
    with torch.no_grad():  # random weights hardly look at their input; make the logits differ
        found.head.weight.mul_(20)
        found.class_emb.weight.mul_(3)
    return found


def test_generation_is_deterministic_and_follows_the_seed(var: Var) -> None:
    first, again, other = (var.generate(LABELS, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (4, 1, 6, 6)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_an_image_seed_makes_the_draws_independent_of_the_batch(var: Var) -> None:
    seeds = [10, 11, 12, 13]
    together, _ = var.generate_tokens(LABELS, 0, 1.5, 0, 0.9, image_seeds=seeds)
    for order in ([2], [3, 1], [1, 0, 2]):
        apart, _ = var.generate_tokens(LABELS[order], 0, 1.5, 0, 0.9, image_seeds=[seeds[i] for i in order])
        assert all(torch.equal(a, b[order]) for a, b in zip(apart, together, strict=True))


@torch.no_grad()
def test_the_cache_gives_what_the_mask_gives(var: Var) -> None:
    """Greedy generation, scale by scale with the cache, prefers the tokens that one masked pass prefers."""
    tokens, _ = var.generate_tokens(LABELS, 0, cfg=0.0, top_k=1, top_p=0.0)
    logits = var(LABELS, var.vqvae.quantize.transformer_inputs(tokens))
    assert torch.equal(logits.argmax(dim=-1), torch.cat(tokens, dim=1))


def test_guidance_without_strength_ignores_the_other_half(var: Var) -> None:
    changed = copy.deepcopy(var)
    with torch.no_grad():
        changed.class_emb.weight[-1] += 1
    assert torch.equal(var.generate(LABELS, 1, cfg=0.0), changed.generate(LABELS, 1, cfg=0.0))
    assert not torch.equal(var.generate(LABELS, 1, cfg=4.0), changed.generate(LABELS, 1, cfg=4.0))


def test_every_linear_layer_goes_through_the_hook(var: Var) -> None:
    layers = var.linear_layers()
    names = [f"{i}.{name}" for i in range(2) for name in ("mat_qkv", "proj", "fc1", "fc2")]
    assert list(layers) == names
    plain = var.generate(LABELS, seed=4)
    calls: list[tuple[str, tuple[int, ...]]] = []

    def executor(name: str, x: Tensor) -> Tensor:
        calls.append((name, tuple(x.shape)))
        return functional.linear(x, *layers[name])

    var.linear = executor
    assert torch.equal(var.generate(LABELS, seed=4), plain)
    assert [name for name, _ in calls] == names * 3
    widths = {"mat_qkv": 128, "proj": 128, "fc1": 128, "fc2": 512}
    expected = [(8, size**2, widths[name.split(".")[1]]) for size in (1, 2, 3) for name in names]
    assert [shape for _, shape in calls] == expected


def test_linear_layers_are_whole(var: Var) -> None:
    attention = var.blocks[1].attn
    with torch.no_grad():
        attention.q_bias.fill_(1.0)  # type: ignore[operator,union-attr]
        attention.v_bias.fill_(3.0)  # type: ignore[operator,union-attr]
    bias = var.linear_layers()["1.mat_qkv"].bias
    assert bias.tolist() == [1.0] * 128 + [0.0] * 128 + [3.0] * 128
    assert {name: tuple(layer.weight.shape) for name, layer in var.linear_layers().items()} == {
        f"{i}.{name}": shape
        for i in range(2)
        for name, shape in {"mat_qkv": (384, 128), "proj": (128, 128), "fc1": (512, 128), "fc2": (128, 512)}.items()
    }


def test_progress_is_told_after_each_scale(var: Var) -> None:
    told: list[tuple[int, int]] = []
    var.generate(LABELS, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.tensor([0, 3])}, "no class 3; the model knows 0 to 2"),
        ({"labels": torch.tensor([-1])}, "no class -1"),
        ({"labels": torch.tensor([0.0])}, "torch.float32"),
        ({"labels": torch.empty(0, dtype=torch.int64)}, "shape \\[0\\]"),
        ({"cfg": float("nan")}, "cfg\\) is nan"),
        ({"top_k": 33}, "top_k is 33; give a number from 0 \\(off\\) to 32"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"image_seeds": [1]}, "1 image seeds for 4 images"),
        ({"image_seeds": [1, 2, 3, 2**63]}, "seed 9223372036854775808"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny_model().var.generate(**{"labels": LABELS, **changes})


def test_logits_that_are_not_finite_are_an_error() -> None:
    var = tiny_model().var
    with torch.no_grad():
        var.head.bias[7] = float("nan")
    with pytest.raises(FpqvarError, match="logits are not finite"):
        var.generate(LABELS)


def test_a_transformer_refuses_another_vqvae() -> None:
    with pytest.raises(UsageError, match="another VQVAE"), torch.device("meta"):
        Var(CONFIG, Vqvae(PRESETS["fmnist"].vqvae))


@given(st.data())
def test_restrict_keeps_what_it_says(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 12))
    values = data.draw(st.lists(st.integers(-6, 6), min_size=size, max_size=size))
    top_k, top_p = data.draw(st.integers(0, size)), data.draw(st.sampled_from([0.0, 0.3, 0.71, 0.95, 1.0]))
    logits = torch.tensor(values, dtype=torch.float32)
    before = logits.clone()
    kept = {i for i, value in enumerate(restrict(logits[None], top_k, top_p)[0].tolist()) if value > -torch.inf}
    assert torch.equal(logits, before)

    allowed = set(range(size))
    if top_k:
        threshold = sorted(values)[-top_k]
        allowed = {i for i in allowed if values[i] >= threshold}
    assert kept <= allowed
    assert values.index(max(values)) in kept or any(values[i] == max(values) for i in kept)
    weights = logits.double().exp()
    total = float(sum(weights[i] for i in allowed))
    mass = float(sum(weights[i] for i in kept)) / total
    if top_p == 0.0:
        assert kept == allowed
    else:
        assert mass >= top_p - 1e-6  # enough of the probability stays,
        least = min(kept, key=lambda i: values[i])
        assert len(kept) == 1 or mass - float(weights[least]) / total < top_p + 1e-6  # and no token more than needed
        assert max((values[i] for i in allowed - kept), default=-99) <= values[least]


@pytest.mark.parametrize("source", ["generator", "places"])
def test_draws_follow_the_probabilities(source: str) -> None:
    probabilities = torch.tensor([0.5, 0.25, 0.0, 0.125, 0.125, 0.0])
    logits = probabilities.log().expand(2, 40_000, 6)
    for seed in (1, 2):
        given = torch.Generator().manual_seed(seed) if source == "generator" else uniforms([seed, 9], 40_000)
        counts = draw(logits, given)[0].bincount(minlength=6)
        assert counts[2] == counts[5] == 0
        assert (counts / 40_000 - probabilities).abs().max() < 0.01  # four standard deviations


def test_a_place_picks_the_token_whose_share_holds_it() -> None:
    logits = torch.tensor([0.0, 0.5, 0.25, 0.0, 0.25, 0.0]).log()
    step = 2.0**-48
    places = torch.tensor([[0.0, 0.5 - step, 0.5, 0.75 - step, 0.75, 1 - step]], dtype=torch.float64)
    assert draw(logits.expand(1, 6, 6), places).tolist() == [[1, 1, 2, 2, 4, 4]]
    one = torch.full((1, 2, 6), -torch.inf)
    one[..., 3] = 0
    assert draw(one, places[:, [0, 5]]).tolist() == [[3, 3]]
    with pytest.raises(FpqvarError, match="not finite"):
        draw(torch.full((1, 1, 6), torch.nan), places[:, :1])


@pytest.mark.parametrize("name", PRESETS)
def test_configurations_survive_json(name: str) -> None:
    assert from_dict(to_dict(PRESETS[name]), "here") == PRESETS[name]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("depth", None, "key 'depth' is missing"),
        ("surplus", 1, "key 'surplus' is unknown"),
        ("depth", "6", "'depth' is '6', expected int"),
        ("depth", True, "'depth' is True"),
        ("width", 0, "'width' is 0"),
        ("shared_adaln", 1, "'shared_adaln' is 1"),
        ("norm_eps", "x", "'norm_eps' is 'x'"),
        ("vqvae", 3, "key 'vqvae' is missing or not a table"),
    ],
)
def test_bad_configurations_are_refused(key: str, value: Any, message: str) -> None:
    data = to_dict(CONFIG)
    if value is None:
        del data[key]
    else:
        data[key] = value
    with pytest.raises(FpqvarError, match=f"file.json: {message}"):
        from_dict(data, "file.json")


def test_bad_patch_sizes_are_refused() -> None:
    data = to_dict(CONFIG)
    data["vqvae"]["patch_sizes"] = [1, -2]
    with pytest.raises(FpqvarError, match="'patch_sizes' is \\[1, -2\\]"):
        from_dict(data, "file.json")

# SPDX-License-Identifier: Apache-2.0
"""The quantized KV cache: the contract's quantizer, one scale a token and head, each token rounded once."""

import pytest
import torch

from sw_quant.errors import FpqvarError
from sw_quant.executor import GoldenLinears
from sw_quant.formats import get, signed_units
from sw_quant.kvcache import CacheQuantizer
from sw_quant.packed import Source
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.quantizer import quantize
from sw_quant.recipe import load_recipe
from sw_quant.var.block import KvCache
from tests.tiny import tiny_model


@pytest.mark.parametrize("format", ["e2m1", "e2m3", "dual4", "int8"])
def test_every_token_and_head_has_its_own_scale(format: str) -> None:
    x = torch.randn(2, 3, 5, 64) * torch.logspace(-3, 3, 5)[:, None]
    rounded = CacheQuantizer(format)(x)
    for place in ((0, 0, 0), (1, 2, 4), (1, 0, 3)):
        assert torch.equal(rounded[place], quantize(x[place], format, granularity="row").dequantize())
    assert not torch.equal(rounded, x)


def test_a_token_is_rounded_once_when_it_enters() -> None:
    seen: list[tuple[int, ...]] = []

    def note(x: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(x.shape))
        return x + 1

    cache = KvCache(1, 2, 5, 64, torch.zeros(1), note)
    for tokens in (1, 4):
        keys, values = cache.extend(torch.zeros(1, 2, tokens, 64), torch.ones(1, 2, tokens, 64))
    assert seen == [(1, 2, 1, 64), (1, 2, 1, 64), (1, 2, 4, 64), (1, 2, 4, 64)]
    assert keys.shape == values.shape == (1, 2, 5, 64)
    assert torch.equal(keys, torch.ones_like(keys))  # were the first token rounded again, it would hold 2
    assert torch.equal(values, torch.full_like(values, 2))


def test_infinity_is_named() -> None:
    with pytest.raises(FpqvarError, match="KV cache in e2m1: cannot quantize Inf or NaN"):
        CacheQuantizer("e2m1")(torch.full((1, 32), torch.inf))


def test_a_recipe_rounds_what_a_whole_image_puts_into_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a line for it the cache holds what the model makes; with one, values that the quantizer leaves alone."""
    entered: list[torch.Tensor] = []
    extend = KvCache.extend

    def watch(cache: KvCache, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        stored = extend(cache, keys, values)
        entered.extend(part[:, :, -keys.shape[2] :].clone() for part in stored)
        return stored

    monkeypatch.setattr(KvCache, "extend", watch)
    contents = {}
    for name, format in (("fpqvar-fp4", None), ("fpqvar-fp4-kv4", "e2m1"), ("fpqvar-fp4-kv6", "e2m3")):
        packed = quantize_model(tiny_model(), load_recipe(name), Source(name="tiny", sha256="0" * 64))
        var = rebuild(packed)
        var.linear = GoldenLinears(packed.layers)
        entered.clear()
        var.generate(torch.tensor([0, 1]), seed=3)
        contents[name] = list(entered)
        assert len(entered) == 2 * len(var.blocks) * len(var.config.patch_sizes)
        if format is not None:  # a rounded row has as many different magnitudes as the format at most
            magnitudes = len(set(signed_magnitudes(format)))
            rows = torch.cat([part.flatten(0, 2) for part in entered])
            assert all(len(row.abs().unique()) <= magnitudes for row in rows)
    # Block 0 of the first scale sees the same activations whatever the cache; the cache alone differs.
    for first in range(2):
        plain = contents["fpqvar-fp4"][first]
        for name, format in (("fpqvar-fp4-kv4", "e2m1"), ("fpqvar-fp4-kv6", "e2m3")):
            assert torch.equal(contents[name][first], CacheQuantizer(format)(plain))
            assert not torch.equal(contents[name][first], plain)


def signed_magnitudes(format: str) -> list[int]:
    return [abs(units) for units in signed_units(get(format))]

# SPDX-License-Identifier: Apache-2.0
"""Both ways to the golden model's sums on a CPU, bytes and singles, give the same bits; bytes only where exact."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sw_quant import golden
from sw_quant.quantizer import quantize

ACTIVATIONS = ["e2m1", "e1m2", "e3m0", "e2m3", "e3m2", "int4", "int6", "int8", "dual4", "dual6"]
WEIGHTS = [name for name in ACTIVATIONS if not name.startswith("dual")]


@pytest.fixture
def fresh_check() -> Iterator[None]:
    """The processor's check is remembered: forget it before and after."""
    golden.bytes_are_exact.cache_clear()
    yield
    golden.bytes_are_exact.cache_clear()


def saturating(a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A product of bytes as processors without VNNI may do it: pairs of products are added in 16 bits."""
    pairs = a.int()[:, None, :] * w.t().int()[None, :, :]
    return pairs.view(*pairs.shape[:2], -1, 2).sum(dim=-1).clamp_(-(1 << 15), (1 << 15) - 1).sum(dim=-1).int()


@given(st.sampled_from(ACTIVATIONS), st.sampled_from(WEIGHTS), st.sampled_from([32, 128, 384]), st.integers(0, 2**32))
def test_same_bits(a_name: str, w_name: str, group: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = (
        torch.randn(5, 384, generator=generator) * torch.exp2(torch.randint(-8, 8, (5, 1), generator=generator))
    ).half()
    weight = quantize(torch.randn(40, 384, generator=generator), w_name, group=group)
    bias = torch.randn(40, generator=generator)
    prepared = golden.prepare(weight)
    single = golden.PreparedWeight(weight.units()[0].t().contiguous(), prepared.steps, prepared.group, prepared.largest)
    found, expected = (golden.linear(x, w, bias, a_name, group) for w in (prepared, single))
    assert torch.equal(found.y.view(torch.int16), expected.y.view(torch.int16))
    assert (found.overflow, found.nonfinite) == (expected.overflow, expected.nonfinite)


@pytest.mark.usefixtures("fresh_check")
def test_a_processor_that_saturates_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_int_mm", saturating)
    assert not golden.bytes_are_exact()
    assert golden.prepare(quantize(torch.randn(8, 64), "int8", group=64)).units.dtype == torch.float32


@pytest.mark.usefixtures("fresh_check")
def test_a_torch_without_products_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "_int_mm")
    assert not golden.bytes_are_exact()


def test_magnitudes_beyond_a_byte_stay_single() -> None:
    assert golden.prepare(quantize(torch.randn(8, 64), "e3m2", group=64)).units.dtype == torch.float32

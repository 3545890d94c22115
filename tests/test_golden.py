# SPDX-License-Identifier: Apache-2.0
"""The golden linear layer against the literal reference, every result by its bits."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sw_quant import formats, golden
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.qtensor import QTensor
from sw_quant.quantizer import quantize
from tests import reference

Halves = NDArray[np.float16]
Singles = NDArray[np.float32]

# The engine's families first, then pairs that only the golden model computes.
PAIRS = [("e2m1", "e2m1"), ("dual4", "e2m1"), ("e2m3", "e2m3"), ("dual6", "e2m3"), ("int4", "int4"), ("int8", "int8")]
PAIRS += [("e1m2", "e3m0"), ("e3m2", "e2m3"), ("int6", "e3m2")]


def check(
    x: Halves, w: Singles, bias: Singles | None, pair: tuple[str, str], group: int, ght: bool = False
) -> golden.GoldenResult:
    a_name, w_name = pair
    expected = reference.linear(x, w, bias, a_name, w_name, group, ght)
    weight = quantize(torch.from_numpy(w), w_name, group=group)
    got = golden.linear(
        torch.from_numpy(x), weight, None if bias is None else torch.from_numpy(bias), a_name, group, ght
    )
    assert got.y.dtype == torch.float16
    assert (got.y.numpy().view(np.uint16) == expected.y).all()
    assert (got.overflow, got.nonfinite) == (expected.overflow, expected.nonfinite)
    return got


def normal(rng: np.random.Generator, m: int, n: int, k: int) -> tuple[Halves, Singles, Singles]:
    x = rng.standard_normal((m, k))
    x[:, rng.integers(k)] *= 40
    return x.astype(np.float16), rng.standard_normal((n, k), np.float32), rng.standard_normal(n, np.float32)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize(
    ("m", "n", "k", "group"), [(1, 1, 32, 32), (1, 32, 96, 64), (3, 5, 416, 128), (4, 3, 224, 224), (2, 3, 96, 4096)]
)
def test_random_layers(pair: tuple[str, str], m: int, n: int, k: int, group: int) -> None:
    x, w, bias = normal(np.random.default_rng(k), m, n, k)
    check(x, w, bias, pair, group)
    check(x, w, None, pair, group)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("group", [32, 128, 256, 384])
def test_random_layers_after_the_transform(pair: tuple[str, str], group: int) -> None:
    check(*normal(np.random.default_rng(group), 3, 4, 384), pair, group, ght=True)


def adversaries(k: int) -> dict[str, Halves]:
    """Activations [3, k] at the corners of the arithmetic."""
    rng = np.random.default_rng(5)
    sign = np.where(np.arange(3 * k).reshape(3, k) % 2, 1.0, -1.0)
    hot = np.zeros((3, k))
    hot[0, 0], hot[1, k - 1], hot[2, k // 2] = 1.0, -3.7, 65504
    huge_ratio = 6e-8 * rng.standard_normal((3, k))
    huge_ratio[:, 3] = 60000
    cases = {
        "zeros": np.zeros((3, k)),
        "minus zeros": -np.zeros((3, k)),
        "one-hot": hot,
        "maxima": np.full((3, k), 65504.0),
        "alternating maxima": 65504 * sign,
        "negative only": -np.abs(rng.standard_normal((3, k))),
        "positive only": np.abs(rng.standard_normal((3, k))),
        "ties": sign * rng.choice([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0], (3, k)),
        "subnormal": 2.0**-24 * rng.integers(-1023, 1024, (3, k)),
        "least subnormal": 2.0**-24 * sign,
        "no scale": 2.0**-24 * rng.integers(-1, 2, (3, k)),
        "outliers": huge_ratio,
        "some zero groups": rng.standard_normal((3, k)) * (np.arange(k) // 128 % 2),
        "any pattern": rng.integers(0, 0x7C00, (3, k)).astype(np.uint16).view(np.float16) * sign,
    }
    return {name: value.astype(np.float16) for name, value in cases.items()}


@pytest.mark.parametrize("name", adversaries(128))
@pytest.mark.parametrize("pair", PAIRS[:6], ids="-".join)
def test_adversarial_activations(pair: tuple[str, str], name: str) -> None:
    x = adversaries(256)[name]
    rng = np.random.default_rng(6)
    w = rng.standard_normal((4, 256), np.float32)
    w[1] = 0
    w[2] *= np.float32(1e-7)
    bias = np.array([0.0, -0.0, 2.0**-24, -(2.0**-26)], np.float32)
    for ght in (False, True):
        check(x, w, bias, pair, 128, ght)
    check(x, w, None, pair, 32)


@pytest.mark.parametrize("pair", PAIRS[:6], ids="-".join)
def test_adversarial_weights(pair: tuple[str, str]) -> None:
    x = np.random.default_rng(7).standard_normal((3, 256)).astype(np.float16)
    rows = [*adversaries(256).values(), np.float32(1e30) * adversaries(256)["ties"], np.full((3, 256), 1e-42)]
    w = np.concatenate(rows).astype(np.float32)
    assert check(x, w, None, pair, 128).overflow


@settings(max_examples=40)
@given(st.data())
def test_any_layer(data: st.DataObject) -> None:
    pair = data.draw(st.sampled_from(PAIRS))
    ght = data.draw(st.booleans())
    k = data.draw(st.integers(1, 3)) * 128 if ght else data.draw(st.integers(1, 8)) * 32
    m, n, group = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), 32 * data.draw(st.integers(1, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    pattern = rng.integers(0, 0x7C00, (m, k)) | rng.integers(0, 2, (m, k)) << 15
    low = data.draw(st.integers(0, 29))  # squeeze the exponents, so that not every group is one outlier
    pattern = np.where((pattern >> 10 & 31) < low, pattern & 0x83FF | low << 10, pattern)
    w = (rng.standard_normal((n, k)) * np.exp2(rng.integers(-30, 12, (n, 1)))).astype(np.float32)
    bias = data.draw(st.none() | st.lists(st.floats(-1e5, 1e5, width=32), min_size=n, max_size=n))
    check(
        pattern.astype(np.uint16).view(np.float16),
        w,
        bias if bias is None else np.array(bias, np.float32),
        pair,
        group,
        ght,
    )


@pytest.mark.parametrize(
    ("pair", "k"),
    [(("int8", "int8"), 4096), (("e2m3", "e2m3"), 7680), (("e3m2", "e3m2"), 512), (("dual6", "e2m3"), 9216)],
)
def test_sums_above_2_to_the_24_round_once(pair: tuple[str, str], k: int) -> None:
    """One group a row, nearly all codes the largest: sums that single precision cannot hold."""
    rng = np.random.default_rng(8)
    fmax = [float(reference.FORMATS[name].positive.fmax) for name in pair]
    largest = [reference.FORMATS[name].positive.magnitudes[-1] for name in pair]
    assert largest[0] * largest[1] * k > 1 << 24
    x, w = np.full((3, k), fmax[0]), np.full((4, k), fmax[1])
    steps = rng.choice([float(v) for v in reference.FORMATS[pair[0]].positive.magnitudes[-8:]], (3, k))
    x[:, 1 : k // 8] = steps[:, 1 : k // 8] * fmax[0] / largest[0]
    w[1:, 5 : k // 16] *= -1
    x, w = x * 2.0**-8, w * 2.0**-8  # keep Y among the halves
    assert not check(x.astype(np.float16), w.astype(np.float32), None, pair, k).overflow
    bias = np.full(
        4, -float(np.float32(x[0] @ w[0])), np.float32
    )  # cancels the leading bits, so that the last ones show
    check(x.astype(np.float16), w.astype(np.float32), bias, pair, k)


def test_an_exact_sum_is_rounded_once() -> None:
    """Parts that single precision holds, whose sum it does not: adding them up in single precision would show."""
    rng = np.random.default_rng(12)
    a, w = rng.integers(100, 128, (64, 4096)), rng.integers(100, 128, (64, 4096))
    out = torch.empty(64, 64)
    golden._exact_sums(torch.from_numpy(a).float(), torch.from_numpy(w).float().t(), 1000, out)
    expected = (a @ w.T).astype(np.float32)
    assert (out.numpy() == expected).all()
    careless = np.zeros((64, 64), np.float32)
    for start in range(0, 4096, 1000):
        careless += (a[:, start : start + 1000] @ w[:, start : start + 1000].T).astype(np.float32)
    assert (careless != expected).any()


@pytest.mark.parametrize("strided", [lambda t: t.t().contiguous().t(), lambda t: t.repeat(1, 2)[:, : t.shape[1]]])
def test_strides_do_not_matter(strided: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x, w, bias = (torch.from_numpy(t) for t in normal(np.random.default_rng(13), 5, 6, 256))
    weight = golden.prepare(quantize(w, "e2m1"))
    for ght in (False, True):
        expected = golden.linear(x, weight, bias, "dual4", 128, ght).y
        got = golden.linear(strided(x), weight, bias, "dual4", 128, ght).y
        assert torch.equal(got.view(torch.int16), expected.view(torch.int16))


@pytest.mark.parametrize("w_name", reference.PLAIN)
@pytest.mark.parametrize("a_name", reference.FORMATS)
def test_the_product_of_every_pair_of_codes(a_name: str, w_name: str) -> None:
    """A bias of minus the exact product leaves exactly zero, and with no bias the product itself comes out."""
    a_format, w_format = formats.get(a_name), formats.get(w_name)
    w_codes = torch.zeros(1 << w_format.bits, 32, dtype=torch.uint8)
    w_codes[:, 7] = torch.arange(1 << w_format.bits)
    w_scales = torch.ones(len(w_codes), 1, dtype=torch.float16)
    weight = golden.prepare(QTensor(w_codes, w_scales, w_format, 32))
    w_values = [reference.code_value(code, reference.FORMATS[w_name]) for code in range(len(w_codes))]
    scales = torch.ones((1, 1, 2) if a_format.kind == "dual" else (1, 1), dtype=torch.float16)
    for code in range(1 << a_format.bits):
        codes = torch.zeros(1, 32, dtype=torch.uint8)
        codes[0, 7] = code
        a = QTensor(codes, scales, a_format, 32)
        products = [reference.code_value(code, reference.FORMATS[a_name]) * value for value in w_values]
        plain, _ = golden._product(a, weight, None)
        assert [Fraction(y) for y in plain[0].tolist()] == [reference.round_fp16(p)[0] for p in products]
        rest, _ = golden._product(a, weight, torch.tensor([-float(p) for p in products]))
        assert not rest.any()


@pytest.mark.parametrize(
    ("bias", "overflow"), [(65504, False), (65519, False), (65520, True), (-65520, True), (3e38, True)]
)
def test_a_saturated_output_raises_the_flag(bias: float, overflow: bool) -> None:
    x, w = np.zeros((1, 32), np.float16), np.ones((2, 32), np.float32)
    result = check(x, w, np.array([0, bias], np.float32), PAIRS[0], 32)
    assert result.overflow == overflow
    assert abs(result.y[0, 1].item()) == 65504


@pytest.mark.parametrize("ght", [False, True])
@pytest.mark.parametrize("pattern", [0x7C00, 0xFC00, 0x7E00, 0xFE01, 0x7C01, 0xFFFF])
def test_inf_and_nan_count_as_the_largest_half_and_raise_the_flag(pattern: int, ght: bool) -> None:
    rng = np.random.default_rng(9)
    x, w, bias = normal(rng, 2, 3, 128)
    x.view(np.uint16)[1, 77] = pattern
    assert check(x, w, bias, ("dual4", "e2m1"), 128, ght).nonfinite
    saturated = x.copy()
    saturated[1, 77] = -65504 if pattern >> 15 else 65504
    same = check(saturated, w, bias, ("dual4", "e2m1"), 128, ght)
    assert not same.nonfinite


def test_results_do_not_depend_on_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, bias = (torch.from_numpy(t) for t in normal(np.random.default_rng(10), 70, 90, 256))
    weight = golden.prepare(quantize(w, "e2m1"))
    whole = golden.linear(x, weight, bias, "dual4", 128)
    monkeypatch.setattr(golden, "_TILE_ROWS", 32)
    monkeypatch.setattr(golden, "_TILE_OUTPUTS", 32 * 17)
    tiled = golden.linear(x, weight, bias, "dual4", 128)
    assert torch.equal(whole.y.view(torch.int16), tiled.y.view(torch.int16))


def test_inputs_are_left_alone() -> None:
    x, w, bias = (torch.from_numpy(t) for t in normal(np.random.default_rng(11), 3, 4, 128))
    x[0, 0] = torch.inf
    weight = quantize(w, "e2m1")
    before = [t.clone() for t in (x, bias, weight.codes, weight.scales)]
    golden.linear(x, weight, bias, "e2m1", 128, ght=True)
    for was, now in zip(before, (x, bias, weight.codes, weight.scales), strict=True):
        assert torch.equal(was, now)


GOOD: dict[str, Any] = {
    "x": torch.zeros(2, 64, dtype=torch.float16),
    "w": quantize(torch.ones(3, 64), "e2m1", group=32),
    "bias": None,
    "a_format": "e2m1",
    "group": 32,
    "ght": False,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(2, 64)}, "float32"),
        ({"x": torch.zeros(2, 96, dtype=torch.float16)}, r"\(2, 96\)"),
        ({"x": torch.zeros(0, 64, dtype=torch.float16)}, "M > 0"),
        ({"x": torch.zeros(64, dtype=torch.float16)}, r"\(64,\)"),
        ({"w": quantize(torch.ones(3, 64), "dual4", group=32)}, "dual4"),
        ({"w": quantize(torch.ones(3, 64), "e2m1", group=64)}, "groups of 32"),
        ({"bias": torch.zeros(2)}, r"float32 \[3\]"),
        ({"bias": torch.zeros(3, dtype=torch.float16)}, "float16"),
        ({"a_format": "e8m0"}, "'e8m0'"),
        ({"ght": True}, "K = 64"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    golden.linear(**GOOD)
    with pytest.raises(UsageError, match=message):
        golden.linear(**{**GOOD, **change})


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_a_bias_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(FpqvarError, match="bias"):
        golden.linear(**{**GOOD, "bias": torch.tensor([0.0, value, 0.0])})

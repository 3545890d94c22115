# SPDX-License-Identifier: Apache-2.0
"""The quantizer at every threshold and on random halves, against ml_dtypes and against exact fractions."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sw_quant import formats
from sw_quant.codes import Ties
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.quantizer import Granularity, quantize
from tests import reference

ORACLES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
}
SEED = 20251122


def scales_of_every_exponent(extra: int) -> NDArray[np.float16]:
    """All powers of two that a half holds, subnormals included, and `extra` random significands of each."""
    significands = np.concatenate([[1.0], 1 + np.random.default_rng(SEED).integers(1, 1024, extra) / 1024])
    scales = np.outer(np.exp2(np.arange(-24, 16)), significands).astype(np.float16)
    return np.array([*sorted(set(scales.reshape(-1))), 65504], np.float16)


def around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values, their float32 neighbours, the halves beside them, and all that with the other sign."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
        halves = np.concatenate([half, np.nextafter(half, np.float16(0)), np.nextafter(half, np.float16(np.inf))])
    near = [values, np.nextafter(values, np.float32(0)), np.nextafter(values, np.float32(np.inf))]
    points = np.concatenate([*near, halves.astype(np.float32)[np.isfinite(halves)]])
    patterns: NDArray[np.uint32] = np.unique(
        np.concatenate([points, -points]).view(np.uint32)
    )  # minus zero is not zero
    return patterns.view(np.float32)


def row_of_points(format: reference.Format, scale: float) -> NDArray[np.float32]:
    """One row whose scales come out as `scale` and that holds the neighbourhood of every threshold for it."""
    row = [np.array([scale * float(format.positive.fmax), -scale * float(format.negative.fmax), 0.0, -0.0])]
    for sign, factor in ((format.positive, 1), (format.negative, -1)):
        thresholds = [(a + b) / 2 * sign.unit for a, b in zip(sign.magnitudes, sign.magnitudes[1:], strict=False)]
        points = around(np.array([float(t) for t in thresholds], np.float32) * np.float32(scale))
        inside = np.sign(points) == factor if format.dual else np.full(points.shape, True)
        row.append(points[inside & (np.abs(points) <= scale * float(sign.fmax))])
    points = np.concatenate(row).astype(np.float32)
    return np.pad(points, (0, -len(points) % 32))


def expect(q_codes: NDArray[np.uint8], row: NDArray[np.generic], scales: list[Fraction], name: str, ties: str) -> None:
    format = reference.FORMATS[name]
    codes = [reference.make_code(x, neg, scales[neg], format, ties) for x, neg in reference.elements(row)]
    assert q_codes.tolist() == codes


@pytest.mark.parametrize("ties", ["even", "paper"])
@pytest.mark.parametrize("name", reference.FORMATS)
def test_every_threshold_and_its_neighbours(name: str, ties: Ties) -> None:
    format = reference.FORMATS[name]
    for scale in scales_of_every_exponent(extra=1):
        row = row_of_points(format, float(scale))
        q = quantize(torch.from_numpy(row), name, granularity="row", ties=ties)
        assert (q.scales == torch.tensor(scale)).all()
        expect(q.codes.numpy(), row, [Fraction(float(scale))] * 2, name, ties)


@pytest.mark.parametrize("name", ORACLES)
def test_every_threshold_rounds_as_in_ml_dtypes(name: str) -> None:
    for scale in scales_of_every_exponent(extra=24):
        row = row_of_points(reference.FORMATS[name], float(scale))
        q = quantize(torch.from_numpy(row), name, granularity="row")
        oracle = (row.astype(np.float64) / float(scale)).astype(ORACLES[name]).view(np.uint8)
        assert (q.codes.numpy() == oracle).all()


@pytest.mark.parametrize("name", reference.FORMATS)
def test_halves_at_thresholds(name: str) -> None:
    """The same with float16 input, which takes another way through the quantizer, where halves hold the maximum."""
    format, tried = reference.FORMATS[name], 0
    for scale in scales_of_every_exponent(extra=0):
        row = row_of_points(format, float(scale))
        if np.abs(row[:2]).max() > 65504 or (row[:2] != row[:2].astype(np.float16)).any():
            continue
        halves = row.astype(np.float16)
        halves[np.abs(halves) > np.abs(row[:2]).min()] = 0  # rounded past the maximum
        halves[:2] = row[:2]
        q = quantize(torch.from_numpy(halves), name, granularity="row")
        expect(q.codes.numpy(), halves, [Fraction(float(scale))] * 2, name, "even")
        tried += 1
    assert tried > 20


@pytest.mark.parametrize("name", ORACLES)
def test_a_million_halves_round_as_in_ml_dtypes(name: str) -> None:
    rng = np.random.default_rng(SEED)
    x = (rng.standard_normal((512, 2048)) * np.exp2(rng.integers(-20, 12, (512, 1)))).astype(np.float16)
    q = quantize(torch.from_numpy(x), name, group=128)
    quotient = x.astype(np.float64).reshape(512, 16, 128) / q.scales.double().numpy()[..., None]
    fmax = float(reference.FORMATS[name].positive.fmax)
    oracle = quotient.clip(-fmax, fmax).astype(ORACLES[name]).view(np.uint8)
    assert (q.codes.numpy() == oracle.reshape(512, 2048)).all()


def random_tensor(dtype: torch.dtype, rows: int, k: int) -> torch.Tensor:
    """Rows of very different sizes, with outliers, zeros of both signs, subnormals, and rows of one sign."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((rows, k)) * np.exp2(rng.integers(-26, 8, (rows, 1)))
    x[:, 5] *= 60
    x[0] = 0
    x[1] = -0.0
    x[2] = np.abs(x[2])
    x[3] = -np.abs(x[3])
    x[4] = 3e-8 * rng.standard_normal(k)
    x[:, ::7] *= 0
    return torch.from_numpy(x).to(dtype).clamp(-65504, 65504)


@pytest.mark.parametrize(
    ("group", "ties"), [(32, "even"), (64, "even"), (64, "paper"), (128, "even"), (160, "even"), (4096, "even")]
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("name", reference.FORMATS)
def test_random_tensors_in_groups(name: str, dtype: torch.dtype, group: int, ties: Ties) -> None:
    x = random_tensor(dtype, 8, 160)
    q = quantize(x, name, group=group, ties=ties)
    for row, codes, scales in zip(x.numpy(), q.codes, q.term_scales, strict=True):
        expected = reference.quantize_row(reference.elements(row), reference.FORMATS[name], group, ties)
        assert codes.tolist() == expected[0]
        assert [[Fraction(s) for s in group_scales] for group_scales in scales.tolist()] == expected[1]


@pytest.mark.parametrize("name", ["e2m1", "e2m3", "int8", "dual4", "dual6"])
def test_row_and_tensor_are_groups_of_that_size(name: str) -> None:
    x = random_tensor(torch.float16, 6, 96).view(2, 3, 96)
    row, whole = quantize(x, name, granularity="row"), quantize(x, name, granularity="tensor")
    grouped, flat = quantize(x, name, group=96), quantize(x.reshape(1, -1), name, granularity="row")
    assert torch.equal(row.codes, grouped.codes)
    assert torch.equal(row.scales, grouped.scales)
    assert torch.equal(whole.codes.reshape(1, -1), flat.codes)
    assert whole.scales.shape == row.scales.shape
    assert (whole.scales == flat.scales.view(-1)).all()


@pytest.mark.parametrize(
    ("name", "group"), [("e2m1", 128), ("dual4", 128), ("e2m3", 256), ("dual6", 256), ("int4", 256)]
)
def test_the_usual_group_of_a_format(name: str, group: int) -> None:
    x = random_tensor(torch.float16, 6, 256)
    assert torch.equal(quantize(x, name).codes, quantize(x, name, group=group).codes)


def test_the_way_the_tensor_is_cut_for_the_cache_does_not_matter() -> None:
    x = random_tensor(torch.float16, 300, 4096)
    whole = quantize(x, "dual4")
    for start in (0, 128, 299):
        part = quantize(x[start : start + 1], "dual4")
        assert torch.equal(whole.codes[start : start + 1], part.codes)
        assert torch.equal(whole.scales[start : start + 1], part.scales)


@pytest.mark.parametrize("name", reference.FORMATS)
def test_dequantize_is_magnitude_times_scale(name: str) -> None:
    x = random_tensor(torch.float32, 8, 160)
    q = quantize(x, name, group=64)
    format = reference.FORMATS[name]
    for values, codes, scales in zip(q.dequantize(), q.codes.tolist(), q.term_scales.tolist(), strict=True):
        for k, (value, code) in enumerate(zip(values.tolist(), codes, strict=True)):
            expected = reference.code_value(code, format)
            scale = scales[k // 64][int(format.dual and expected < 0)]
            assert Fraction(value) == expected * Fraction(scale)


def test_scales_saturate_and_vanish_as_halves_do() -> None:
    x = torch.tensor([[1e9, -3e8], [1e-9, -1e-9]]).repeat(1, 16)
    q = quantize(x, "e2m1")
    assert q.scales.tolist() == [[65504.0], [0.0]]
    assert q.codes.tolist() == [[7, 15] * 16, [0] * 32]


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("granularity", ["group", "row", "tensor"])
@pytest.mark.parametrize("name", ["e2m1", "dual6"])
def test_inf_and_nan_are_refused(name: str, granularity: Granularity, value: float) -> None:
    x = torch.zeros(3, 64)
    x[2, 40] = value
    with pytest.raises(FpqvarError, match="Inf or NaN"):
        quantize(x, name, granularity=granularity)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((2, 48), {}, "K = 48"),
        ((2, 0), {}, "K = 0"),
        ((), {}, "K = 0"),
        ((2, 64), {"group": 48}, "group = 48"),
        ((2, 64), {"group": 0}, "group = 0"),
        ((2, 64), {"group": 32, "granularity": "row"}, "takes no group"),
        ((2, 64), {"granularity": "column"}, "'column'"),
        ((2, 64), {"ties": "odd"}, "'odd'"),
        ((2, 64), {"format": "e9m9"}, "'e9m9'"),
    ],
)
def test_wrong_arguments_are_refused(shape: tuple[int, ...], arguments: dict[str, object], message: str) -> None:
    arguments = {"format": "e2m1", **arguments}
    with pytest.raises(UsageError, match=message):
        quantize(torch.zeros(shape), **arguments)  # type: ignore[arg-type]


def test_other_number_types_are_refused() -> None:
    with pytest.raises(UsageError, match="bfloat16"):
        quantize(torch.zeros(2, 64, dtype=torch.bfloat16), formats.get("e2m1"))


@pytest.mark.parametrize("name", ["int6", "dual4"])
def test_strides_do_not_matter(name: str) -> None:
    x = random_tensor(torch.float32, 96, 128)
    for view in (x.t(), x[::2, 64:], x.view(4, 24, 128).transpose(0, 1), x.expand(3, 96, 128)):
        q, expected = (
            quantize(view, name, group=32),
            quantize(view.clone(memory_format=torch.contiguous_format), name, 32),
        )
        assert torch.equal(q.codes, expected.codes)
        assert torch.equal(q.scales, expected.scales)
        assert torch.equal(q.dequantize(), expected.dequantize())


def test_no_rows_are_no_trouble() -> None:
    q = quantize(torch.zeros(0, 64), "dual4", group=32)
    assert q.codes.shape == (0, 64)
    assert q.scales.shape == (0, 2, 2)

# SPDX-License-Identifier: Apache-2.0
"""The Triton kernels write the golden model's bits: on a GPU where there is one, else in Triton's interpreter."""

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

CUDA = torch.cuda.is_available()
if not CUDA:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported
pytest.importorskip("triton", reason="needs Triton, which runs on Linux")

from sw_quant import golden, kernels
from sw_quant.errors import UsageError
from sw_quant.fake import fake_quantize
from sw_quant.formats import get, terms
from sw_quant.fp16 import replace_nonfinite, to_fp16
from sw_quant.hadamard import ght as hadamard_transform
from sw_quant.kernels.product import exact_linear
from sw_quant.kernels.quantize import FusedResult, fused_quantize
from sw_quant.kernels.transformer import attention_inputs, modulated_norm
from sw_quant.qtensor import QTensor
from sw_quant.quantizer import quantize

DEVICE = "cuda" if CUDA else "cpu"
NAMES = ["e2m1", "e1m2", "e3m0", "e2m3", "e3m2", "int4", "int6", "int8", "dual4", "dual6"]


def reference(x: torch.Tensor, name: str, group: int, ght: bool) -> tuple[QTensor, torch.Tensor]:
    """Codes and scales, and the fake-quantized values, by torch on the CPU."""
    finite = replace_nonfinite(x)[0] if x.dtype == torch.float16 else x
    q = quantize(hadamard_transform(finite) if ght else finite, name, group=group)
    values = q.dequantize()
    return q, to_fp16(values) if x.dtype == torch.float16 else values


def fused(x: torch.Tensor, name: str, group: int, ght: bool = False) -> tuple[FusedResult, bool]:
    flag = torch.zeros(1, dtype=torch.int32, device=DEVICE)
    fits = max(get(name).positive.magnitudes) < 128
    result = fused_quantize(x.to(DEVICE), name, group, ght, flag=flag, fake=True, units=fits, codes=True, scales=True)
    return result, bool(flag)


def check(x: torch.Tensor, name: str, group: int, ght: bool = False) -> None:
    q, values = reference(x, name, group, ght)
    result, flagged = fused(x, name, group, ght)
    bits = torch.int16 if x.dtype == torch.float16 else torch.int32
    assert torch.equal(result.scales.cpu().view(torch.int16), q.term_scales.view(torch.int16))
    assert torch.equal(result.codes.cpu(), q.codes)
    assert torch.equal(result.fake.cpu().view(bits), values.view(bits))
    if result.units.numel():
        assert torch.equal(result.units.cpu(), q.units(torch.int8))
    assert flagged == (not bool(torch.isfinite(x).all()))


def hard(m: int, k: int, seed: int) -> torch.Tensor:
    """Rows of all sizes, an outlier channel, zeros of both signs, subnormals, maxima, ties, Inf and NaN."""
    x = torch.randn(m, k, generator=torch.Generator().manual_seed(seed))
    x[:, 5] *= 60
    x *= torch.exp2(torch.arange(m) % 40 - 26.0)[:, None]
    x[0], x[1], x[2] = 0, -0.0, 65504
    x[3, ::3] = -65504
    x[4] = torch.arange(k) % 33 / 4 - 4  # thresholds of every format, hit exactly
    x[5] = (torch.arange(k) % 7 - 3) * 2.0**-24  # the smallest halves: a scale that rounds up, or to zero
    x[6, : k // 2] = x[6, : k // 2].abs()
    x[6, k // 2 :] = -x[6, k // 2 :].abs()
    x[7, 7], x[7, 9], x[8, 1] = torch.inf, -torch.inf, -torch.nan
    return x.half()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("k", "group"), [(256, 128), (160, 32), (416, 128), (352, 352), (384, 96)])
def test_half(name: str, k: int, group: int) -> None:
    """Whole groups, ragged tails, groups that are no power of two, one group a row."""
    check(hard(45, k, 1), name, group)


@pytest.mark.parametrize("name", NAMES)
def test_single(name: str) -> None:
    x = hard(45, 256, 2).nan_to_num(0).float()
    x *= 1 + torch.rand(x.shape, generator=torch.Generator().manual_seed(4)) / 3  # not halves any more
    x[9] *= 1e-20
    x[10] = 1e-41
    check(x, name, 128)
    check(x, name, 256)
    check(x.view(-1, 64), name, 64)


@pytest.mark.parametrize("name", ["e2m1", "dual4", "e2m3", "e3m0", "int4", "dual6"])
@pytest.mark.parametrize(("k", "group"), [(256, 128), (128, 128), (384, 384), (768, 256)])
def test_transform(name: str, k: int, group: int) -> None:
    """Elements far below a block's largest are rounded, ties to even; sums may pass half's range."""
    x = hard(45, k, 3)
    x[9, ::2] = 2.0**-24 * (1 + torch.arange(k // 2) % 64)
    check(x, name, group, ght=True)


def test_every_half() -> None:
    """All finite halves, each in the group of one fixed largest element: every scale meets every element size."""
    values = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(torch.float16)
    values = values[torch.isfinite(values)].view(-1, 31 * 2)
    for largest in (6.0, 1.75, 65504.0, 2.0**-20, 0.7):
        x = torch.cat((values, torch.full((len(values), 2), largest, dtype=torch.float16)), dim=1)
        for name in ("e2m1", "dual4", "e2m3", "dual6"):
            check(x, name, 64)


@settings(max_examples=20 if CUDA else 100)  # on a GPU each is a kernel to compile
@given(st.data())
def test_random(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    k = 32 * data.draw(st.integers(1, 12))
    group = 32 * data.draw(st.integers(1, 13))
    seed = data.draw(st.integers(0, 2**32))
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-(1 << 15), 1 << 15, (3, k), generator=generator).to(torch.int16)
    if data.draw(st.booleans()):  # one binade: dense in ties
        x = (x & ~0x7C00) | 0x3C00
    half = x.view(torch.float16)
    check(half, name, min(group, k), ght=k % 128 == 0 and min(group, k) % 128 == 0)


@pytest.mark.parametrize(("name", "group", "ght"), [("e2m1", 128, True), ("dual6", None, False), ("e2m3", 32, True)])
def test_fake_quantize(name: str, group: int | None, ght: bool) -> None:
    """The same values and flag from the kernel as from torch, also where the kernel leaves the work to torch."""
    x = hard(45, 256, 5)
    flags = [torch.zeros(1, dtype=torch.int32, device=device) for device in ("cpu", DEVICE)]
    torch_values = fake_quantize(x, name, group, ght, flags[0])
    values = fake_quantize(x.to(DEVICE), name, group, ght, flags[1])
    assert torch.equal(values.cpu().view(torch.int16), torch_values.view(torch.int16))
    assert torch.equal(torch_values.view(torch.int16), reference(x, name, group or 256, ght)[1].view(torch.int16))
    assert [int(flag) for flag in flags] == [1, 1]
    assert fake_quantize(x.to(DEVICE).nan_to_num(0).float(), name, group).dtype == torch.float32


@pytest.mark.parametrize(
    ("a_name", "w_name", "group", "ght"),
    [
        ("e2m1", "e2m1", 128, True),
        ("dual4", "e2m1", 128, False),
        ("e2m1", "e2m1", 32, False),
        ("e2m3", "e2m3", 384, True),
        ("dual6", "e2m3", 384, False),
        ("int8", "int8", 192, False),
        ("e3m0", "int4", 64, False),
    ],
)
@pytest.mark.parametrize(("m", "n"), [(3, 32), (45, 96), (300, 160)])
def test_exact_linear(a_name: str, w_name: str, group: int, ght: bool, m: int, n: int) -> None:
    """The engine's linear layer, bit by bit, flags too; rows and columns that fill no tile."""
    x = hard(300, 384, 6)[300 - m :]
    weight = quantize(torch.randn(n, 384, generator=torch.Generator().manual_seed(7)), w_name, group=group)
    bias = torch.randn(n, generator=torch.Generator().manual_seed(8))
    bias[3] = 65000.0
    expected = golden.linear(x, weight, bias, a_name, group, ght)
    flags = torch.zeros(2, dtype=torch.int32, device=DEVICE)
    step = weight.scales.float().t().contiguous() * 2.0 ** get(w_name).positive.unit_log2
    units = weight.units(torch.int8)[0]
    x, units, step, bias = (part.to(DEVICE) for part in (x, units, step, bias))
    y = exact_linear(x, units, step, bias, a_name, ght, nonfinite=flags[:1], overflow=flags[1:])
    assert torch.equal(y.cpu().view(torch.int16), expected.y.view(torch.int16))
    assert flags.tolist() == [expected.nonfinite, expected.overflow]


def test_sums_beyond_single_precision() -> None:
    """A group's sum may need more than 24 bits: it is rounded once."""
    x = torch.full((2, 2048), 1.0).half()
    x[:, ::3] = 126 / 127
    weight = quantize(torch.cat((x[:1].float(), x[:1].float().flip(1))), "int8", group=2048)
    flags = torch.zeros(2, dtype=torch.int32, device=DEVICE)
    units, step = weight.units(torch.int8)[0], weight.scales.float().t().contiguous()
    expected = golden.linear(x, weight, None, "int8", 2048).y
    bias = torch.zeros(2, device=DEVICE)
    x, units_there, step = (part.to(DEVICE) for part in (x, units, step))
    y = exact_linear(x, units_there, step, bias, "int8", False, nonfinite=flags[:1], overflow=flags[1:])
    assert torch.equal(y.cpu(), expected)
    assert int((units.int() ** 2).sum(dim=1)[0]) > 1 << 24


def by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the kernels from here on, also on the CPU (in the interpreter)."""
    monkeypatch.setattr(kernels, "available", lambda _: True)


def test_between_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block's parts by kernels and by torch: near in single precision; cached values bit by bit, or nearly all."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(4, 6, 192, generator=generator)
    h = torch.randn(24, 192, generator=generator).half()
    six = torch.randn(4, 6, 192, generator=generator).half()
    on_gpu, gpu_six = x.clone().to(DEVICE), six.to(DEVICE)
    expected = modulated_norm(x, h, six[:, 0], six[:, 2], six[:, 4], 1e-6)
    first = modulated_norm(x.clone(), None, None, six[:, 2], six[:, 4], 1e-6)
    qkv = torch.randn(4, 6, 3 * 192, generator=generator).half()
    scale = torch.tensor([1.0, 2.0, 30.0])
    flag = torch.zeros(1, dtype=torch.int32)
    formats = (None, "e2m3", "e2m1", "dual4")
    caches = [(torch.zeros(4, 3, 10, 64).half(), torch.zeros(4, 3, 10, 64).half()) for _ in formats]
    queries = [attention_inputs(qkv, scale, *cache, 3, name, flag) for name, cache in zip(formats, caches, strict=True)]
    by_kernels(monkeypatch)
    found = modulated_norm(on_gpu, h.to(DEVICE), gpu_six[:, 0], gpu_six[:, 2], gpu_six[:, 4], 1e-6)
    assert torch.allclose(on_gpu.cpu(), x, atol=1e-5)
    assert torch.allclose(found.cpu().float(), expected.float(), atol=1e-2)
    found = modulated_norm(on_gpu, None, None, gpu_six[:, 2], gpu_six[:, 4], 1e-6)
    assert torch.allclose(found.cpu().float(), first.float(), atol=1e-2)
    for name, cache, query in zip(formats, caches, queries, strict=True):
        gpu_cache = (torch.zeros_like(cache[0], device=DEVICE), torch.zeros_like(cache[1], device=DEVICE))
        gpu_flag = torch.zeros(1, dtype=torch.int32, device=DEVICE)
        found = attention_inputs(qkv.to(DEVICE), scale.to(DEVICE), *gpu_cache, 3, name, gpu_flag)
        assert torch.allclose(found.cpu().float(), query.float(), atol=2e-2)
        assert torch.equal(gpu_cache[1].cpu(), cache[1])
        keys = gpu_cache[0].cpu()
        # A norm's last bit may move an element over a threshold, or over a half's.
        assert (keys != cache[0]).float().mean() < 0.02
        assert torch.allclose(keys, cache[0], atol=0.2)
        assert int(gpu_flag) == 0
    qkv[2, 3, 5], qkv[3, 1, 400] = torch.inf, torch.nan
    attention_inputs(qkv.to(DEVICE), scale.to(DEVICE), *gpu_cache, 3, "e2m3", gpu_flag)
    assert int(gpu_flag) == 1


def test_refusals() -> None:
    flag = torch.zeros(1, dtype=torch.int32, device=DEVICE)
    x = torch.zeros(4, 256, device=DEVICE)
    with pytest.raises(UsageError, match="contiguous"):
        fused_quantize(x.t(), "e2m1", 128, flag=flag, fake=True)
    with pytest.raises(UsageError, match="float16"):
        fused_quantize(x, "e2m1", 128, True, flag=flag, fake=True)
    with pytest.raises(UsageError, match="eight bits"):
        fused_quantize(x, "e3m2", 128, flag=flag, units=True)
    with pytest.raises(UsageError, match="16384"):
        fused_quantize(x.half().repeat(1, 100), "e2m3", 25600, flag=flag, fake=True)
    empty = fused_quantize(x[:0], "dual4", 128, flag=flag, fake=True, scales=True)
    assert empty.scales.shape == (0, 2, len(terms(get("dual4"))))

# SPDX-License-Identifier: Apache-2.0
"""On a GPU the golden model writes the same bits as on the CPU, with TensorFloat-32 allowed as well as without."""

from collections.abc import Iterator

import pytest
import torch

from sw_quant import golden, hadamard
from sw_quant.quantizer import quantize

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

PAIRS = [("e2m1", "e2m1"), ("dual4", "e2m1"), ("e2m3", "e2m3"), ("dual6", "e2m3"), ("int8", "int8"), ("e3m2", "e3m2")]


@pytest.fixture(params=["highest", "high", "medium"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each of torch's settings for single-precision matrix products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def activations(m: int, k: int) -> torch.Tensor:
    """Rows of all sizes, an outlier channel, zeros, subnormals, maxima, Inf and NaN."""
    x = torch.randn(m, k, generator=torch.Generator().manual_seed(1))
    x[:, 5] *= 60
    x *= torch.exp2(torch.arange(m) % 40 - 26.0)[:, None]
    x[0], x[1], x[2] = 0, -0.0, 65504
    x[3, ::3] = -65504
    x[4, 7], x[4, 9], x[5, 1], x[6, 1] = torch.inf, -torch.inf, torch.nan, -torch.nan
    return x.half()


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("group", [128, 4096])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_linear(pair: tuple[str, str], group: int) -> None:
    x = activations(200, 1024)
    w = quantize(torch.randn(300, 1024, generator=torch.Generator().manual_seed(2)), pair[1], group=group)
    bias = torch.randn(300, generator=torch.Generator().manual_seed(3))
    for ght in (False, True):
        cpu = golden.linear(x, w, bias, pair[0], group, ght)
        gpu = golden.linear(x.cuda(), w.to("cuda"), bias.cuda(), pair[0], group, ght)
        assert torch.equal(gpu.y.cpu().view(torch.int16), cpu.y.view(torch.int16))
        assert (gpu.overflow, gpu.nonfinite) == (cpu.overflow, cpu.nonfinite) == (cpu.overflow, True)


@pytest.mark.parametrize("name", ["e2m1", "e1m2", "e3m0", "e2m3", "e3m2", "int4", "int6", "int8", "dual4", "dual6"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_quantize(name: str, dtype: torch.dtype) -> None:
    x = activations(200, 1024).nan_to_num(0).to(dtype)
    if dtype == torch.float32:
        x *= 1 + torch.rand(x.shape, generator=torch.Generator().manual_seed(4)) / 3  # not halves any more
    for group in (32, 128, 1024):
        cpu, gpu = quantize(x, name, group=group), quantize(x.cuda(), name, group=group)
        assert torch.equal(gpu.codes.cpu(), cpu.codes)
        assert torch.equal(gpu.scales.cpu(), cpu.scales)
        assert torch.equal(gpu.dequantize().cpu(), cpu.dequantize())
        assert torch.equal(gpu.pack(), cpu.pack())


def test_hadamard() -> None:
    x = activations(200, 1024).nan_to_num(0)
    assert torch.equal(hadamard.ght(x.cuda()).cpu(), hadamard.ght(x))
    w, signs = torch.randn(64, 1024), hadamard.signs(1024, 5)
    folded = hadamard.hadamard_fold_weight(w, signs)
    assert torch.equal(hadamard.hadamard_fold_weight(w.cuda(), signs.cuda()).cpu(), folded)

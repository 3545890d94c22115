# SPDX-License-Identifier: Apache-2.0
"""How long the fused quantizers take on a GPU, beside a copy of the tensor and beside plain torch.

    python -m benchmarks.quantizers [--rows 2048] [--k 7680] [--json docs/results/quantizers-h100.json]

Every figure is the median of single launches, timed by CUDA events with the L2 cache overwritten before each. Before it
is timed, each kernel's output is compared with torch's golden model, bit by bit.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from benchmarks.report import device_line, require_cuda, versions, write_json
from sw_quant.fake import fake_quantize
from sw_quant.formats import code_values, get
from sw_quant.fp16 import to_fp16
from sw_quant.hadamard import ght
from sw_quant.kernels.quantize import fused_quantize
from sw_quant.quantizer import quantize

# Milliseconds of the CUDA extension that FPQVAR publishes, on the same shape and an H100 80GB HBM3: measured earlier,
# not by this script. Its code is not part of this project.
PUBLISHED = {"e2m1": 0.478, "dual4": 1.210, "e2m3": 0.583}

CASES = [  # label, format, group, transformed
    ("FP4 plain", "e2m1", 128, False),
    ("FP4 dual (DFQ)", "dual4", 128, False),
    ("FP4 plain, GHT", "e2m1", 128, True),
    ("FP4 dual, GHT", "dual4", 128, True),
    ("FP6 plain", "e2m3", None, False),
    ("FP6 dual", "dual6", None, False),
    ("FP6 plain, GHT", "e2m3", None, True),
    ("INT8", "int8", None, False),
]


def median_ms(call: Callable[[], object], times: int = 50) -> float:
    """Median milliseconds of `call` on the GPU, with cold L2."""
    # Overwriting a gigabyte takes longer than Python takes to launch a kernel: the GPU never waits for it.
    spoiler = torch.empty(1 << 30, dtype=torch.int8, device="cuda")
    for _ in range(5):
        call()
    spans = []
    for _ in range(times):
        spoiler.zero_()
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        stop.record()
        spans.append((start, stop))
    torch.cuda.synchronize()
    return statistics.median(float(start.elapsed_time(stop)) for start, stop in spans)


def plain_torch(x: Tensor, name: str, group: int) -> Tensor:
    """What one writes in torch from the paper's description, float formats alone: scale, look up, scale back."""
    values = code_values(name).to(x.device).unique()
    middles = (values[1:] + values[:-1]) / 2
    grouped = x.float().view(-1, group)
    scale = (grouped.abs().amax(dim=-1, keepdim=True) / get(name).positive.fmax).half().float().clamp_(min=1e-8)
    rounded: Tensor = values[torch.bucketize(grouped / scale, middles)] * scale
    return rounded.half().view(x.shape)


def golden_fake(x: Tensor, name: str, group: int, transformed: bool) -> Tensor:
    """The golden model's values, by torch on the CPU."""
    x = x.cpu()
    return to_fp16(quantize(ght(x) if transformed else x, name, group=group).dequantize())


def main(
    rows: Annotated[int, typer.Option(min=1, help="Rows of the tensor.")] = 2048,
    k: Annotated[int, typer.Option(min=128, help="Its width, a multiple of 128.")] = 7680,
    json: Annotated[Path | None, typer.Option(help="Also write the figures here.")] = None,
) -> None:
    """Time the fused quantizers on this machine's GPU."""
    require_cuda()
    print(f"{device_line()}; half precision, {rows} x {k}; median of 50 launches, cold L2")
    x = torch.randn(rows, k, generator=torch.Generator().manual_seed(0)).half().cuda()
    target, flag = torch.empty_like(x), torch.zeros(1, dtype=torch.int32, device="cuda")
    copy = median_ms(lambda: target.copy_(x))
    print(f"{'copy':18} {copy:7.4f} ms")
    result = {"copy_ms": copy, "cases": []}
    for label, name, asked, transformed in CASES:
        group = asked or k
        ours = fake_quantize(x, name, group, transformed, flag).cpu()
        if not torch.equal(ours.view(torch.int16), golden_fake(x, name, group, transformed).view(torch.int16)):
            raise SystemExit(f"{label}: the kernel's bits are not the golden model's; nothing is timed")
        fake = median_ms(lambda: fake_quantize(x, name, group, transformed, flag))  # noqa: B023 - called at once
        codes = median_ms(
            lambda: fused_quantize(x, name, group, transformed, flag=flag, codes=True, scales=True)  # noqa: B023
        )
        peer = None
        if get(name).kind == "float" and not transformed:
            peer = median_ms(lambda: plain_torch(x, name, group), 10)  # noqa: B023
        published = PUBLISHED.get(name) if not transformed and (rows, k) == (2048, 7680) else None
        print(
            f"{label:18} {fake:7.4f} ms = {fake / copy:4.2f} copies; codes and scales {codes:7.4f} ms"
            + (f"; plain torch {peer:6.3f} ms" if peer else "")
            + (f"; FPQVAR's, measured earlier on an H100, {published:5.3f} ms" if published else "")
        )
        case = {"case": label, "format": name, "group": asked or "row", "ght": transformed, "fake_ms": fake}
        result["cases"].append(  # type: ignore[attr-defined]
            case | {"codes_and_scales_ms": codes, "plain_torch_ms": peer, "published_ms_measured_earlier": published}
        )
    if json is not None:
        write_json(json, {"machine": versions(), "rows": rows, "k": k, **result})


if __name__ == "__main__":
    typer.run(main)

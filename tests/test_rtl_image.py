# SPDX-License-Identifier: Apache-2.0
"""golden == csim == rtl on whole images, every layer, every byte; and waveforms of one layer."""

import importlib.util
import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner

from host.cli import app
from host.cli.model import engines
from host.cli.perf import WIDTHS
from host.tracing import Trace
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.packed import PackedModel, Source
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.recipe import load_recipe
from tests.tiny import tiny_model
from tests.tools import needs_rtl_device

torch = pytest.importorskip("torch")

pytestmark = [needs_rtl_device, pytest.mark.timeout(1800)]
OTHERS = "golden" if importlib.util.find_spec("host._csim") is None else "csim,golden"


def packed(recipe: str = "fpqvar-fp4") -> PackedModel:
    return quantize_model(tiny_model(), load_recipe(recipe), Source(name="tiny", sha256="0" * 64))


@pytest.mark.parametrize("family", ["fp4", pytest.param("fp6", marks=pytest.mark.slow)])
def test_a_whole_image_of_the_shipped_model(family: str, tmp_path: Path) -> None:
    words = ["generate", "--format", family, "--classes", "Dress", "--backend", "rtl", "--check", OTHERS]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bit_exact"]
    rtl, *others = report["engines"]
    assert (rtl["backend"], [item["backend"] for item in others]) == ("rtl", OTHERS.split(","))
    digests = rtl["layer_sha256"]
    assert len(digests) == 6 * 4
    assert all(item["layer_sha256"] == digests for item in others)
    counters = rtl["counters"]
    assert counters["compute_cycles"] < counters["busy_cycles"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["fp4", "fp6"])
def test_all_classes_of_the_shipped_model(family: str, tmp_path: Path) -> None:
    words = ["generate", "--format", family, "--classes", "all", "--backend", "rtl", "--check", OTHERS]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "report.json").read_text())["bit_exact"]


def test_waveforms_of_one_call_of_a_layer(tmp_path: Path) -> None:
    """The file is FST, tells the engine's signals, and spans that call's cycles only."""
    model = packed()
    trace = Trace.parse("1.fc2:1", model.layers, tmp_path / "waves")
    var = rebuild(model)
    with engines(model, ["rtl"], 64, "small", 300.0, trace=trace) as tandem:
        var.linear = tandem
        var.generate(torch.tensor([0]), seed=5, cfg=2.0)
        cycles = tandem.engines[0].counters.busy_cycles
    assert [path.name for path in trace.path.parent.iterdir()] == ["1.fc2.1.fst"]
    raw = trace.path.read_bytes()
    begin, end, tree = read_fst(raw)
    assert b"u_core" in tree
    assert b"u_issue" in tree
    assert 0 < (end - begin) // 10 < cycles / 5


def test_waveforms_are_refused_in_words(tmp_path: Path) -> None:
    model = packed()
    with pytest.raises(UsageError, match=r"unknown layer '0\.fc3'; the model has .*0\.mat_qkv.*1\.fc2"):
        Trace.parse("0.fc3", model.layers, tmp_path)
    with pytest.raises(UsageError, match="number from 0 on"):
        Trace.parse("0.fc1:last", model.layers, tmp_path)
    done = CliRunner().invoke(app, ["generate", "--trace", "0.fc1", "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, UsageError)
    assert "--backend rtl" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_an_engine_without_waves_says_so(tmp_path: Path) -> None:
    from host.devices.rtl import RtlDevice

    model = packed()
    with engines(model, ["rtl"], 64, "small", 300.0) as tandem:
        device = tandem.engines[0].device
        assert isinstance(device, RtlDevice)
        with pytest.raises(FpqvarError, match="waves=True"):
            device.begin_trace(tmp_path / "x.fst")
    assert list(tmp_path.iterdir()) == []


def test_perf_knows_the_shipped_model() -> None:
    from sw_quant.var.checkpoint import load_model

    assert load_model("fmnist").config.width == WIDTHS["fmnist"]


def read_fst(raw: bytes) -> tuple[int, int, bytes]:
    """First and last time, and the text of the hierarchy: blocks are a type and a big-endian length (which counts)."""
    at, times, tree = 0, (0, 0), b""
    while at < len(raw):
        kind, length = raw[at], struct.unpack_from(">Q", raw, at + 1)[0]
        body = raw[at + 1 : at + 1 + length]
        if kind == 0:  # header
            times = struct.unpack_from(">QQ", body, 8)
        if kind == 6:  # hierarchy, LZ4
            tree = unpack_lz4(body[16:])
            assert len(tree) == struct.unpack_from(">Q", body, 8)[0]
        at += 1 + length
    assert at == len(raw)
    return times[0], times[1], tree


def unpack_lz4(block: bytes) -> bytes:
    """The LZ4 block format, by its description."""
    out, at = bytearray(), 0

    def length(short: int) -> int:
        nonlocal at
        total = short
        while short == 15 or (short > 15 and block[at - 1] == 255):
            total, short, at = total + block[at], 16, at + 1
        return total

    while True:
        token = block[at]
        at += 1
        count = length(token >> 4)
        out += block[at : at + count]
        at += count
        if at == len(block):
            return bytes(out)
        distance = struct.unpack_from("<H", block, at)[0]
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-distance])

# SPDX-License-Identifier: Apache-2.0
"""examples/c_reader: a C program that reads packed weights gets the numbers that QTensor.dequantize gives."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from sw_quant import quantizer

SOURCE = Path(__file__).resolve().parents[1] / "examples" / "c_reader" / "read_packed.c"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("c") / "read_packed"
    compiler = shutil.which(os.environ.get("CC", "cc")) or "cc"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([compiler, *flags, "-o", str(program), str(SOURCE), "-lm"], check=True, timeout=120)
    return program


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every format of weights as a layer of its own, named after it."""
    tensors = {}
    generator = torch.Generator().manual_seed(5)
    for name in ("e2m1", "e1m2", "e3m0", "e2m3", "e3m2", "int4", "int6", "int8"):
        weight = quantizer.quantize(torch.randn(6, 160, generator=generator), name, group=64)
        tensors[f"linear.3.{name}.codes"] = weight.pack().numpy()
        tensors[f"linear.3.{name}.scales"] = weight.scales.numpy()
        tensors[f"linear.3.{name}.bias"] = np.zeros(6, np.float32)
        tensors[f"expected.{name}"] = weight.dequantize().numpy()
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("name", ["e2m1", "e1m2", "e3m0", "e2m3", "e3m2", "int4", "int6", "int8"])
def test_rows(reader: Path, model: Path, name: str) -> None:
    expected = load_file(model)[f"expected.{name}"]
    for row in range(6):
        done = run(reader, model, f"3.{name}", name, 64, row)
        assert done.returncode == 0, done.stderr
        found = np.array(done.stdout.split(), np.float32)
        np.testing.assert_array_equal(found, expected[row])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("3.e2m1", "e2m1", 64, 6), "no such row: 6"),
        (("9.fc1", "e2m1", 64, 0), "no such tensor"),
        (("3.e2m1", "e9m9", 64, 0), "unknown format of weights: e9m9"),
        (("3.e2m1", "e2m1", 128, 0), "not of groups of: 128"),
        (("3.e2m1", "e2m1", 0, 0), "group must be at least 1"),
    ],
)
def test_refusals(reader: Path, model: Path, arguments: tuple[object, ...], message: str) -> None:
    done = run(reader, model, *arguments)
    assert done.returncode == 1
    assert message in done.stderr


def test_damaged_files(reader: Path, model: Path, tmp_path: Path) -> None:
    """Cut anywhere, or with a header length of anything: a message, never a crash (the sanitizers watch)."""
    whole = model.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for size in (0, 7, 8, 100, len(whole) // 2):
        cut.write_bytes(whole[:size])
        done = run(reader, cut, "3.int8", "int8", 64, 0)
        assert done.returncode == 1
        assert done.stderr.startswith("read_packed: ")
    cut.write_bytes(b"\xff" * 8 + whole[8:])
    assert "no safetensors header" in run(reader, cut, "3.int8", "int8", 64, 0).stderr

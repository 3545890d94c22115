# SPDX-License-Identifier: Apache-2.0
"""The packed folder: every way in which it can be damaged, and writing that fails half way."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sw_quant import packed as packed_module
from sw_quant.errors import FpqvarError
from sw_quant.files import new_file, sha256
from sw_quant.packed import load_packed, save_packed
from sw_quant.quantize import rebuild
from tests.tiny import tiny_packed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_packed(tiny_packed(), tmp_path / "model")
    return tmp_path / "model"


# Damage.


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    (folder / "manifest.json").write_text(json.dumps(data))


def edit_tensors(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change tensors and give the manifest the new file's size and hash, as a faulty writer would."""
    path = folder / "model.safetensors"
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)
    entry = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    edit_manifest(folder, lambda data: data["files"].update({path.name: entry}))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(FpqvarError) as caught:
        rebuild(load_packed(folder))
    for word in words:
        assert word in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("file", ["model.safetensors", "vqvae.safetensors"])
def test_truncated(folder: Path, file: str) -> None:
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[:-1])
    refused(
        folder, f"{folder / file} has {len(data) - 1} bytes, where the manifest says {len(data)}", "copy the folder"
    )


@pytest.mark.parametrize("file", ["model.safetensors", "vqvae.safetensors"])
def test_altered(folder: Path, file: str) -> None:
    data = bytearray((folder / file).read_bytes())
    data[-1] ^= 1
    good = sha256(folder / file)
    (folder / file).write_bytes(data)
    refused(
        folder, f"{folder / file} was altered: sha256 {sha256(folder / file)}, where the manifest says {good}", "copy"
    )


@pytest.mark.parametrize("file", ["model.safetensors", "vqvae.safetensors", "manifest.json"])
def test_missing(folder: Path, file: str) -> None:
    (folder / file).unlink()
    refused(folder, str(folder / file), "fpqvar quantize")


def test_other_contract_version(folder: Path) -> None:
    edit_manifest(folder, lambda data: data.update(contract_version=99))
    refused(folder, str(folder / "manifest.json"), "contract version 99, where this fpqvar has 1", "fpqvar quantize")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda data: data.pop("recipe"), "recipe: missing key"),
        (lambda data: data.update(colour=1), "colour: unknown key"),
        (lambda data: data["layers"].pop("0.fc1"), "unknown tensor 'linear.0.fc1.bias'"),
        (lambda data: data["layers"]["0.fc1"].update(weights="e5m2"), "layers.0.fc1.weights: unknown format 'e5m2'"),
        (lambda data: data["layers"]["0.fc1"].update(k=256), "'linear.0.fc1.codes' is uint8 [512, 64], where"),
        (lambda data: data["files"].pop("vqvae.safetensors"), "no entry for vqvae.safetensors"),
        (lambda data: data["model"].pop("depth"), "'depth' is missing"),
        (lambda data: data["model"].update(depth=3), "missing or unknown tensor: blocks.2."),
        (lambda data: data["model"].update(classes=4), "class_emb.weight"),
    ],
)
def test_wrong_manifest(folder: Path, change: Callable[[dict[str, Any]], object], word: str) -> None:
    edit_manifest(folder, change)
    refused(folder, word, "again" if "depth'" not in word else "restore")


def test_manifest_that_is_no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"kind": ')
    refused(folder, str(folder / "manifest.json"), "not valid JSON", "copy the folder")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda arrays: arrays.pop("linear.1.proj.scales"), "tensor 'linear.1.proj.scales' is missing"),
        (lambda arrays: arrays.update(extra=np.zeros(3)), "unknown tensor 'extra'"),
        (lambda arrays: arrays.pop("float.head.weight"), "missing or unknown tensor: head.weight"),
        (lambda arrays: arrays.update({"float.heads": np.zeros(3)}), "missing or unknown tensor: heads"),
        (
            lambda arrays: arrays.update({"linear.1.proj.scales": np.zeros((128, 2), np.float16)}),
            "is float16 [128, 2], where the manifest says float16 [128, 1]",
        ),
        (
            lambda arrays: arrays.update({"linear.1.proj.bias": np.zeros(128, np.float16)}),
            "is float16 [128], where the manifest says float32 [128]",
        ),
    ],
)
def test_wrong_tensors(folder: Path, change: Callable[[dict[str, Any]], object], word: str) -> None:
    edit_tensors(folder, change)
    refused(folder, "model.safetensors", word, "again")


# Writing.


def test_an_older_folder_is_kept_unless_it_may_go(folder: Path) -> None:
    before = sha256(folder / "manifest.json")
    with pytest.raises(FpqvarError, match="is there already"):
        save_packed(tiny_packed("fp6-rtn"), folder)
    assert sha256(folder / "manifest.json") == before
    save_packed(tiny_packed("fp6-rtn"), folder, replace=True)
    assert load_packed(folder).manifest.recipe.name == "fp6-rtn"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("older", [False, True])
def test_disk_full_half_way_leaves_nothing_and_keeps_the_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    target = tmp_path / "model"
    if older:
        save_packed(tiny_packed("fp6-rtn"), target)
    before = {path.name: sha256(path) for path in target.iterdir()} if older else {}

    def fails(arrays: object, path: Path) -> None:
        path.write_bytes(b"half")
        if path.name.startswith("vqvae"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed_module, "save_file", fails)
    with pytest.raises(FpqvarError, match=r"cannot write .*model: No space left on device; free some space.* Nothing"):
        save_packed(tiny_packed(), target, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == (["model"] if older else [])
    assert ({path.name: sha256(path) for path in target.iterdir()} if older else {}) == before


def test_a_write_that_the_system_refuses_leaves_nothing(tmp_path: Path) -> None:
    """With a real limit on file sizes, as a full disk would end it."""
    code = f"""
from pathlib import Path
from sw_quant.packed import save_packed
from tests.tiny import tiny_packed
save_packed(tiny_packed(), Path({str(tmp_path / "model")!r}))
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, preexec_fn=limit, check=False
    )
    assert "FpqvarError: cannot write" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def _fill_disk(path: Path) -> None:
    path.write_text("half")
    raise OSError(28, "No space left on device")


def test_new_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(FpqvarError, match=r"report\.json: No space left"), new_file(path) as aside:
        _fill_disk(aside)
    assert list(tmp_path.iterdir()) == []
    with new_file(path) as aside:
        aside.write_text("whole")
    assert path.read_text() == "whole"

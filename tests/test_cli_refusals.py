# SPDX-License-Identifier: Apache-2.0
"""Bad input to the command line: one message with the value and the remedy, and no output folder touched.

The exit code is 2 for wrong usage, 1 for failure.
"""

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from host.cli import main
from host.devices import csim
from sw_quant.errors import FpqvarError
from tests.cli import LOAD, Run, refused
from tests.tiny import tiny_model


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--format", "fp5"], 2, ["unknown format 'fp5'", "known: fp4, fp6, int4, int8, float"]),
        (["--backend", "fpga"], 2, ["unknown backend 'fpga'", "known: float, golden, csim"]),
        (["--geometry", "huge"], 2, ["unknown geometry 'huge'", "small, large, wide"]),
        (["--recipe", "fp5"], 2, ["unknown recipe 'fp5'", "shipped: best-fp4"]),
        (["--recipe", "no.toml"], 2, ["no.toml", "No such file"]),
        (["--recipe", "fp6-rtn", "--format", "fp4"], 2, ["recipe fp6-rtn is fp6, not fp4", "leave --format out"]),
        (["--classes", "0,7"], 2, ["unknown class '7'", "0 to 2"]),
        (["--classes", "-1"], 2, ["unknown class '-1'"]),
        (["--classes", "tpo"], 2, ["unknown class 'tpo'", "'Top'"]),
        (["--classes", ""], 2, ["unknown class ''"]),
        (["--backend", "float", "--format", "fp4"], 2, ["--backend float does not go with fp4"]),
        (["--backend", "golden", "--format", "float"], 2, ["--backend golden does not go with float"]),
        (["--backend", "float", "--recipe", "fp4-rtn"], 2, ["--backend float does not go with fp4-rtn"]),
        (["--backend", "float", "--check", "golden"], 2, ["--check compares the bytes of engines"]),
        (["--images-per-class", "0"], 2, ["--images-per-class", "greater than or equal to 1"]),
        (["--seed", "-1"], 2, ["--seed", "greater than or equal to 0"]),
        (["--seed", "x"], 2, ["--seed", "valid integer"]),
        (["--top-k", "99"], 2, ["top_k is 99", "0 (off) to 32"]),
        (["--top-p", "1.5"], 2, ["top_p is 1.5"]),
        (["--cfg", "nan"], 2, ["cfg", "nan"]),
        (["--colour", "red"], 2, ["No such option", "--colour"]),
        (["--model", "d99"], 1, ["d99: no such model"]),
    ],
)
def test_generate_refuses(run: Run, tmp_path: Path, arguments: list[str], code: int, words: list[str]) -> None:
    refused(run("generate", *arguments, "--out", tmp_path / "out"), code, *words)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_told_before_any_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOAD, lambda name: pytest.fail("it loaded the model first"))
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper", "/proc/fpqvar"):
        refused(run("generate", "--out", out), 1, f"cannot write {out}", "folder")
        if out != "/proc/fpqvar":
            refused(run("quantize", "fmnist", "--out", Path(out) / "deeper"), 1, "cannot write", "folder")
        refused(run("evaluate", "--out", out), 1, f"cannot write {out}", "folder")
        refused(run("bench", "--out", out), 1, f"cannot write {out}", "folder")
        refused(run("demo", "--out", out), 1, f"cannot write {out}", "folder")


def test_a_full_disk_leaves_no_half_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Image.Image.save

    def fails(self: Image.Image, path: Path, **options: Any) -> None:
        save(self, path, **options)
        if "class001" in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fails)
    result = run("generate", "--classes", "0,1", "--out", tmp_path / "out")
    refused(result, 1, "cannot write", "class001_000.png", "No space left on device; free some space")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["class000_000.png"]


def test_a_nan_in_the_model_is_an_error_that_names_the_layer(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(name: str) -> Any:
        model = tiny_model()
        model.var.get_parameter("blocks.1.ada_lin.1.bias").data[5 * 128 + 3] = float("inf")
        return model

    monkeypatch.setattr(LOAD, damaged)
    result = run("generate", "--classes", "0", "--format", "int8", "--out", tmp_path)
    refused(result, 1, "layer 1.fc1: input element [0, 3] is inf", "--backend float")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extension_says_how_to_build_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "host._csim", None)
    result = run("generate", "--classes", "0", "--backend", "csim", "--out", tmp_path)
    refused(result, 1, "backend csim", "host._csim", "pip install -e .", "--backend golden")
    with pytest.raises(FpqvarError, match="build it"):
        csim.load_extension()
    refused(run("demo", "--out", tmp_path), 1, "host._csim", "pip install -e .")


def test_packed_models_say_what_does_not_go_with_them(run: Run, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    assert run("quantize", "fmnist", "--format", "fp6", "--out", packed)[0] == 0
    for extra, word in (
        (["--format", "fp4"], "is packed as fp6; leave --format fp4 out"),
        (["--recipe", "fp4-rtn"], "is packed already; leave --recipe fp4-rtn out"),
        (["--backend", "float"], "is packed as fp6; leave --format float out"),
    ):
        refused(run("generate", "--model", packed, *extra, "--out", tmp_path / "out"), 2, word)
    refused(run("quantize", "fmnist", "--out", packed), 2, "is there already", "--replace")
    assert run("quantize", "fmnist", "--out", packed, "--replace")[0] == 0
    (packed / "model.safetensors").write_bytes(b"short")
    result = run("generate", "--model", packed, "--out", tmp_path / "out")
    refused(result, 1, "model.safetensors has 5 bytes, where the manifest says", "copy the folder again")
    refused(run("quantize", "fmnist", "--format", "float", "--out", tmp_path / "x"), 2, "float", "fp4, fp6")


def test_an_unexpected_error_is_one_line_and_debug_shows_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(LOAD, breaks)
    result = run("generate", "--out", tmp_path)
    assert result[0] == 1
    assert (
        result[2]
        == "fpqvar: internal error, ZeroDivisionError: oh; run the same with --debug and report what it shows\n"
    )
    monkeypatch.setattr(sys, "argv", ["fpqvar", "generate", "--out", str(tmp_path), "--debug"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_ctrl_c_is_no_traceback(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(LOAD, interrupted)
    refused(run("generate", "--out", tmp_path), 130)

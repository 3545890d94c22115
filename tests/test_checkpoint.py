# SPDX-License-Identifier: Apache-2.0
"""Model files: what is loaded, and what is refused with which words."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import sha256
from sw_quant.var import PRESETS, Var, Vqvae
from sw_quant.var.checkpoint import HUB_VQVAE, SHIPPED, load_model, load_strict, read_tensors
from sw_quant.var.config import to_dict
from tests.tiny import CONFIG, tiny_model


def _write(module: nn.Module, path: Path, dtype: torch.dtype = torch.float16) -> None:
    tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in module.state_dict().items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiny_model()
    _write(model.var, tmp_path / "var.safetensors")
    _write(model.vqvae, tmp_path / "vqvae.safetensors")
    data = {
        "model": to_dict(CONFIG),
        "class_names": ["Top", "Coat", "Bag"],
        "defaults": {"cfg": 2.0, "top_k": 0, "top_p": 0.0},
    }
    (tmp_path / "config.json").write_text(json.dumps(data))
    return tmp_path


def test_a_folder_loads_as_it_was_written(folder: Path) -> None:
    loaded, model = load_model(folder), tiny_model()
    assert loaded.config == CONFIG
    assert loaded.class_names == ("Top", "Coat", "Bag")
    assert loaded.defaults == {"cfg": 2.0, "top_k": 0, "top_p": 0.0}
    assert loaded.sha256 == sha256(folder / "var.safetensors")
    assert loaded.folder == folder
    for ours, theirs in ((loaded.var, model.var), (loaded.vqvae, model.vqvae)):
        assert not ours.training
        for name, value in ours.state_dict().items():
            expected = theirs.state_dict()[name]
            assert value.dtype == expected.dtype
            assert value.device.type == "cpu"
            assert not value.requires_grad
            assert torch.equal(value, expected.half().float() if expected.is_floating_point() else expected)


def test_the_shipped_model_is_within_its_size_and_draws_its_classes() -> None:
    from sw_quant.evaluation.scorer import Scorer

    folder = SHIPPED / "fmnist"
    assert sum((folder / f"{name}.safetensors").stat().st_size for name in ("var", "vqvae")) <= 20 * 2**20
    model = load_model("fmnist")
    assert model.config == PRESETS["fmnist"]
    assert all(layer.weight.shape[1] % 128 == 0 for layer in model.var.linear_layers().values())
    labels = torch.arange(10)
    images = model.var.generate(labels, 0, model.defaults["cfg"])
    assert Scorer(folder).score(images, labels.tolist()).class_accuracy >= 0.8  # 0.975 on average
    measured = json.loads((folder / "config.json").read_text())["measured"]
    assert all(record["accuracy"] >= 0.96 and record["distance"] <= 3.5 for record in measured["generated"])
    assert measured["reconstructions"]["distance"] <= 2


def _without(tensors: dict[str, Tensor]) -> None:
    del tensors["head.weight"]


def _with_more(tensors: dict[str, Tensor]) -> None:
    tensors["surplus.weight"] = torch.zeros(1)


def _misshapen(tensors: dict[str, Tensor]) -> None:
    tensors["head.weight"] = torch.zeros(32, 127)


def _nan(tensors: dict[str, Tensor]) -> None:
    tensors["blocks.1.ffn.fc1.bias"][3] = float("nan")


def _infinite(tensors: dict[str, Tensor]) -> None:
    tensors["blocks.0.attn.proj.weight"][0, 0] = float("inf")


def _other_mask(tensors: dict[str, Tensor]) -> None:
    tensors["attn_bias_for_masking"][0, 0, 0, 1] = 0


DAMAGES: list[tuple[Callable[[dict[str, Tensor]], None], str]] = [
    (_without, r"tensor 'head.weight' is missing; use"),
    (_with_more, r"tensor 'surplus.weight' is not part of this model; use"),
    (_misshapen, r"tensor 'head.weight' has shape \[32, 127\], expected \[32, 128\]; use"),
    (_nan, "tensor 'blocks.1.ffn.fc1.bias' holds NaN or infinity; fetch"),
    (_infinite, "tensor 'blocks.0.attn.proj.weight' holds NaN or infinity; fetch"),
    (_other_mask, "tensor 'attn_bias_for_masking' is not that of this model's scales; use"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_damaged_tensors_are_refused(
    tmp_path: Path, suffix: str, damage: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    tensors = {name: value.clone() for name, value in tiny_model().var.state_dict().items()}
    path = tmp_path / f"model{suffix}"
    damage(tensors)
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    with torch.device("meta"):
        var = Var(CONFIG, Vqvae(CONFIG.vqvae))
    with pytest.raises(FpqvarError, match=f"model{suffix}: {message}"):
        load_strict(var, read_tensors(path), path)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("touched"),))


def test_a_pickle_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Evil()}, "model.pth")
    with pytest.raises(FpqvarError, match=r"model.pth: cannot be read as a model file"):
        read_tensors(Path("model.pth"))
    assert not Path("touched").exists()


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{not json", b"\0" * 100])
def test_files_that_are_no_model_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FpqvarError, match=f"{name}: cannot be read as a model file"):
        read_tensors(path)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    path = folder / "var.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FpqvarError, match=r"var.safetensors: cannot be read as a model file"):
        load_model(folder)


def test_a_nested_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pth"
    torch.save({"trainer": {"var": {"a": torch.zeros(1)}}}, path)
    with pytest.raises(FpqvarError, match=r"training.pth: holds more than one flat table"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("model"), "key 'model' is missing"),
        (lambda data: data.pop("defaults"), "key 'defaults' is missing"),
        (lambda data: data["class_names"].pop(), "'class_names' must be a list of 3 names"),
        (lambda data: data["defaults"].pop("cfg"), "'defaults' must hold cfg, top_k, top_p"),
        (lambda data: data["defaults"].update(cfg="2"), "default 'cfg' is '2', expected a number"),
        (lambda data: data["model"].update(depth=0), "'depth' is 0"),
    ],
)
def test_a_bad_config_is_refused(folder: Path, change: Callable[[Any], Any], message: str) -> None:
    data = json.loads((folder / "config.json").read_text())
    change(data)
    (folder / "config.json").write_text(json.dumps(data))
    with pytest.raises(FpqvarError, match=f"config.json: {message}"):
        load_model(folder)


def test_an_unreadable_config_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(FpqvarError, match=r"config.json: is not JSON"):
        load_model(folder)
    (folder / "config.json").unlink()
    with pytest.raises(FpqvarError, match=r"config.json: cannot be read \(No such file or directory\)"):
        load_model(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "vqvae.safetensors").unlink()
    with pytest.raises(FpqvarError, match=r"vqvae.safetensors: no such file"):
        load_model(folder)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no model 'd17'; known: d16, d20, d24, d30, d36, fmnist"):
        load_model("d17")


def test_a_published_file_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "d16", CONFIG)
    model = tiny_model()
    torch.save(model.var.state_dict(), tmp_path / "var_d16.pth")
    torch.save(model.vqvae.state_dict(), tmp_path / HUB_VQVAE)
    loaded = load_model(tmp_path / "var_d16.pth")
    assert torch.equal(loaded.var.head.weight, model.var.head.weight)
    assert loaded.class_names == ("0", "1", "2")
    (tmp_path / "var_d16.pth").rename(tmp_path / "mine.pth")
    with pytest.raises(UsageError, match=r"mine.pth: which model is it"):
        load_model(tmp_path / "mine.pth")


def test_names_come_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setitem(PRESETS, "d16", CONFIG)
    model = tiny_model()
    torch.save(model.var.state_dict(), tmp_path / "var_d16.pth")
    torch.save(model.vqvae.state_dict(), tmp_path / HUB_VQVAE)
    asked = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    load_model("d16")
    assert asked == [("FoundationVision/var", "var_d16.pth"), ("FoundationVision/var", HUB_VQVAE)]


def test_no_network_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def download(repository: str, file: str) -> str:
        raise ConnectionError("name resolution failed\nand a long story")

    monkeypatch.setattr(hub, "hf_hub_download", download)
    with pytest.raises(
        FpqvarError, match=r"var_d30.pth: cannot be fetched \(name resolution failed\); check"
    ) as caught:
        load_model("d30")
    assert "\n" not in str(caught.value)


def test_the_hub_client_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FpqvarError, match=r"var_d20.pth: huggingface_hub is not installed; `pip install"):
        load_model("d20")


def test_loading_the_shipped_model_imports_no_hub_client() -> None:
    code = "import sys; from sw_quant.var.checkpoint import load_model; assert 'huggingface_hub' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_safetensors_written_in_float16_hold_the_keys(folder: Path) -> None:
    assert load_file(folder / "var.safetensors").keys() == tiny_model().var.state_dict().keys()

# SPDX-License-Identifier: Apache-2.0
"""Recipes: the shipped ones say what they are to say, and a wrong key is named."""

from pathlib import Path

import pytest

from sw_quant.errors import UsageError
from sw_quant.presets import PRESETS
from sw_quant.recipe import LAYER_KINDS, Recipe, load_recipe, shipped_recipes

GOOD = """
description = "mine"
[default]
weights = "e2m1"
activations = "e2m1"
group = 64
"""


def summary(recipe: Recipe) -> dict[str, tuple[str, str, int | str | None, bool]]:
    layers = {kind: recipe.layer(kind) for kind in LAYER_KINDS}
    return {kind: (part.weights, part.activations, part.group, part.ght) for kind, part in layers.items()}


@pytest.mark.parametrize(
    ("name", "weights", "group", "fc2", "ght"),
    [
        ("fpqvar-fp4", "e2m1", 128, "dual4", True),
        ("fpqvar-fp4-galt", "e2m1", 128, "dual4", True),
        ("fpqvar-fp4-galt-kv6", "e2m1", 128, "dual4", True),
        ("fpqvar-fp4-kv6", "e2m1", 128, "dual4", True),
        ("fpqvar-fp4-kv4", "e2m1", 128, "dual4", True),
        ("fpqvar-fp6-kv6", "e2m3", None, "dual6", False),
        ("fp4-ght", "e2m1", 128, "e2m1", True),
        ("best-fp4", "e2m1", 128, "e2m1", False),
        ("fp4-dfq", "e2m1", 128, "dual4", False),
        ("fp4-rtn", "e2m1", 128, "e2m1", False),
        ("fpqvar-fp6", "e2m3", None, "dual6", False),
        ("fp6-rtn", "e2m3", None, "e2m3", False),
        ("int4-rtn", "int4", None, "int4", False),
        ("int8-rtn", "int8", None, "int8", False),
        ("int6-rtn", "int6", None, "int6", False),
        ("int4-group", "int4", 128, "int4", False),
        ("int4-asymmetric", "int4", None, "int4", False),
        ("int4-log2", "int4", None, "int4", False),
        ("fp6-e3m2", "e3m2", None, "e3m2", False),
        ("fp4-row", "e2m1", None, "e2m1", False),
    ],
)
def test_shipped(name: str, weights: str, group: int | None, fc2: str, ght: bool) -> None:
    recipe = load_recipe(name)
    assert (recipe.name, recipe.ties, recipe.scale_rule, recipe.seed) == (name, "even", "absmax", 0)
    assert recipe.kv_cache == {"kv6": "e2m3", "kv4": "e2m1"}.get(name.rpartition("-")[2])
    assert recipe.factors == ("galt" if "galt" in name else None)
    assert summary(recipe) == {
        "mat_qkv": (weights, weights, group, ght),
        "proj": (weights, weights, group, False),
        "fc1": (weights, weights, group, ght),
        "fc2": (weights, fc2, group, False),
    }


def test_every_shipped_recipe_is_in_the_list_above() -> None:
    others = {"int8-tensor", "litevar-int4", "litevar-int6", "fp4-rtn-paper", "fpqvar-fp4-paper", *PRESETS}  # see below
    assert len(shipped_recipes()) == 20 + len(others)


def test_what_no_engine_computes() -> None:
    off = {name: load_recipe(name).off_engine() for name in shipped_recipes()}
    every = list(LAYER_KINDS)
    assert {name: kinds for name, kinds in off.items() if kinds} == {
        "fp4-rtn-paper": every,
        "fpqvar-fp4-paper": every,
        "int4-asymmetric": every,
        "int4-log2": ["fc2"],
        "int8-tensor": every,
        "litevar-int4": every,
        "litevar-int6": every,
        **dict.fromkeys(PRESETS, every),
    }
    litevar = load_recipe("litevar-int4")
    assert (litevar.fc1.weights, litevar.fc2.weights, litevar.fc2.activations) == ("int4", "int8", "int8")
    assert load_recipe("int4-log2").fc2.activation_method == "log2"
    assert load_recipe("int8-tensor").proj.group == "tensor"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_recipes_of_their_names(name: str) -> None:
    recipe = load_recipe(name)
    element = PRESETS[name].element
    for kind in LAYER_KINDS:
        part = recipe.layer(kind)
        assert (part.preset, part.rule, part.weights, part.activations) == (name, "floor", element, element)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_presets_and_formats_lie_on_top_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        """description = ""
[default]
weights = "e2m1"
activations = "e2m1"
group = 128
[fc1]
preset = "nvfp4"
ght = true
[fc2]
preset = "mxfp6_e3m2"
rule = "rceil"
[layers."1.fc2"]
weights = "int8"
activations = "int8"
group = "row"
[layers."0.proj"]
preset = "mxfp4"
"""
    )
    recipe = load_recipe(str(path))
    found = {name: recipe.layer(name) for name in ("proj", "fc1", "fc2", "1.fc2", "0.proj")}
    assert [part.preset for part in found.values()] == [None, "nvfp4", "mxfp6_e3m2", None, "mxfp4"]
    assert [part.rule for part in found.values()] == ["floor", "floor", "rceil", "floor", "floor"]
    assert [part.weights for part in found.values()] == ["e2m1", "e2m1", "e3m2", "int8", "e2m1"]
    assert found["fc1"].ght
    assert recipe.off_engine() == ["fc1", "fc2", "0.proj"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('preset = "mxfp5"', "preset: unknown 'mxfp5'; known: mxfp4, mxfp6_e2m3, mxfp6_e3m2, nvfp4"),
        ('preset = "mxfp4"\nrule = "best"', "rule: .*'floor', 'ceil', 'rceil' or 'even'"),
        ('preset = "nvfp4"\nrule = "ceil"', "rule: nvfp4 has scales that are no powers of two; remove it"),
        ('preset = "mxfp4"\ngroup = 128', "group: preset 'mxfp4' says what it is; remove it"),
        ('preset = "mxfp4"\nactivations = "e2m3"', "activations: preset 'mxfp4' says what it is; remove it"),
        ('preset = "mxfp4"\nactivation_method = "log2"', "activation_method: preset 'mxfp4' says what it is"),
        ('weights = "e2m1"\nactivations = "e2m1"\ngroup = 32\nrule = "ceil"', "rule: only a preset has one; remove it"),
    ],
)
def test_wrong_presets_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'description = ""\n[default]\n{text}\n')
    with pytest.raises(UsageError, match=message):
        load_recipe(str(path))


def test_presets_round_by_their_own_rule(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('description = ""\nties = "paper"\n[default]\npreset = "mxfp4"\n')
    with pytest.raises(UsageError, match="preset: MX and NVFP4 round to nearest, ties to even; remove ties"):
        load_recipe(str(path))


def test_the_papers_ties_change_nothing_else() -> None:
    for name in ("fp4-rtn", "fpqvar-fp4"):
        ours, paper = load_recipe(name), load_recipe(f"{name}-paper")
        assert (ours.ties, paper.ties) == ("even", "paper")
        assert all(ours.layer(kind) == paper.layer(kind) for kind in LAYER_KINDS)


def test_a_file_of_factors_lies_beside_its_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('factors = "galt.safetensors"\n' + GOOD)
    assert load_recipe(str(path)).factors_file() == tmp_path / "galt.safetensors"
    path.write_text('factors = "galt"\n' + GOOD)
    assert load_recipe(str(path)).factors_file() is None
    assert load_recipe("fp4-rtn").factors_file() is None


def test_single_layers(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD + '[fc2]\nactivations = "dual4"\n[layers."3.fc2"]\ngroup = 32\n[layers."0.fc1"]\nght = true\n')
    recipe = load_recipe(str(path))
    assert (recipe.layer("3.fc2").activations, recipe.layer("3.fc2").group) == ("dual4", 32)
    assert (recipe.layer("2.fc2").activations, recipe.layer("2.fc2").group) == ("dual4", 64)
    assert (recipe.layer("0.fc1").ght, recipe.layer("1.fc1").ght) == (True, False)


def test_own_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD + '[fc1]\ngroup = "row"\n')
    recipe = load_recipe(str(path))
    assert recipe.name == "mine"
    assert recipe.layer("5.fc1").group is None
    assert recipe.layer("5.proj").group == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "colour = 1\n", r"default\.colour: unknown key; Known: weights, activations, group, .*, ght"),
        ("color = 1\n" + GOOD, "color: unknown key; Known: name, description, ties, .*, default"),
        ('tie = "even"\n' + GOOD, "tie: unknown key; did you mean ties"),
        ('factors = ""\n' + GOOD, "factors: "),
        (
            'ties = "paper"\n' + GOOD + '[by_error]\nactivations = ["e2m1"]\n',
            r"by_error.*; remove ties",
        ),
        (GOOD + "[fc3]\nght = true\n", r"fc3: unknown key; did you mean fc\d"),
        (GOOD.replace("group = 64", ""), "mat_qkv.group: missing key, add it"),
        (GOOD.replace('description = "mine"', ""), "description: missing key"),
        (GOOD.replace("64", "100"), 'group: 100 is not a multiple of 32; give one, "row" or "tensor"'),
        (GOOD.replace("64", "0"), "group: 0 is not a multiple of 32"),
        (GOOD.replace("64", "true"), "group: "),
        (GOOD.replace("64", '"column"'), "group: "),
        (GOOD.replace('"e2m1"', '"e5m2"', 1), "weights: unknown format 'e5m2'; known: e2m1, "),
        (GOOD.replace('weights = "e2m1"', 'weights = "dual4"'), "weights: 'dual4' has two scales"),
        (GOOD + "[fc2]\nght = true\n", "fc2.* ght: the 128-point transform serves mat_qkv and fc1 only"),
        ('ties = "odd"\n' + GOOD, "ties: Input should be 'even' or 'paper'"),
        ('kv_cache = "fp8"\n' + GOOD, "kv_cache: unknown format 'fp8'"),
        ("seed = -1\n" + GOOD, "seed: "),
        ("fc2 = 3\n" + GOOD, "fc2.* is to be a table, not 3"),
        ("default = 3\n", "default.* is to be a table, not 3"),
        (GOOD + '[layers."3.fc9"]\ngroup = 32\n', "layers.*fc9"),
        (GOOD + '[layers."x.fc2"]\ngroup = 32\n', 'no layer has such a name; one is "3.fc2"'),
        (GOOD + '[layers."3.fc2"]\ngruop = 32\n', r'layers\."3\.fc2"\.gruop: unknown key; did you mean group'),
        (GOOD + '[layers."3.proj"]\nght = true\n', "3.proj.* ght: the 128-point transform serves"),
        (GOOD + 'activation_method = "log2"\n', "'log2' is for integer formats, not 'e2m1'"),
        (GOOD + 'activation_method = "log3"\n', "activation_method: Input should be"),
        ("= 3", "not valid TOML"),
        ("", "description: missing key"),
    ],
)
def test_what_is_refused_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_name_and_missing_file() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'fp5'; shipped: best-fp4, "):
        load_recipe("fp5")
    with pytest.raises(UsageError, match=r"no/such\.toml: No such file or directory; give"):
        load_recipe("no/such.toml")

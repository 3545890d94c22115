# SPDX-License-Identifier: Apache-2.0
"""Recipes: which format, group and transform each kind of layer gets. A recipe is a small TOML file, strictly read.

    description = "..."
    kv_cache = "e2m3"         # keys and values, one scale a token and head; without this line they stay as they are
    factors = "galt"          # GALT, FPQVAR section 3.3: those in the model's folder; or a file, beside this one
    [default]                 # every layer, unless its own table below says otherwise
    weights = "e2m1"
    activations = "e2m1"
    group = 128               # elements along K that share a scale, or "row"
    [fc2]
    activations = "dual4"     # DFQ, FPQVAR section 3.1
    [fc1]
    ght = true                # GHT, FPQVAR section 3.2
    [layers."3.fc2"]          # one layer of one block, on top of its kind's table
    activations = "e2m1"

Instead of rounding to nearest with the formats and transforms of the tables, errors of the layers' outputs can decide:

    [by_error]
    activations = ["e2m1", "dual4"]      # to choose among, layer by layer
    smoothing = [0.0, 0.5]               # exponents of smoothing factors to choose among

    [tune]                               # after it: what an engine does not see, learnt end to end
    iterations = 400
    rate = 0.001

What no engine computes can be studied all the same, by fake quantization in torch (`LayerRecipe.on_engine` is false):

    activation_group = "tensor"          # other groups than the weights', or one scale for a whole tensor
    activation_method = "asymmetric"     # integers with a zero point, or "log2": powers of two
    ties = "paper"                       # above the tables: round ties as FPQVAR's published kernel does
    preset = "mxfp4"                     # MX or NVFP4 in place of weights, activations and group (`sw_quant.presets`)
    rule = "rceil"                       # how MX finds a power of two; without this line "floor"

The shipped ones (`fpqvar-fp4`, `fp4-rtn`, ...) lie in `sw_quant/recipes/`.
"""

import difflib
import re
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ._generated import FORMATS, GHT_BLOCK, K_MULTIPLE
from .errors import UsageError
from .presets import PRESETS, ScaleRule

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "GHT_KINDS",
    "LAYER_KINDS",
    "OWN_FACTORS",
    "ByError",
    "FormatName",
    "Group",
    "LayerRecipe",
    "Method",
    "Recipe",
    "Ties",
    "describe_problems",
    "load_recipe",
    "shipped_recipes",
]

LAYER_KINDS = ("mat_qkv", "proj", "fc1", "fc2")
OWN_FACTORS = "galt"  # what `factors` says for those that lie in the model's folder
GHT_KINDS = ("mat_qkv", "fc1")  # their inputs come from adaLN, which takes the random signs


def _known(value: str) -> str:
    if value not in FORMATS:
        raise ValueError(f"unknown format {value!r}; known: {', '.join(FORMATS)}")
    return value


def _whole_chunks(value: object) -> object:
    """A group as a recipe writes it: "row" is None."""
    if value in ("row", "tensor", None):
        return None if value == "row" else value
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0 or value % K_MULTIPLE:
        raise ValueError(f'{value!r} is not a multiple of {K_MULTIPLE}; give one, "row" or "tensor"')
    return value


FormatName = Annotated[str, AfterValidator(_known)]
Group = Annotated[int | Literal["tensor"] | None, BeforeValidator(_whole_chunks)]
"""Elements along K that share a scale; None: a row (per token, per output channel); "tensor": all."""
Method = Literal["symmetric", "asymmetric", "log2"]
Ties = Literal["even", "paper"]
_INSTEAD = ("weights", "activations", "group", "activation_group", "activation_method")
"""Keys of a layer that a preset takes the place of."""


class LayerRecipe(BaseModel):
    """How one kind of layer is quantized.

    Attributes:
        weights, activations: formats.
        group: of the weights' scales, and of the activations' where `activation_group` does not say otherwise.
        activation_group: of the activations' scales; "same" as the weights'.
        activation_method: "symmetric" is the contract's quantizer; "asymmetric" and "log2" are for integer formats.
        ght: transform the input, FPQVAR section 3.2.
        preset: of `sw_quant.presets`, for weights and activations; its group is not the recipe's, which is "row" then.
        rule: how a preset's power of two is found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    weights: FormatName
    activations: FormatName
    group: Group
    activation_group: Group | Literal["same"] = "same"
    activation_method: Method = "symmetric"
    ght: bool = False
    preset: str | None = None
    rule: ScaleRule = "floor"

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, data: Any) -> Any:
        """A preset says what the elements are, and leaves nothing for other keys to say."""
        if not isinstance(data, dict) or data.get("preset") is None:
            if isinstance(data, dict) and data.get("rule", "floor") != "floor":
                raise ValueError("rule: only a preset has one; remove it")
            return data
        name = data["preset"]
        if name not in PRESETS:
            raise ValueError(f"preset: unknown {name!r}; known: {', '.join(PRESETS)}")
        if PRESETS[name].scale != "e8m0" and data.get("rule", "floor") != "floor":
            raise ValueError(f"rule: {name} has scales that are no powers of two; remove it")
        element = PRESETS[name].element
        own = {"weights": element, "activations": element, "group": None}
        own |= {"activation_group": "same", "activation_method": "symmetric"}
        for key in _INSTEAD:
            if key in data and data[key] not in (own[key], "row" if key == "group" else own[key]):
                raise ValueError(f"{key}: preset {name!r} says what it is; remove it")
        return data | own

    @property
    def on_engine(self) -> bool:
        """Whether the contract's arithmetic covers it; if not it is fake-quantized in torch."""
        if self.preset is not None:
            return False
        same = self.activation_group in ("same", self.group)
        return self.activation_method == "symmetric" and same and self.group != "tensor"

    @model_validator(mode="after")
    def _integers_only(self) -> "LayerRecipe":
        if self.activation_method != "symmetric" and FORMATS[self.activations].kind != "integer":
            raise ValueError(
                f"activation_method {self.activation_method!r} is for integer formats, not {self.activations!r}"
            )
        return self

    @field_validator("weights")
    @classmethod
    def _one_scale(cls, value: str) -> str:
        if FORMATS[value].kind == "dual":
            raise ValueError(f"{value!r} has two scales, which only activations can have")
        return value


TuneKind = Literal["biases", "scales", "weights", "adaln", "head", "embeddings"]


class ByError(BaseModel):
    """Weights, scales and each layer's transform chosen so that the layers' outputs stay what they were (`ptq`).

    Attributes:
        images: of the float model, that the errors are measured on.
        activations: formats to choose among, for each layer.
        smoothing: exponents of the smoothing factors to choose among, before mat_qkv and fc1; 0 is no smoothing.
        group: elements that share a scale.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    images: int = Field(default=256, ge=2)
    activations: tuple[FormatName, ...] = Field(min_length=1, strict=False)
    smoothing: tuple[float, ...] = Field(default=(0.0,), min_length=1, strict=False)
    group: int = Field(default=128, gt=0, multiple_of=K_MULTIPLE)


class Tune(BaseModel):
    """End-to-end tuning after `by_error`: what an engine does not see is learnt against the float model (`ptq.tune`).

    Attributes:
        iterations: of AdamW.
        images: of the float model, that are learnt on.
        batch: images of an iteration.
        rate: the learning rate at its highest.
        learn: "biases" and "scales" of the layers' weights, "weights" (their codes then change too), "adaln", "head"
            (of the logits), "embeddings" (of tokens, classes and places, and attention's scales).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    iterations: int = Field(default=400, ge=1)
    images: int = Field(default=16384, ge=1)
    batch: int = Field(default=128, ge=1)
    rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    learn: tuple[TuneKind, ...] = Field(
        default=("biases", "scales", "adaln", "head", "embeddings"), min_length=1, strict=False
    )


class Recipe(BaseModel):
    """A whole recipe.

    Attributes:
        ties: "even", the contract's; "paper" is fake-quantized in torch, to reproduce FPQVAR's figures.
        seed: draws the random signs of the transform.
        kv_cache: the cache's format; None: float.
        factors: smoothing factors: "galt" for the model's own, or a file; None: no smoothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    description: str
    ties: Ties = "even"
    scale_rule: Literal["absmax"] = "absmax"
    seed: int = Field(default=0, ge=0)
    kv_cache: FormatName | None = None
    by_error: ByError | None = None
    tune: Tune | None = None
    factors: str | None = Field(default=None, min_length=1)
    mat_qkv: LayerRecipe
    proj: LayerRecipe
    fc1: LayerRecipe
    fc2: LayerRecipe
    layers: dict[str, LayerRecipe] = {}

    @model_validator(mode="before")
    @classmethod
    def _apply_default(cls, data: Any) -> Any:
        """Merge [default] into each layer's table, and name a table or key that is not one."""
        if not isinstance(data, dict):
            return data
        _check_keys("", data, (*cls.model_fields, "default"))
        for name in ("default", *LAYER_KINDS):
            if isinstance(data.get(name), dict):
                _check_keys(name, data[name], LayerRecipe.model_fields)
        if not {"default", "layers"} & data.keys():
            return data
        layers = data.get("layers", {})
        tables = {name: data.get(name, {}) for name in ("default", "layers", *LAYER_KINDS)}
        tables |= {f'layers."{name}"': table for name, table in layers.items()} if isinstance(layers, dict) else {}
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise ValueError(f"[{name}] is to be a table, not {table!r}")
        rest = {key: value for key, value in data.items() if key != "default"}
        kinds = {
            kind: _on_top(tables["default"], tables[kind]) for kind in LAYER_KINDS if kind in data or "default" in data
        }
        for name, table in layers.items():
            _check_keys(f'layers."{name}"', table, LayerRecipe.model_fields)
        own = {name: _on_top(kinds.get(name.rpartition(".")[2], {}), table) for name, table in layers.items()}
        return rest | kinds | {"layers": own}

    @model_validator(mode="after")
    def _errors_decide_alone(self) -> "Recipe":
        if self.by_error is not None and (self.factors is not None or self.ties != "even"):
            key = "factors" if self.factors is not None else "ties"
            raise ValueError(f"[by_error] finds factors of its own and rounds by the contract; remove {key}")
        return self

    @model_validator(mode="after")
    def _presets_round_to_even(self) -> "Recipe":
        names = [name for name in (*LAYER_KINDS, *self.layers) if self.layer(name).preset is not None]
        if names and (self.ties != "even" or self.by_error is not None):
            key = "ties" if self.ties != "even" else "by_error"
            raise ValueError(f"[{names[0]}] preset: MX and NVFP4 round to nearest, ties to even; remove {key}")
        return self

    @model_validator(mode="after")
    def _tune_follows_errors(self) -> "Recipe":
        if self.tune is not None and self.by_error is None:
            raise ValueError("[tune] goes on from [by_error]; add that table, as best-fp4 has it, or remove [tune]")
        if self.tune is not None and len(set(self.tune.learn)) != len(self.tune.learn):
            raise ValueError(f"[tune] learn names something twice: {', '.join(self.tune.learn)}")
        if self.tune is not None and self.tune.batch > self.tune.images:
            raise ValueError(f"[tune] batch is {self.tune.batch}, of {self.tune.images} images; lower it")
        return self

    @model_validator(mode="after")
    def _ght_has_signs(self) -> "Recipe":
        for name in (*LAYER_KINDS, *self.layers):
            kind = name.rpartition(".")[2]
            if not re.fullmatch(r"(\d+\.)?(" + "|".join(LAYER_KINDS) + ")", name):
                raise ValueError(f'[layers."{name}"]: no layer has such a name; one is "3.fc2"')
            if self.layer(name).ght and kind not in GHT_KINDS:
                raise ValueError(
                    f"[{name}] ght: the {GHT_BLOCK}-point transform serves {' and '.join(GHT_KINDS)} only; remove it"
                )
        return self

    def layer(self, name: str) -> LayerRecipe:
        """The part for a layer's kind, "fc2", or for one layer, "3.fc2"."""
        part: LayerRecipe = getattr(self, name.rpartition(".")[2])
        return self.layers.get(name, part)

    def off_engine(self) -> list[str]:
        """What no engine computes: kinds of layers and single layers."""
        names = (*LAYER_KINDS, *self.layers)
        return [name for name in names if self.ties != "even" or not self.layer(name).on_engine]

    def factors_file(self) -> Path | None:
        """The file that `factors` names; None for the model's own and for none."""
        return None if self.factors in (None, OWN_FACTORS) else Path(str(self.factors))


def _on_top(table: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A table with a narrower one's keys on top: a preset goes where formats come, and formats where a preset does."""
    out = _INSTEAD if own.get("preset") is not None else ("preset", "rule") if own.keys() & set(_INSTEAD) else ()
    return {key: value for key, value in table.items() if key not in out} | own


def _check_keys(table: str, found: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a key that a table does not have, with the list of those that it has."""
    known = tuple(known)
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            place = f"{table}.{key}" if table else key
            raise ValueError(f"{place}: unknown key; {hint}Known: {', '.join(known)}")


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(files("sw_quant") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name_or_path: str) -> Recipe:
    """Read a shipped recipe by name, or a file ending in .toml.

    Raises:
        UsageError: no such recipe, or a file with an unknown, missing or wrong key; the message names file and key.
    """
    shipped = shipped_recipes()
    path = shipped.get(name_or_path, Path(name_or_path))
    if path.suffix != ".toml":
        raise UsageError(f"unknown recipe {name_or_path!r}; shipped: {', '.join(shipped)}; or give a .toml file")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"recipe {path}: {error.strerror}; give a .toml file or one of: {', '.join(shipped)}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe {path} is not valid TOML: {error}") from error
    try:
        recipe = Recipe.model_validate({"name": path.stem, **data})
        file = recipe.factors_file()
        return recipe if file is None else recipe.model_copy(update={"factors": str(path.parent / file)})
    except ValidationError as error:
        raise UsageError(f"recipe {path}: {describe_problems(error)}") from error


def describe_problems(error: ValidationError) -> str:
    """pydantic's findings on one line: `fc2.group: 100 is not a multiple of 32; ...`."""
    words = {"extra_forbidden": "unknown key, remove it or correct its spelling", "missing": "missing key, add it"}
    return "; ".join(
        ".".join(map(str, item["loc"]))
        + ": " * bool(item["loc"])
        + words.get(item["type"], item["msg"].removeprefix("Value error, "))
        for item in error.errors()
    )

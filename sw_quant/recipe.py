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
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ._generated import GHT_BLOCK
from .errors import UsageError
from .recipe_tables import ByError, FormatName, Group, LayerRecipe, Method, Ties, Tune, on_top

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
    "Tune",
    "describe_problems",
    "load_recipe",
    "shipped_recipes",
]

LAYER_KINDS = ("mat_qkv", "proj", "fc1", "fc2")
OWN_FACTORS = "galt"  # what `factors` says for those that lie in the model's folder
GHT_KINDS = ("mat_qkv", "fc1")  # their inputs come from adaLN, which takes the random signs


class Recipe(BaseModel):
    """A whole recipe.

    Attributes:
        ties: "even", the contract's; "paper" is fake-quantized in torch, to reproduce FPQVAR's figures.
        seed: draws the random signs of the transform.
        kv_cache: the cache's format; None: float.
        by_error, tune: see there; None: round to nearest, by the layers' tables.
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
            kind: on_top(tables["default"], tables[kind]) for kind in LAYER_KINDS if kind in data or "default" in data
        }
        for name, table in layers.items():
            _check_keys(f'layers."{name}"', table, LayerRecipe.model_fields)
        own = {name: on_top(kinds.get(name.rpartition(".")[2], {}), table) for name, table in layers.items()}
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

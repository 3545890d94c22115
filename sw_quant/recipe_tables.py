# SPDX-License-Identifier: Apache-2.0
"""The tables of a recipe: formats and transform of a layer, choosing by error, tuning. `sw_quant.recipe` reads them."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from ._generated import FORMATS, K_MULTIPLE
from .presets import PRESETS, ScaleRule

__all__ = ["ByError", "FormatName", "Group", "LayerRecipe", "Method", "Ties", "Tune", "TuneKind", "on_top"]


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


def on_top(table: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A table with a narrower one's keys on top: a preset goes where formats come, and formats where a preset does."""
    out = _INSTEAD if own.get("preset") is not None else ("preset", "rule") if own.keys() & set(_INSTEAD) else ()
    return {key: value for key, value in table.items() if key not in out} | own

# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks.order` compares: recipes, and each with one thing changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_quant.recipe import LAYER_KINDS, Recipe, load_recipe

__all__ = ["Variant", "variants"]

_INT4: dict[str, Any] = {"weights": "int4", "activations": "int4"}
_NOT_TUNED: dict[str, Any] = {"tune": None}


@dataclass(frozen=True)
class Variant:
    """A recipe, the kinds of layers that keep its factors, and whether biases take off the outputs' mean errors."""

    name: str
    recipe: Recipe | None
    factors: tuple[str, ...] = ()
    corrected: bool = False


def variants(signs: int) -> list[Variant]:
    """What is compared: the rows of the table that are in question, and each with one thing changed.

    `signs` other draws of the transform's random signs: another rounding of the same weights, as good on average.
    """
    rtn, ght, dfq, whole = (load_recipe(name) for name in ("fp4-rtn", "fp4-ght", "fp4-dfq", "fpqvar-fp4"))
    galt, both = load_recipe("fpqvar-fp4-galt"), ("mat_qkv", "fc1")

    def only(kind: str) -> Recipe:
        return rtn.model_copy(update={kind: getattr(ght, kind)})

    def integers(recipe: Recipe) -> Recipe:
        four = {kind: getattr(recipe, kind).model_copy(update=_INT4) for kind in LAYER_KINDS}
        return recipe.model_copy(update=four)

    return [
        Variant("float", None),
        Variant("fp4-rtn", rtn),
        Variant("fp4-rtn, means corrected", rtn, corrected=True),
        Variant("GHT, mat_qkv alone", only("mat_qkv")),
        Variant("GHT, fc1 alone", only("fc1")),
        Variant("fp4-ght", ght),
        Variant("fp4-ght, means corrected", ght, corrected=True),
        Variant("int4, groups of 128", integers(rtn)),
        Variant("int4, groups of 128, GHT", integers(ght)),
        Variant("fp4-dfq", dfq),
        Variant("fpqvar-fp4", whole),
        Variant("fpqvar-fp4, means corrected", whole, corrected=True),
        Variant("GALT, factors of mat_qkv alone", galt, ("mat_qkv",)),
        Variant("GALT, factors of fc1 alone", galt, ("fc1",)),
        Variant("fpqvar-fp4-galt", galt, both),
        Variant("fpqvar-fp4-galt, means corrected", galt, both, corrected=True),
        Variant("best-fp4", load_recipe("best-fp4")),
        Variant("best-fp4, not tuned", load_recipe("best-fp4").model_copy(update=_NOT_TUNED)),
        *(Variant(f"{whole.name}, signs {n}", whole.model_copy(update={"seed": n})) for n in range(1, signs + 1)),
        *(
            Variant(f"fpqvar-fp4-galt, signs {n}", galt.model_copy(update={"seed": n}), both)
            for n in range(1, signs + 1)
        ),
    ]

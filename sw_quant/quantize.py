# SPDX-License-Identifier: Apache-2.0
"""From a VAR model and a recipe to a packed model, and back to a VAR whose linear layers an executor computes.

Where the recipe asks for GHT, the layer's input is to become H d x, with random signs d. The engine does H. The
signs are folded into adaLN, which makes x = norm(h) * (1 + scale) + shift:

    scale' = d (1 + scale) - 1        shift' = d shift        so that x' = d x, exactly: only signs change

Scale and shift are outputs of a linear layer, so its rows are multiplied by d, and d - 1 is added to scale's bias. The
weights take the rest, W' = W d H / 128. (FPQVAR, section 3.2.)
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import FpqvarError, UsageError
from .hadamard import hadamard_fold_weight, signs
from .kvcache import CacheQuantizer
from .mx import PRESETS, pack_rows, quantize_mx
from .packed import LayerEntry, PackedLayer, PackedModel, Source, Study, new_manifest
from .quantizer import quantize
from .recipe import LAYER_KINDS, LayerRecipe, Recipe
from .smoothing import Factors, recipe_factors
from .var import LinearLayer, Var, VarConfig, Vqvae
from .var.checkpoint import LoadedModel
from .var.config import from_dict, to_dict

__all__ = ["fold_signs", "layer_signs", "quantize_layer", "quantize_model", "rebuild"]

# Which of adaLN's six outputs (gates, scales, shifts; attention first) make the input of a layer.
_ADALN_SLOTS = {"mat_qkv": (2, 4), "fc1": (3, 5)}
# What a packed model keeps as linear layers, so that the transformer's own tensors leave it out.
_LINEAR_KEYS = (
    *("attn.mat_qkv.weight", "attn.q_bias", "attn.zero_k_bias", "attn.v_bias", "attn.proj.weight", "attn.proj.bias"),
    *("ffn.fc1.weight", "ffn.fc1.bias", "ffn.fc2.weight", "ffn.fc2.bias"),
)

Progress = Callable[[int, int], None]
"""Called with the number of layers done and of all layers."""


def layer_signs(config: VarConfig, recipe: Recipe) -> dict[str, Tensor]:
    """The signs d, float32 [width], of every layer that the recipe transforms.

    With shared adaLN one layer makes the parameters of all blocks, so all blocks have the same signs.
    """
    chosen = {}
    for kind in _ADALN_SLOTS:
        for block in range(config.depth):
            if recipe.layer(f"{block}.{kind}").ght:
                stream = kind if config.shared_adaln else f"{block}.{kind}"
                digest = hashlib.sha256(f"{recipe.seed}/{stream}".encode()).digest()
                chosen[f"{block}.{kind}"] = signs(config.width, int.from_bytes(digest[:8], "little"))
    return chosen


def fold_signs(state: Mapping[str, Tensor], config: VarConfig, chosen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A transformer's state dict with the signs folded into adaLN: the inputs of the chosen layers become d x."""
    folded = dict(state)
    for name, d in chosen.items():
        block, kind = name.split(".")
        scale, shift = _ADALN_SLOTS[kind]
        if not config.shared_adaln:
            _fold_linear(folded, f"blocks.{block}.ada_lin.1", {scale: d, shift: d}, scale)
            continue
        key = f"blocks.{block}.ada_gss"
        folded[key] = folded[key].clone()
        folded[key][..., shift, :] *= d
        folded[key][..., scale, :] = folded[key][..., scale, :] * d + (d - 1)
    if config.shared_adaln:
        shared = {
            slot: chosen[f"0.{kind}"] for kind in _ADALN_SLOTS if f"0.{kind}" in chosen for slot in _ADALN_SLOTS[kind]
        }
        _fold_linear(folded, "shared_ada_lin.1", shared, None)
    return folded


def _fold_linear(state: dict[str, Tensor], key: str, slots: Mapping[int, Tensor], scale: int | None) -> None:
    """Multiply rows of adaLN's layer by signs; the slot `scale`, if any, also takes the d - 1."""
    weight, bias = (state[f"{key}.{part}"].clone() for part in ("weight", "bias"))
    for slot, d in slots.items():
        rows = slice(slot * len(d), (slot + 1) * len(d))
        weight[rows] *= d[:, None]
        bias[rows] = bias[rows] * d + (d - 1) if slot == scale else bias[rows] * d
    state[f"{key}.weight"], state[f"{key}.bias"] = weight, bias


def quantize_layer(
    name: str, layer: LinearLayer, recipe: Recipe, d: Tensor | None, factor: Tensor | None = None
) -> PackedLayer:
    """One linear layer, its columns multiplied by `factor` [K] and transformed with the signs `d`, if there are any.

    Raises FpqvarError naming the layer.
    """
    part = recipe.layer(name)
    weight, bias = (tensor.detach().float() for tensor in layer)
    n, k = weight.shape
    try:
        if not bool(torch.isfinite(bias).all()):
            raise FpqvarError("the bias has Inf or NaN; check the checkpoint")
        if factor is not None:
            weight = weight * factor
        if d is not None:
            weight = hadamard_fold_weight(weight, d)
        if part.preset is not None:
            return _preset_layer(weight, bias, part)
        if part.group == "tensor":
            group, q = k, quantize(weight, part.weights, granularity="tensor", ties=recipe.ties)
        else:
            group = min(part.group or k, k)
            q = quantize(weight, part.weights, group=group, ties=recipe.ties)
    except FpqvarError as error:
        raise type(error)(f"layer {name}: {error}") from error
    entry = LayerEntry(
        n=n,
        k=k,
        weights=part.weights,
        activations=part.activations,
        group=group,
        ght=part.ght,
        study=None if part.on_engine and recipe.ties == "even" else Study.of(part, recipe.ties),
    )
    return PackedLayer(entry, q.pack().numpy(), q.scales.numpy(), bias.numpy())


def _preset_layer(weight: Tensor, bias: Tensor, part: LayerRecipe) -> PackedLayer:
    """A layer in MX or NVFP4."""
    n, k = weight.shape
    preset = PRESETS[part.preset or ""]
    q = quantize_mx(weight, preset.name, part.rule)
    entry = LayerEntry(
        n=n,
        k=k,
        weights=part.weights,
        activations=part.activations,
        group=preset.group,
        ght=part.ght,
        study=Study.of(part),
    )
    global_scale = None if q.global_scale is None else q.global_scale.numpy()
    codes = pack_rows(q.codes, entry.bits).numpy()
    return PackedLayer(entry, codes, q.scales.view(torch.uint8).numpy(), bias.numpy(), global_scale)


def quantize_model(
    model: LoadedModel,
    recipe: Recipe,
    source: Source,
    progress: Progress | None = None,
    factors: Factors | None = None,
) -> PackedModel:
    """Quantize a model: the same model, recipe and factors give the same bytes.

    Args:
        model: the model.
        recipe: formats and transforms.
        source: what the manifest says of where the model comes from.
        progress: told after each layer.
        factors: smoothing factors (GALT) of mat_qkv and fc1; default: those that the recipe asks for.

    Raises FpqvarError naming the layer whose shape or values the recipe cannot take, or what is wrong with the factors.
    """
    config, tuned = model.config, dict[str, Tensor]()
    if recipe.by_error is not None:
        if factors is not None:
            raise UsageError(f"recipe {recipe.name} finds its own factors; leave {factors.origin} out")
        from .ptq.pack import quantize_by_error

        found = quantize_by_error(model, recipe, progress)
        layers, into_adaln, tuned = found.layers, found.factors, found.state
    else:
        factors = factors or recipe_factors(recipe, model)
        layers, into_adaln = _quantize_layers(model, recipe, progress, factors)
    left_out = {f"blocks.{block}.{key}" for block in range(config.depth) for key in _LINEAR_KEYS}
    own = model.var.state_dict() | tuned
    state = fold_signs({key: value.cpu() for key, value in own.items()}, config, into_adaln)
    manifest = new_manifest(
        recipe=recipe,
        source=source,
        model=to_dict(config),
        class_names=model.class_names,
        defaults=model.defaults,
        layers={name: layer.entry for name, layer in layers.items()},
        factors=factors.notes or Path(factors.origin).name if factors is not None else None,
    )
    floats = {key: _compact(value) for key, value in state.items() if key not in left_out}
    vqvae = {key: _compact(value) for key, value in model.vqvae.state_dict().items()}
    return PackedModel(
        manifest,
        layers,
        {key: value.numpy() for key, value in floats.items()},
        {key: value.numpy() for key, value in vqvae.items()},
    )


def _quantize_layers(
    model: LoadedModel, recipe: Recipe, progress: Progress | None, factors: Factors | None
) -> tuple[dict[str, PackedLayer], dict[str, Tensor]]:
    """Every layer by itself, and what adaLN multiplies their inputs by."""
    smooth: Mapping[str, Tensor] = {}
    if factors is not None:
        factors.check(model.config, model.sha256)
        smooth = factors.layers
    chosen = layer_signs(model.config, recipe)
    linears = model.var.linear_layers()
    layers = {}
    for done, (name, layer) in enumerate(linears.items(), 1):
        own = LinearLayer(*(tensor.cpu() for tensor in layer))
        layers[name] = quantize_layer(name, own, recipe, chosen.get(name), smooth.get(name))
        if progress is not None:
            progress(done, len(linears))
    return layers, _input_factors(chosen, smooth)


def _input_factors(chosen: Mapping[str, Tensor], smooth: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What adaLN multiplies each layer's input by: signs over smoothing factors."""
    return {
        name: chosen.get(name, torch.ones(())) / smooth.get(name, torch.ones(())) for name in sorted({*chosen, *smooth})
    }


def _compact(tensor: Tensor) -> Tensor:
    """The tensor in half precision if that holds every element exactly, and as it is otherwise."""
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    halves = tensor.half()
    return halves if torch.equal(halves.float(), tensor.float()) else tensor.float()


def rebuild(packed: PackedModel, device: torch.device | str = "cpu") -> Var:
    """The networks of a packed model, in float32 on `device`. They work once `linear` is set to an executor; the
    recipe's rounding of the KV cache is set already.

    The linear layers' own weights have no storage, so that nothing can compute with them by mistake.

    Raises FpqvarError when the tensors do not fit the configuration in the manifest.
    """
    config = from_dict(packed.manifest.model, "manifest.json: model")
    vqvae = Vqvae(config.vqvae)
    with torch.device("meta"):
        var = Var(config, vqvae)
    own = {f"blocks.{block}.{key}" for block in range(config.depth) for key in _LINEAR_KEYS}
    _assign(var, packed.floats, own, device, "model.safetensors")
    _assign(vqvae, packed.vqvae, set(), device, "vqvae.safetensors")
    missing = {f"{block}.{kind}" for block in range(config.depth) for kind in LAYER_KINDS} ^ packed.layers.keys()
    if missing:
        raise FpqvarError(
            f"manifest.json: layers do not fit the model: {', '.join(sorted(missing))}; quantize it again"
        )
    recipe = packed.manifest.recipe
    if recipe.kv_cache is not None:
        var.cache_rounding = CacheQuantizer(recipe.kv_cache, recipe.ties)
    vqvae.eval()
    return var.eval()


def _assign(
    module: torch.nn.Module, arrays: Mapping[str, Any], without: set[str], device: torch.device | str, file: str
) -> None:
    """Give a module without storage its tensors, all but those in `without`."""
    state = {key: torch.from_numpy(value).to(device) for key, value in arrays.items()}
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    try:
        keys = module.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise FpqvarError(f"{file}: {reason} Quantize the model again") from error
    wrong = sorted(set(keys.missing_keys) ^ without) + sorted(keys.unexpected_keys)
    if wrong:
        raise FpqvarError(f"{file}: missing or unknown tensor: {', '.join(wrong[:5])}; quantize the model again")

# SPDX-License-Identifier: Apache-2.0
"""Record what the published VAR code does, for tests/test_var_official.py to hold ours against.

    python tests/data/record_official.py PATH

PATH is a checkout of the repository FoundationVision/VAR (MIT licence). Nothing of it is copied: what is written to
official.json are names, shapes and numbers.
"""

import contextlib
import io
import json
import sys
import types
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from sw_quant.var.config import PRESETS, VarConfig  # noqa: E402
from tests.official import CASES, LABELS, PIXELS, SEED, fill, sample_images  # noqa: E402


def build(config: VarConfig) -> tuple[Any, Any]:
    """The published classes, with our configuration's numbers."""
    VAR = import_module("models.var").VAR
    VQVAE = import_module("models.vqvae").VQVAE

    shape = config.vqvae
    vqvae = VQVAE(
        vocab_size=shape.vocabulary,
        z_channels=shape.latent_channels,
        ch=shape.channels,
        v_patch_nums=shape.patch_sizes,
        share_quant_resi=shape.phi_count,
    )
    var = VAR(
        vqvae,
        num_classes=config.classes,
        depth=config.depth,
        embed_dim=config.width,
        num_heads=config.heads,
        shared_aln=config.shared_adaln,
        attn_l2_norm=True,
        patch_nums=shape.patch_sizes,
        cond_drop_rate=0.0,
    )
    return vqvae.eval(), var.eval()


def shapes(module: nn.Module) -> dict[str, list[int]]:
    """Every state-dict key and its shape; ``blocks.*.`` stands for each block."""
    return {name.replace("blocks.0.", "blocks.*."): list(value.shape) for name, value in module.state_dict().items()}


def outputs(config: VarConfig) -> dict[str, Any]:
    """Tokens and pixels of the published code, with weights from a formula."""
    vqvae, var = build(config)
    fill(vqvae)
    fill(var)
    images = sample_images(config)
    maps = vqvae.img_to_idxBl(images)
    logits = var(torch.tensor(LABELS), vqvae.quantize.idxBl_to_var_input(maps))
    result: dict[str, Any] = {
        "tokenized": [tokens.tolist() for tokens in maps],
        "teacher_forced": logits.argmax(dim=-1).tolist(),
    }
    drawn = []
    for cfg, top_k, top_p in CASES:
        kept: list[list[list[int]]] = []
        embedding = vqvae.quantize.embedding
        hook = embedding.register_forward_hook(lambda _m, args, _out, kept=kept: kept.append(args[0].tolist()))
        image = var.autoregressive_infer_cfg(len(LABELS), torch.tensor(LABELS), SEED, cfg, top_k, top_p)
        hook.remove()
        drawn.append({"tokens": kept, "pixels": image.flatten()[:: image.numel() // PIXELS][:PIXELS].tolist()})
    return {**result, "generated": drawn}


def main(checkout: Path) -> None:
    """Write official.json beside this file."""
    hub = types.ModuleType("huggingface_hub")  # the published code imports a mixin from it that is not needed here
    hub.PyTorchModelHubMixin = object  # type: ignore[attr-defined]
    sys.modules["huggingface_hub"] = hub
    sys.path.insert(0, str(checkout))
    from tests.official import small

    record: dict[str, Any] = {"shapes": {}, "phi": {}, "outputs": {}}
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        for name in ("d16", "d20", "d24", "d30", "d36"):
            vqvae, var = build(replace(PRESETS[name], depth=1))  # all blocks are alike, and d36 is large
            record["shapes"][name] = shapes(var)
            record["shapes"]["vae_ch160v4096z32"] = shapes(vqvae)  # one file serves them all
        phi_list = import_module("models.quant").PhiPartiallyShared

        for count in (2, 3, 4, 5):
            for scales in range(2, 13):
                phis = phi_list(nn.ModuleList(nn.Identity() for _ in range(count)))
                order = list(phis.qresi_ls)
                chosen = [order.index(phis[scale / (scales - 1)]) for scale in range(scales)]
                record["phi"][f"{count} for {scales}"] = chosen
        for shared in (False, True):
            record["outputs"]["shared" if shared else "own"] = outputs(small(shared))
    text = json.dumps(record, separators=(",", ":")) + "\n"
    (HERE / "official.json").write_text(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]).resolve())

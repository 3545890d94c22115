# SPDX-License-Identifier: Apache-2.0
"""Writing a float model as a folder that `load_model` reads."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from sw_quant.files import new_folder, sha256
from sw_quant.smoothing import Factors, save_factors
from sw_quant.var.checkpoint import LoadedModel
from sw_quant.var.config import to_dict

SCORING_FILES = ("classifier.safetensors", "reference.safetensors")
"""What a folder needs besides for `fpqvar evaluate` to score its images."""


def save_model(
    model: LoadedModel, folder: Path, replace: bool = False, factors: Mapping[str, Factors] | None = None
) -> None:
    """Write ``config.json``, ``var.safetensors`` and ``vqvae.safetensors``, all or nothing.

    The files that score its images are copied from the model's own folder, if it has them. ``factors`` are smoothing
    factors of this model, by file name, for recipes that ask for the model's own.

    Raises:
        FpqvarError: ``folder`` is there already and ``replace`` is not asked for, or writing fails.
    """
    with new_folder(folder, replace) as aside:
        data = {
            "model": to_dict(model.config),
            "class_names": list(model.class_names),
            "defaults": model.defaults,
        }
        (aside / "config.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        for file, module in (("var.safetensors", model.var), ("vqvae.safetensors", model.vqvae)):
            save_file({key: value.contiguous() for key, value in module.state_dict().items()}, aside / file)
        for file in SCORING_FILES:
            if (model.folder / file).is_file():
                shutil.copyfile(model.folder / file, aside / file)
        for file, own in (factors or {}).items():
            save_factors(dataclasses.replace(own, model=sha256(aside / "var.safetensors")), aside / file)

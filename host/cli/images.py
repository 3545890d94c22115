# SPDX-License-Identifier: Apache-2.0
"""Images as PNG files, and many of them on one labelled sheet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sw_quant.files import new_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Pixels", "SheetRow", "draw_sheet", "save_png", "to_bytes"]

Pixels = npt.NDArray[np.uint8]
SheetRow = tuple[str, Sequence[Pixels]]

_TILE = 96  # pixels; smaller images are enlarged to about this
_GAP = 6
_TEXT = 13
_PAPER, _INK = 255, 30


def to_bytes(images: "Tensor | npt.NDArray[np.float32]") -> list[Pixels]:
    """float [B, C, H, W] in [0, 1] to one uint8 [H, W] or [H, W, 3] an image, rounded to the nearest level."""
    array = images if isinstance(images, np.ndarray) else images.detach().cpu().numpy()
    levels = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return [image[..., 0] if image.shape[-1] == 1 else image for image in levels]


def save_png(image: "Pixels | Image.Image", path: Path) -> None:
    """Write a PNG, whole or not at all. Raises FpqvarError when that fails."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    with new_file(path) as aside:
        picture.save(aside, format="PNG")


def draw_sheet(rows: Sequence[SheetRow], columns: Sequence[str]) -> Image.Image:
    """Rows of images, a label beside each row and above each column. All images are of one size."""
    height, width = rows[0][1][0].shape[:2]
    factor = max(1, _TILE // max(height, width))
    tile_w, tile_h = width * factor + _GAP, height * factor + _GAP
    font = ImageFont.load_default(_TEXT)
    left = max(int(font.getlength(label)) for label, _ in rows) + 2 * _GAP
    top = _TEXT + 2 * _GAP
    sheet = Image.new("RGB", (left + len(columns) * tile_w, top + len(rows) * tile_h), (_PAPER,) * 3)
    draw = ImageDraw.Draw(sheet)
    for i, label in enumerate(columns):
        text = _shortened(label, font, tile_w - _GAP)
        draw.text((left + i * tile_w + (tile_w - _GAP) // 2, _GAP), text, (_INK,) * 3, font, anchor="mt")
    for j, (label, images) in enumerate(rows):
        y = top + j * tile_h
        draw.text((_GAP, y + (tile_h - _GAP) // 2), label, (_INK,) * 3, font, anchor="lm")
        for i, image in enumerate(images):
            tile = Image.fromarray(image).resize((width * factor, height * factor), Image.Resampling.NEAREST)
            sheet.paste(tile, (left + i * tile_w, y))
    return sheet


def _shortened(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> str:
    """The text, cut to a width in pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"

"""Pictures made ready for a model: as its repository says, or as the card declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from facebench_transformers.card import Preparation

FILTERS = {name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "bilinear", "bicubic", "lanczos")}
# uint8 [height, width, 3] RGB pictures to float32 [n, 3, size, size].
Prepare = Callable[[Sequence[NDArray[np.uint8]]], torch.Tensor]


def by_processor(processor: Any) -> Prepare:
    """As an image processor of transformers does it."""

    def prepare(pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        # A size may look like a channel count (3x500), so the axes are told.
        made = processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
        pixels: torch.Tensor = made["pixel_values"]
        return pixels

    return prepare


def by_card(how: Preparation) -> Prepare:
    """(x - mean) / std in float32 of the picture at the declared size, channels in the declared order."""
    mean, std = np.array(how.mean, np.float32), np.array(how.std, np.float32)

    def prepare(pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        x = np.stack([_sized(picture, how) for picture in pictures])
        x = x[..., ::-1] if how.channels == "BGR" else x
        return torch.from_numpy(np.ascontiguousarray(((x.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)))

    return prepare


def _sized(picture: NDArray[np.uint8], how: Preparation) -> NDArray[np.uint8]:
    if picture.shape[:2] == (how.size, how.size):
        return picture
    if how.resample == "none":
        found = "x".join(map(str, picture.shape[:2]))
        raise ValueError(f"a picture is {found}; the card says size {how.size} and resample 'none'")
    return np.asarray(Image.fromarray(picture).resize((how.size, how.size), FILTERS[how.resample]))

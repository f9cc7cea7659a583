"""The network layer by layer, how pictures are prepared for it, and what facebench calls on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

import bench

SIDE, WHOLE = 64, 2048
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
UNKNOWN = ("contempt",)  # asked for by sets of eight classes; it never answers with it
GREY = (0.299, 0.587, 0.114)


class Separable(nn.Module):
    """Depthwise, then pointwise convolution."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.pointwise = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pointwise(self.depthwise(x))
        return x


class Block(nn.Module):
    """Two separable convolutions beside a shortcut; a ``leading`` ReLU is on the main path alone."""

    def __init__(self, inner: int, outer: int, leading: bool) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(inner, outer, 1, stride=2)
        self.separable1 = Separable(inner, outer)
        self.separable2 = Separable(outer, outer)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.leading = leading

    def forward(self, x: Tensor) -> Tensor:
        main = self.separable1(x.relu() if self.leading else x)
        main = self.pool(self.separable2(main.relu()))
        y: Tensor = main + self.shortcut(x)
        return y


class MiniXception(nn.Module):
    """The whole network: float32 [n, 1, 64, 64] in [-1, 1] to the logits of seven classes, [n, 7]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"conv1": nn.Conv2d(1, 32, 3, stride=2), "conv2": nn.Conv2d(32, 64, 3)})
        self.block1 = Block(64, 128, leading=False)
        self.block2 = Block(128, 256, leading=True)
        self.classifier = nn.Conv2d(256, len(CLASSES), 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem["conv2"](self.stem["conv1"](x).relu()).relu()
        x = self.classifier(self.block2(self.block1(x)))
        return x.mean(dim=(2, 3))


def prepare(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [64, 64] in [-1, 1] of uint8 [height, width, 3]: grey, resized, in whole grey levels.

    Bilinear between the four nearest pixels, the middle of a pixel being half a pixel in; no smoothing. The figures on
    its card were made with OpenCV's INTER_LINEAR on bytes, so its fixed-point arithmetic is followed to the bit: 11
    bits a weight, four dropped between rows and columns.
    """
    grey = np.floor(pixels.astype(np.float64) @ np.array(GREY) + 0.5).astype(np.int64)
    height, width = grey.shape
    left, right, share = _neighbours(width)
    inside = (share > 0) & (left >= 0) & (right < width)  # at the edges across, the one pixel counts whole
    share = np.where(inside, share, 0)
    left, right = np.clip(left, 0, width - 1), np.clip(right, 0, width - 1)
    across = (grey[:, left] * (WHOLE - share) + grey[:, right] * share) >> 4
    above, below, share = _neighbours(height)
    above, below, share = np.clip(above, 0, height - 1), np.clip(below, 0, height - 1), share[:, None]
    both = ((across[above] * (WHOLE - share)) >> 16) + ((across[below] * share) >> 16)
    level = np.clip((both + 2) >> 2, 0, 255)
    return ((level / 255 - 0.5) * 2).astype(np.float32)


def _neighbours(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The pixels, of ``length``, before and after each of 64 places, and the second one's weight in 2048ths."""
    at = (np.arange(SIDE) + 0.5) * (length / SIDE) - 0.5
    before = np.floor(at).astype(np.int64)
    return before, before + 1, np.rint((at - before) * WHOLE).astype(np.int64)


class MiniXceptionClassifier:
    """A Classifier: the network with its weights on a device."""

    def __init__(self, network: MiniXception, device: str = "cpu") -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)

    @classmethod
    def load(cls, given: bench.Load) -> MiniXceptionClassifier:
        """Read ``model.safetensors``; raises ValueError naming tensors that are absent, unknown or misshapen."""
        if given.weights is None:
            raise ValueError("mini-xception was loaded without weights; it needs the folder with model.safetensors")
        torch.set_num_threads(given.threads)
        torch.backends.cudnn.allow_tf32 = False  # float32 is promised; cuDNN would round products to 10 bits
        network, file = MiniXception(), given.weights / "model.safetensors"
        try:
            network.load_state_dict(load_file(file))
        except RuntimeError as error:
            raise ValueError(f"{file} does not hold the tensors of Mini-Xception. {error}") from None
        return cls(network, given.device)

    def classify(self, records: Sequence[Any], labels: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, k], the probability of each label; 0 for contempt, which it does not know.

        Raises ValueError for a label that is of no expression.
        """
        if odd := [label for label in labels if label not in (*CLASSES, *UNKNOWN)]:
            raise ValueError(f"mini-xception has no class {odd[0]!r}; it has {', '.join(CLASSES)}")
        images = torch.from_numpy(np.stack([prepare(face.pixels) for face in records])[:, None])
        with torch.inference_mode():
            told = self.network(images.to(self.device)).softmax(1).cpu().numpy()
        made = np.zeros((len(records), len(labels)), np.float32)
        for column, label in enumerate(labels):
            if label in CLASSES:
                made[:, column] = told[:, CLASSES.index(label)]
        return made

"""The network layer by layer, and what facebench calls on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from bench import Face, Load

SIDE, DIMENSIONS = 112, 128
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Bottlenecks a stage: (expansion, channels out, how many, stride of the first).
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class ConvBn(nn.Module):
    """Convolution and batch normalisation."""

    def __init__(self, inner: int, outer: int, kernel: int, bias: bool = False, **shape: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, bias=bias, **shape)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))  # type: ignore[no-any-return]


class Separable(nn.Module):
    """Depthwise, then pointwise convolution, each with ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.pointwise_bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.depthwise_bn(self.depthwise(x)))
        return torch.relu(self.pointwise_bn(self.pointwise(x)))


class Bottleneck(nn.Module):
    """Inverted residual with a linear bottleneck; the input is added where the shape stays."""

    def __init__(self, inner: int, outer: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inner * expansion
        self.expand = nn.Conv2d(inner, hidden, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(hidden)
        self.project = nn.Conv2d(hidden, outer, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(outer)
        self.adds = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.relu6(self.expand_bn(self.expand(x)))
        y = nn.functional.relu6(self.depthwise_bn(self.depthwise(y)))
        y = self.project_bn(self.project(y))
        return x + y if self.adds else y


class MobileFaceNet(nn.Module):
    """The whole network: float32 [n, 3, 112, 112], normalised, to [n, 128], not normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBn(3, 64, 3, stride=2, padding=1)
        self.separable = Separable(64)
        channels = 64
        for number, (expansion, outer, count, stride) in enumerate(STAGES, 1):
            stage = nn.Module()
            for block in range(count):
                stage.add_module(f"block{block + 1}", Bottleneck(channels, outer, expansion, stride if block == 0 else 1))
                channels = outer
            self.add_module(f"stage{number}", stage)
        self.head = ConvBn(128, 512, 1)
        self.gdconv = ConvBn(512, 512, 7, groups=512)
        self.embedding = ConvBn(512, DIMENSIONS, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.separable(nn.functional.relu6(self.stem(x)))
        for number in range(1, len(STAGES) + 1):
            for block in self.get_submodule(f"stage{number}").children():
                x = block(x)
        x = nn.functional.relu6(self.head(x))
        return self.embedding(self.gdconv(x)).flatten(1)  # type: ignore[no-any-return]


class MobileFaceNetEmbedder:
    """An Embedder, and Differentiable."""

    def __init__(self, network: MobileFaceNet, flip: bool, device: str = "cpu") -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.flip, self.device = flip, torch.device(device)
        self.mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)

    @classmethod
    def load(cls, given: Load) -> MobileFaceNetEmbedder:
        """Read ``model.safetensors``; raises RuntimeError naming tensors that are absent, unknown or misshapen."""
        assert given.weights is not None
        torch.set_num_threads(given.threads)
        network = MobileFaceNet()
        tensors = load_file(given.weights / "model.safetensors")
        # The file leaves out the counters of batch normalisation, which play no part here.
        counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
        network.load_state_dict(tensors | counters)
        return cls(network, bool(given.options["flip"]), given.device)

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """float32 [n, 128] of uint8 112x112 RGB faces; with flip the sum with the mirror image's."""
        images = np.stack([_checked(face.pixels) for face in faces])
        with torch.inference_mode():
            pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float().div_(255)
            return self._embed(pixels).cpu().numpy()

    def gradient(
        self, images: NDArray[np.float32], direction: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Embeddings [n, 128] of RGB images in [0, 1] [n, 112, 112, 3], and d(sum(embedding * direction)) / d(images)."""
        pixels = torch.tensor(images, device=self.device, requires_grad=True)
        embedding = self._embed(pixels.permute(0, 3, 1, 2))
        (slope,) = torch.autograd.grad(embedding, pixels, torch.tensor(direction, device=self.device))
        return embedding.detach().cpu().numpy(), slope.cpu().numpy()

    def _embed(self, pixels: Tensor) -> Tensor:
        x = (pixels - self.mean) / self.std
        embedding = self.network(x)
        return embedding + self.network(x.flip(3)) if self.flip else embedding  # type: ignore[no-any-return]


def _checked(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.shape != (SIDE, SIDE, 3):
        raise ValueError(f"a face is {pixels.shape[1]}x{pixels.shape[0]}, MobileFaceNet takes {SIDE}x{SIDE}")
    return pixels

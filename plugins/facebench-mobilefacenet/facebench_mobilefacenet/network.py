"""The network layer by layer, and what facebench calls on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import relu6
from torch.nn.utils.fusion import fuse_conv_bn_eval

import bench

SIDE, DIMENSIONS = 112, 128
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Bottlenecks a stage: (expansion, channels out, how many, stride of the first).
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
# Images a pass on the CPU. With more, memory is mapped and unmapped at every layer; with fewer, torch computes 1x1
# convolutions in a slower way on one thread. Either can cost nearly half of the speed.
PASS = 16


class ConvBn(nn.Module):
    """Convolution and batch normalisation."""

    def __init__(self, inner: int, outer: int, kernel: int, **shape: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, **{"bias": False, **shape})
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return x


class Separable(nn.Module):
    """Depthwise, then pointwise convolution, each with ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.pointwise_bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise_bn(self.depthwise(x)).relu_()
        x = self.pointwise_bn(self.pointwise(x)).relu_()
        return x


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
        y: Tensor = relu6(self.expand_bn(self.expand(x)), inplace=True)
        y = relu6(self.depthwise_bn(self.depthwise(y)), inplace=True)
        y = self.project_bn(self.project(y))
        return y.add_(x) if self.adds else y


class MobileFaceNet(nn.Module):
    """The whole network: float32 [n, 3, 112, 112], normalised, to [n, 128], not normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBn(3, 64, 3, stride=2, padding=1)
        self.separable = Separable(64)
        inner = 64
        for number, (expansion, outer, count, stride) in enumerate(STAGES, 1):
            stage = nn.Sequential()
            for block in range(1, count + 1):
                stage.add_module(f"block{block}", Bottleneck(inner, outer, expansion, stride if block == 1 else 1))
                inner = outer
            self.add_module(f"stage{number}", stage)
        self.head = ConvBn(inner, 512, 1)
        self.gdconv = ConvBn(512, 512, 7, groups=512)
        self.embedding = ConvBn(512, DIMENSIONS, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.separable(relu6(self.stem(x), inplace=True))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.gdconv(relu6(self.head(x), inplace=True))
        x = self.embedding(x).flatten(1)
        return x

    def fold(self) -> MobileFaceNet:
        """Put each batch normalisation into the convolution before it, for good, and go to evaluation mode."""
        self.eval().requires_grad_(False)
        for module in list(self.modules()):
            children = dict(module.named_children())
            for name, child in children.items():
                after = "bn" if name == "conv" else f"{name}_bn"
                bn = children.get(after)
                if isinstance(child, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                    setattr(module, name, fuse_conv_bn_eval(child, bn))
                    setattr(module, after, nn.Identity())
        return self


class MobileFaceNetEmbedder:
    """An Embedder, and Differentiable: a network with its weights on a device."""

    def __init__(self, network: MobileFaceNet, flip: bool = True, device: str = "cpu") -> None:
        self.network = network.fold().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.flip, self.device = flip, torch.device(device)
        self.mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)

    @classmethod
    def load(cls, given: bench.Load) -> MobileFaceNetEmbedder:
        """Read ``model.safetensors``; raises ValueError naming tensors that are absent, unknown or misshapen."""
        if given.weights is None:
            raise ValueError("mobilefacenet was loaded without weights; it needs the folder with model.safetensors")
        torch.set_num_threads(given.threads)
        torch.backends.cudnn.allow_tf32 = False  # float32 is promised; cuDNN would round products to 10 bits
        network, file = MobileFaceNet(), given.weights / "model.safetensors"
        # The file leaves out the counters of batch normalisation, which play no part here.
        counters = {name: t for name, t in network.state_dict().items() if name.endswith("num_batches_tracked")}
        try:
            network.load_state_dict(load_file(file) | counters)
        except RuntimeError as error:
            raise ValueError(f"{file} does not hold the tensors of MobileFaceNet. {error}") from None
        return cls(network, bool(given.options.get("flip", True)), given.device)

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[np.float32]:
        """float32 [n, 128], not normalised, of uint8 112x112 RGB faces; with flip the sum with the mirror image's.

        At one n a row does not depend on its place or on the other faces, to the last bit.
        """
        for face in faces:
            _check(face.pixels.shape)
        images = np.stack([face.pixels for face in faces])
        with torch.inference_mode():
            return self._embed(torch.from_numpy(images).to(self.device).float().div_(255)).cpu().numpy()

    def gradient(
        self, images: NDArray[np.float32], direction: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Embeddings [n, 128] and d(sum(embedding * direction)) / d(images) [n, 112, 112, 3].

        ``images``: float32 [n, 112, 112, 3], RGB in [0, 1]; ``direction``: float32 [n, 128].
        """
        _check(images.shape[1:])
        pixels = torch.tensor(images, device=self.device, requires_grad=True)
        embedding = self._embed(pixels)
        (slope,) = torch.autograd.grad(embedding, pixels, torch.tensor(direction, device=self.device))
        return embedding.detach().cpu().numpy(), slope.cpu().numpy()

    def _embed(self, pixels: Tensor) -> Tensor:
        x = (pixels.permute(0, 3, 1, 2) - self.mean) / self.std
        if not self.flip:
            return self._passes(x)
        upright, mirrored = self._passes(torch.cat([x, x.flip(3)])).chunk(2)
        return upright + mirrored

    def _passes(self, x: Tensor) -> Tensor:
        """The network's rows in passes of one size, so that a row's last bits do not depend on its pass."""
        most = PASS if self.device.type == "cpu" else len(x)
        count = -(-len(x) // most)
        size = -(-len(x) // count)
        filler = x[-1:].expand(count * size - len(x), -1, -1, -1)
        rows = [self.network(part) for part in torch.cat([x, filler]).chunk(count)]
        return torch.cat(rows)[: len(x)]


def _check(shape: tuple[int, ...]) -> None:
    if shape != (SIDE, SIDE, 3):
        raise ValueError(f"MobileFaceNet takes faces of {SIDE}x{SIDE}x3, one is {'x'.join(map(str, shape))}")

"""Eigenfaces: faces as coordinates along the principal components of a training split (Turk and Pentland 1991)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import bench

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

SIDE = 112


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method of this plugin."""
    return [
        bench.Method(
            name="eigenfaces",
            tasks=frozenset({"verification", "identification"}),
            inputs=frozenset({"arcface-112"}),
            load=load,
            about="coordinates along the principal components of the training split's grey faces",
            licence="Apache-2.0",
            trained_on=("the training split of each fold",),
            cite="Turk and Pentland, Eigenfaces for Recognition, J. Cognitive Neuroscience 3(1), 1991",
            similarity="euclidean",
            options=(
                bench.Option("components", 100, "how many components are kept, from the largest variance down"),
                bench.Option(
                    "skip", 0, "how many of the largest are left out; 3 against light (Belhumeur et al. 1997)"
                ),
                bench.Option("scale", 56, "side in pixels to which a face is averaged down", (112, 56, 28)),
                bench.Option("whiten", False, "divide each coordinate by its deviation over the training split"),
            ),
            needs=("numpy",),
            trainable=True,
        )
    ]


class Eigenfaces:
    """Mean and components, fitted or restored."""

    def __init__(self, components: int, skip: int, scale: int, whiten: bool) -> None:
        self.components, self.skip, self.scale, self.whiten = components, skip, scale, whiten

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        """Fit in one step: the eigenvectors of the training faces' covariance."""
        import numpy as np

        if len(examples) <= self.skip + 1:
            raise ValueError(f"skip={self.skip} leaves nothing of {len(examples)} training faces.")
        grey = np.stack([self._grey(face) for face in examples])
        mean = grey.mean(axis=0)
        grey -= mean
        # The smaller of the two products: their eigenvalues other than zero are the same.
        tall = len(grey) > grey.shape[1]
        values, vectors = np.linalg.eigh(grey.T @ grey if tall else grey @ grey.T)
        most = min(self.components, int((values > values[-1] * 1e-9).sum()) - self.skip)
        kept = np.arange(len(values))[::-1][self.skip : self.skip + max(most, 1)]
        axes = vectors[:, kept] if tall else grey.T @ vectors[:, kept] / np.sqrt(values[kept])
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        deviation = np.sqrt(values[kept] / len(grey))
        yield bench.Snapshot(1, {"mean": mean, "axes": axes, "deviation": deviation})

    def restore(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take mean, axes and deviation."""
        self.mean, self.axes, self.deviation = weights["mean"], weights["axes"], weights["deviation"]

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, components], fewer where the training split has fewer faces."""
        import numpy as np

        grey = np.stack([self._grey(face) for face in faces]) - self.mean
        # A sum a face, as a matrix product's last bits may depend on the batch.
        found = np.stack([face @ self.axes for face in grey])
        return (found / self.deviation if self.whiten else found).astype(np.float32)

    def _grey(self, face: bench.Face) -> NDArray[Any]:
        """One face: float64 [scale * scale], Rec. 601 luma over 255, averaged over blocks."""
        import numpy as np

        luma = face.pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
        block = SIDE // self.scale
        return luma.reshape(self.scale, block, self.scale, block).mean(axis=(1, 3)).reshape(-1)


def load(given: bench.Load) -> Eigenfaces:
    """Make it, not yet fitted."""
    return Eigenfaces(**given.options)

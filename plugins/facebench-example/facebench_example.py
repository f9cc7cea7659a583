"""example: grey pictures of 16x16 pixels, compared by cosine."""

from __future__ import annotations

import bench

# Heavy imports (numpy, torch, …) go inside load() and the calls, so that `facebench list` stays fast.

SIDE = 16


@bench.hookimpl
def facebench_methods():
    """The methods of this plugin."""
    return [
        bench.Method(
            name="example",
            tasks=frozenset({"verification"}),
            inputs=frozenset({"raw", "arcface-112"}),  # one of them, if the method wants only that
            load=load,
            about="grey pictures of 16x16 pixels",  # change: what it is, in a line
            licence="Apache-2.0",  # change: of its code and weights
            trained_on=(),  # change: every data set; those taken back by their publisher in withdrawn=(…) too
            cite="none: an example",  # change: the paper
            needs=("numpy",),  # what load() and the calls import
            # weights=bench.Folder("example", {"model.safetensors": "its SHA-256"}, source="where it is handed out"),
            # options=(bench.Option("flip", True, "add the embedding of the mirror image"),),
        )
    ]


def load(given):
    """Make the method: given.weights, given.device, given.threads, given.seed, given.options."""
    return Embedder()


class Embedder:
    """Turns faces into vectors."""

    def embed(self, faces):
        """float32 [n, 256]: row i answers faces[i]; a row of NaN says that no face was found."""
        import numpy as np

        return np.stack([self.vector(face.pixels) for face in faces]).astype(np.float32)

    def vector(self, pixels):
        """One face's vector; pixels is uint8 [height, width, 3], RGB, read-only. Change this."""
        import numpy as np

        rows, columns = (np.linspace(0, side - 1, SIDE).round().astype(int) for side in pixels.shape[:2])
        grey = pixels[rows][:, columns].mean(axis=2).ravel()
        if grey.min() == grey.max():  # nothing to see: a failure is NaN and no exception
            return np.full(SIDE * SIDE, np.nan)
        return grey - grey.mean()

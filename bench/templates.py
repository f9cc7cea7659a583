"""What `facebench new method` writes into a module: a card, and a small method that works, a task each."""

from __future__ import annotations

from dataclasses import dataclass

MODULE = '''\
"""@NAME@: @ABOUT@."""

from __future__ import annotations

import bench

# Heavy imports (numpy, torch, …) go inside load() and the calls, so that `facebench list` stays fast.
@CONSTANTS@

@bench.hookimpl
def facebench_methods():
    """The methods of this plugin."""
    return [
        bench.Method(
            name="@NAME@",
            tasks=frozenset({"@TASK@"}),
            inputs=frozenset({@INPUTS@}),@CHOICE@
            load=load,
            about="@SHORT@",  # change: what it is, in a line
            licence="Apache-2.0",  # change: of its code and weights
            trained_on=(),  # change: every data set; those taken back by their publisher in withdrawn=(…) too
            cite="none: an example",  # change: the paper
            needs=("numpy",),  # what load() and the calls import
            # weights=bench.Folder("@NAME@", {"model.safetensors": "its SHA-256"}, source="where it is handed out"),
            # options=(bench.Option("@OPTION@),),
        )
    ]


def load(given):
    """Make the method: given.weights, given.device, given.threads, given.seed, given.options."""
    return @CLASS@


'''

EMBEDDER = '''\
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
'''

FACE_CLASSIFIER = '''\
class Classifier:
    """Says of each face which of some named expressions it shows."""

    def classify(self, faces, labels):
        """float32 [n, k]: how much faces[i] is of labels[j], in their order; a row of NaN is a failure."""
        import numpy as np

        known = [KNOWN.get(label, 0) for label in labels]  # by name: a protocol chooses labels and their order
        return np.stack([self.scores(face.pixels, np.array(known)) for face in faces]).astype(np.float32)

    def scores(self, pixels, known):
        """One face's scores; pixels is uint8 [height, width, 3], RGB, read-only. Change this."""
        import numpy as np

        if pixels.min() == pixels.max():  # nothing to see: a failure is NaN and no exception
            return np.full(len(known), np.nan)
        return -np.abs(pixels.mean() - known)
'''

CLIP_CLASSIFIER = '''\
class Classifier:
    """Says of each clip which of some named emotions it shows."""

    def classify(self, clips, labels):
        """float32 [n, k]: how much clips[i] is of labels[j], in their order; a row of NaN is a failure."""
        import numpy as np

        known = [KNOWN.get(label, 0) for label in labels]  # by name: a protocol chooses labels and their order
        return np.stack([self.scores(clip.frames, np.array(known)) for clip in clips]).astype(np.float32)

    def scores(self, frames, known):
        """One clip's scores; frames is uint8 [n, height, width, 3], RGB, read-only. Change this."""
        import numpy as np

        if frames.min() == frames.max():  # nothing to see: a failure is NaN and no exception
            return np.full(len(known), np.nan)
        moved = np.abs(frames[-1].astype(np.float64) - frames[0]).mean()
        return -np.abs(moved - known)
'''

SPOTTER = '''\
class Spotter:
    """Finds expressions in a long clip."""

    def spot(self, clip):
        """Intervals, each [onset, apex, offset, emotion], in frames from 0, both ends included; None is a failure."""
        import numpy as np

        grey = clip.frames.mean(axis=(2, 3))[:, 1]  # change: green of each frame stands for a face's movement
        if len(grey) < 2 or grey.min() == grey.max():  # nothing moves
            return []
        moved = np.abs(np.diff(grey))
        apex = int(moved.argmax())
        half = round(clip.fps / 4)
        return [[max(apex - half, 0), apex, min(apex + half, len(grey) - 1), ""]]
'''

INVERTER = '''\
class Inverter:
    """Makes images that the oracle's embedder takes for its targets."""

    def __init__(self, seed):
        self.seed = seed

    def invert(self, oracle):
        """Yield float32 [targets, height, width, 3], RGB in [0, 1]: what it has; the last one is the answer."""
        import numpy as np

        generator, every = np.random.default_rng(self.seed), np.arange(oracle.targets)
        kept = np.full((oracle.targets, oracle.height, oracle.width, 3), 0.5, np.float32)
        best = np.full(oracle.targets, -np.inf)
        while True:  # the oracle ends it: BudgetSpent is let through
            colours = generator.uniform(0, 1, (oracle.targets, 1, 1, 3)).astype(np.float32)
            images = np.broadcast_to(colours, kept.shape)  # change: what is tried next
            scores = oracle.similarity(images, every)  # a query of each target
            better = scores > best
            best, kept = np.where(better, scores, best), np.where(better[:, None, None, None], images, kept)
            yield kept
'''


@dataclass(frozen=True, slots=True)
class Template:
    """A method's text, and what card and README say of it.

    ``about``: in full; ``short``: on the card; ``made``: how ``load`` makes it; ``option``: an option one might have.
    """

    body: str
    about: str
    short: str
    inputs: str
    told: str
    made: str
    option: str
    constants: str = ""
    choice: str = ""

    @property
    def module(self) -> str:
        """The module, its @NAME@ and @TASK@ still to be filled in."""
        constants = f"\n{self.constants}\n" if self.constants else ""
        filled = MODULE.replace("@ABOUT@", self.about).replace("@SHORT@", self.short).replace("@CLASS@", self.made)
        filled = filled.replace("@INPUTS@", self.inputs).replace("@CHOICE@", self.choice)
        return filled.replace("@CONSTANTS@", constants).replace("@OPTION@", self.option) + self.body


EITHER = '"raw", "arcface-112"'
CHOOSE = "  # one of them, if the method wants only that"
GREY = 'KNOWN = {"neutral": 90, "happiness": 130, "sadness": 70, "surprise": 110}  # change: a network\'s outputs'
MOVED = 'KNOWN = {"negative": 2, "positive": 5, "surprise": 9}  # change: a network\'s outputs'
_EMBEDDER = Template(
    EMBEDDER,
    "grey pictures of 16x16 pixels, compared by cosine",
    "grey pictures of 16x16 pixels",
    EITHER,
    "pictures of any size",
    "Embedder()",
    'flip", True, "add the embedding of the mirror image"',
    "SIDE = 16",
    CHOOSE,
)
TEMPLATES = {
    "verification": _EMBEDDER,
    "identification": _EMBEDDER,
    "expression": Template(
        FACE_CLASSIFIER,
        "expressions by how bright a picture is",
        "expressions by how bright a picture is",
        EITHER,
        "pictures of any size",
        "Classifier()",
        'flip", True, "add the scores of the mirror image"',
        GREY,
        CHOOSE,
    ),
    "micro_expression": Template(
        CLIP_CLASSIFIER,
        "emotions by how much the last frame differs from the first",
        "emotions by how much a clip's last frame differs from its first",
        '"clip"',
        "clips of any size",
        "Classifier()",
        'frames", 16, "frames that are looked at"',
        MOVED,
    ),
    "spotting": Template(
        SPOTTER,
        "one interval where a clip's brightness changes most",
        "one interval where a clip's brightness changes most",
        '"clip"',
        "clips of any size",
        "Spotter()",
        'threshold", 0.5, "how large a change counts"',
    ),
    "inversion": Template(
        INVERTER,
        "images of one colour, drawn, of which the most alike is kept",
        "images of one colour, drawn, of which the most alike is kept",
        '"arcface-112"',
        "of the targets: aligned faces of 112x112",
        "Inverter(given.seed)",
        'rate", 0.1, "how far a step goes"',
    ),
}

"""An ONNX file run on the CPU, and what facebench calls on it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import bench
from facebench_onnx.cards import Card

FLOAT = "tensor(float)"
OUTSIDE = "session.model_external_initializers_file_folder_path"


class OnnxEmbedder:
    """An Embedder: a session, and the card by which pictures are prepared for it."""

    def __init__(self, session: Any, card: Card, flip: str, label: str) -> None:
        self.session, self.card, self.flip, self.label = session, card, flip, label
        self.mean, self.std = np.array(card.mean, np.float32), np.array(card.std, np.float32)
        self.input, self.batch = self._input()
        self.output = self._output()
        self._try()

    @classmethod
    def load(cls, card: Card, given: bench.Load) -> OnnxEmbedder:
        """Open the card's model; raises ValueError where it is not what the card declares."""
        model = card.file.rpartition("/")[2]
        if given.weights is None:
            raise ValueError(f"{card.name} was loaded without weights; it needs the folder with {model}")
        if given.device != "cpu":
            raise ValueError(f"{card.name} runs on the device cpu; {given.device} was given")
        session = _session(given.weights / model, given.threads)
        return cls(session, card, str(given.options.get("flip", card.flip)), model)

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[np.float32]:
        """float32 [n, d], not normalised, of uint8 RGB faces; with flip=sum the sum with the mirror image's."""
        side = self.card.size
        for face in faces:
            if face.pixels.shape != (side, side, 3):
                found = "x".join(map(str, face.pixels.shape))
                raise ValueError(f"{self.card.name} takes faces of {side}x{side}x3, one is {found}")
        images = np.stack([face.pixels for face in faces])
        rows = self._passes(self._prepared(images))
        if self.flip == "sum":
            rows = rows + self._passes(self._prepared(images[:, :, ::-1]))
        return rows

    def _prepared(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(x - mean) / std in float32, channels and axes in the card's order."""
        if self.card.channels == "BGR":
            images = images[..., ::-1]
        x = (images.astype(np.float32) - self.mean) / self.std
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if self.card.layout == "NCHW" else x)

    def _passes(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows in passes of the model's own batch size, the last one filled up; in one pass where it takes any."""
        size = self.batch or len(x)
        rows = []
        for start in range(0, len(x), size):
            part = x[start : start + size]
            filler = np.repeat(part[-1:], size - len(part), axis=0)
            rows.append(self._run(np.concatenate([part, filler]))[: len(part)])
        return np.concatenate(rows)

    def _run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        (found,) = self.session.run([self.output], {self.input: x})
        if found.ndim < 2 or len(found) != len(x) or not found.size:
            raise ValueError(
                f"{self.label}: output {self.output!r} has the shape {_shape(found.shape)} for {len(x)} images; "
                f"one row an image is needed"
            )
        return np.ascontiguousarray(found.reshape(len(x), -1))

    def _input(self) -> tuple[str, int]:
        """The one input's name and its fixed batch size, 0 where it takes any."""
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            raise ValueError(f"{self.label}: it has {len(inputs)} inputs, {_names(inputs)}; one image input is needed")
        (given,) = inputs
        side = self.card.size
        wanted = (3, side, side) if self.card.layout == "NCHW" else (side, side, 3)
        if given.type != FLOAT:
            raise ValueError(f"{self.label}: input {given.name!r} is a {given.type}; {FLOAT} is needed")
        declared = [size if isinstance(size, int) else 0 for size in given.shape]  # 0: any
        fits = len(declared) == 4 and all(size in (0, want) for size, want in zip(declared[1:], wanted, strict=True))
        if not fits:
            raise ValueError(
                f"{self.label}: input {given.name!r} has the shape {_shape(given.shape)}; the card's size {side} and "
                f"layout {self.card.layout} ask for nx{_shape(wanted)}"
            )
        return given.name, declared[0]

    def _output(self) -> str:
        outputs = self.session.get_outputs()
        name = self.card.output or outputs[0].name
        chosen = [output for output in outputs if output.name == name]
        if not chosen:
            raise ValueError(f"{self.label}: it has no output {name!r}; it has {_names(outputs)}")
        if chosen[0].type != FLOAT:
            raise ValueError(f"{self.label}: output {name!r} is a {chosen[0].type}; {FLOAT} is needed")
        return str(name)

    def _try(self) -> None:
        """Two black pictures, so that a model that does not fit its card fails when it is loaded."""
        side = self.card.size
        try:
            self._passes(self._prepared(np.zeros((2, side, side, 3), np.uint8)))
        except ValueError:
            raise
        except Exception as error:  # onnxruntime's own have no common base
            raise ValueError(f"{self.label}: it does not take two pictures of {side}x{side}: {_first(error)}") from None


def _session(file: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    # The card's SHA-256 is that of one file, so a model may name no other: they are looked for in an empty folder.
    with tempfile.TemporaryDirectory(prefix="facebench-onnx-") as empty:
        options.add_session_config_entry(OUTSIDE, empty)
        try:
            return onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own have no common base
            if "xternal data" in str(error):
                raise ValueError(f"{file.name}: its weights lie in other files; they must be in the one file") from None
            raise ValueError(f"{file.name}: onnxruntime does not open it: {_first(error)}") from None


def _first(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def _names(values: Sequence[Any]) -> str:
    return ", ".join(repr(value.name) for value in values)


def _shape(sizes: Sequence[Any]) -> str:
    return "x".join(map(str, sizes))

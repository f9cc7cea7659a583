"""An Answerer over a native vision-language model: greedy answers, and log-likelihoods of options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image

import bench
from bench.records import Face, Question
from facebench_vlm.card import Card, most_tokens
from facebench_vlm.files import sealed
from facebench_vlm.loading import config_of, network_of, processor_of
from facebench_vlm.prompts import Format, Template, end_of_turn, tokens_after
from facebench_vlm.scoring import full, shared

NEAR = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.1}  # what one option's two passes may lie apart, or its share
TRIED = Question("tried", "In a single word, what is shown?", (), None)


def load_answerer(card: Card | None, given: bench.Load) -> Answerer:
    """The model in ``given.weights``, ready to be asked; raises ValueError where it is not as it must be."""
    name = card.name if card else str(given.options.get("model", "")).partition("@")[0] or "vlm"
    if given.weights is None:
        raise ValueError(f"{name} was loaded without weights")
    options = {"dtype": "float32", "device_map": "none", "padding": "left", "prefix": "shared", "max_new_tokens": 16}
    options |= given.options
    try:
        most_tokens(options["max_new_tokens"])
    except ValueError as error:
        raise ValueError(f"{name}: max_new_tokens: {error}") from None
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with sealed(given.weights, card.files if card else ()) as folder:
        config = config_of(folder, name)
        processor = processor_of(folder, name, config, dict(card.images) if card else {})
        network = network_of(folder, name, options["dtype"], given.device, options["device_map"])
    way = _way(processor, card, name)
    return Answerer(name, network, processor, way, options)


def _way(processor: Any, card: Card | None, name: str) -> Template | Format:
    """How it is asked; raises ValueError where neither the repository nor the card says, or no picture is shown."""
    if card is not None and card.prompt_format:
        way: Template | Format = Format(card.prompt_format, card.image_text, card.end_of_turn)
    else:
        template = processor.chat_template or processor.tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            do = "write a card with prompt_format and image_text (README of facebench-vlm)"
            raise ValueError(f"{name}: it has no chat template, so how it was trained to be asked is not known; {do}")
        way = Template(processor.tokenizer, template)
    try:
        bare, seen = way.render(TRIED), way.render(_about(TRIED))
    except Exception as error:  # a template is a program of its author's: whatever it raises is its refusal
        raise ValueError(f"{name}: its chat template does not take a question: {str(error)[:200]}") from None
    if bare == seen:
        raise ValueError(f"{name}: its chat template has no place for a picture; declare a prompt_format in a card")
    if TRIED.text not in seen:
        raise ValueError(f"{name}: its chat template leaves the question out; declare a prompt_format in a card")
    return way


def _about(question: Question) -> Question:
    grey = Face("grey", np.full((48, 48, 3), 127, np.uint8))
    return Question(question.key, question.text, question.options, grey)


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions made ready: ``places`` are those of the questions asked; ``prompts`` their texts."""

    places: list[int]
    prompts: list[str]
    inputs: dict[str, torch.Tensor]


class Answerer:
    """One loaded model, asked as bench.contracts.Answerer says."""

    def __init__(
        self, name: str, network: Any, processor: Any, way: Template | Format, options: dict[str, Any]
    ) -> None:
        self.name, self.network, self.processor, self.way, self.options = name, network, processor, way, options
        self.tokenizer = processor.tokenizer
        stops = network.generation_config.eos_token_id
        ends = set(stops if isinstance(stops, list) else [] if stops is None else [stops])
        ends |= {self.tokenizer.eos_token_id} - {None}
        try:
            self.end = end_of_turn(self.tokenizer, way, _about(TRIED), ends)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        # Only what is greedy: a repository's penalties and sampling would make it another quantity, and those that the
        # model holds would be added to any that a call is given.
        pad, stops = self.tokenizer.pad_token_id, sorted(ends | {self.end[1]})
        how = {"do_sample": False, "num_beams": 1, "max_new_tokens": int(options["max_new_tokens"])}
        network.generation_config = transformers.GenerationConfig(**how, eos_token_id=stops, pad_token_id=pad)
        self.agreed = options["prefix"] == "full"  # whether a shared prefix was compared with a whole pass
        limit = getattr(network.config.get_text_config(), "max_position_embeddings", None)
        self.limit = limit if isinstance(limit, int) else 1 << 30
        self._try()

    def answer(self, questions: Sequence[Question]) -> list[str | None]:
        """The greedy continuation of each, special tokens left out; None where the processor refuses a picture."""
        said: list[str | None] = [None] * len(questions)
        for batch in self._batches(questions, "left"):
            self._check_length(batch, int(self.options["max_new_tokens"]))
            with torch.inference_mode():
                ids = self.network.generate(**batch.inputs)
            for place, row in zip(batch.places, ids[:, batch.inputs["input_ids"].shape[1] :], strict=True):
                told = self.tokenizer.decode(row, skip_special_tokens=True, clean_up_tokenization_spaces=False)
                said[place] = str(told)
        return said

    def loglik(self, questions: Sequence[Question], options: Sequence[str]) -> dict[str, Any]:
        """Log-likelihoods of options and the end of turn, their tokens, and how they follow the prompt.

        Raises ValueError where the prompt's end is not kept by the tokenizer or the processor.
        """
        size = (len(questions), len(options))
        sums, counts, joints = np.full(size, np.nan), np.zeros(size, np.int64), {"direct"}
        batches = list(self._batches(questions, str(self.options["padding"])))
        if batches:
            prompts = [prompt for batch in batches for prompt in batch.prompts]
            joint, found = tokens_after(self.tokenizer, prompts, options, self.end)
            joints, tails = {joint}, iter(found)
        for batch in batches:
            own = [next(tails) for _ in batch.places]
            self._check_length(batch, max(len(tail) for of_one in own for tail in of_one))
            self._check_ends(batch)
            with torch.inference_mode():
                sums[batch.places] = self._scored(questions, batch, own)
            counts[batch.places] = [[len(tail) for tail in of_one] for of_one in own]
        return {"sums": sums, "tokens": counts, "joint": joints.pop()}

    def _scored(self, questions: Sequence[Question], batch: Batch, tails: list[list[list[int]]]) -> NDArray[np.float64]:
        if self.options["prefix"] == "full":
            return np.stack([self._full(questions[place], of) for place, of in zip(batch.places, tails, strict=True)])
        sums = shared(self.network, batch.inputs, tails, int(self.tokenizer.pad_token_id))
        if not self.agreed:
            self._compare(questions[batch.places[0]], tails[0], sums[0])
        return sums

    def _compare(self, question: Question, tails: list[list[int]], sums: NDArray[np.float64]) -> None:
        """The longest option of the first question by a pass of its own: not every cache can be gone on with."""
        longest = max(range(len(tails)), key=lambda place: len(tails[place]))
        told, near = float(self._full(question, [tails[longest]])[0]), NEAR[str(self.options["dtype"])]
        if not abs(told - sums[longest]) <= near * max(1.0, abs(told)):
            found = f"an option has {sums[longest]:.4f} on the prompt's cached pass and {told:.4f} by a pass of its own"
            raise ValueError(
                f"{self.name}: {found}, so its cache cannot be shared; ask with prefix=full, which is slower"
            )
        self.agreed = True

    def _full(self, question: Question, tails: list[list[int]]) -> NDArray[np.float64]:
        (batch,) = self._batches([question], "left")
        return full(self.network, batch.inputs, tails)

    def _batches(self, questions: Sequence[Question], side: str) -> list[Batch]:
        """The questions with a picture, and those without, each made ready; what is refused is told and left out."""
        made = []
        for seen in (True, False):
            places = [place for place, question in enumerate(questions) if (question.face is not None) == seen]
            if not places:
                continue
            try:
                made.append(self._made(questions, places, side))
            except (ValueError, RuntimeError, IndexError, ZeroDivisionError, OverflowError) as error:
                if not seen:
                    raise
                kept = [place for place in places if self._taken(questions[place])]
                if len(kept) == len(places):
                    raise
                print(f"{self.name}: {len(places) - len(kept)} pictures were refused: {error}")
                made += [self._made(questions, kept, side)] if kept else []
        return made

    def _taken(self, question: Question) -> bool:
        try:
            self._made([question], [0], "left")
        except (ValueError, RuntimeError, IndexError, ZeroDivisionError, OverflowError) as error:
            height, width = question.face.pixels.shape[:2] if question.face is not None else (0, 0)
            print(f"{self.name}: a picture of {width}x{height} is not taken: {str(error)[:200]}")
            return False
        return True

    def _made(self, questions: Sequence[Question], places: list[int], side: str) -> Batch:
        asked = [questions[place] for place in places]
        prompts = [self.way.render(question) for question in asked]
        images = [[_picture(question.face)] for question in asked if question.face is not None]
        more: dict[str, Any] = {"images": images} if images else {}
        bos = self.tokenizer.bos_token
        if bos and all(prompt.startswith(bos) for prompt in prompts):
            more["add_special_tokens"] = False
        inputs = self.processor(text=prompts, padding=True, padding_side=side, return_tensors="pt", **more)
        device, dtype = self.network.device, self.network.dtype
        moved = {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor)
        }
        return Batch(places, prompts, moved)

    def _check_length(self, batch: Batch, more: int) -> None:
        length = batch.inputs["input_ids"].shape[1] + more
        if length > self.limit:
            raise ValueError(f"{self.name}: prompt and answer are {length} tokens, its model takes {self.limit}")

    def _check_ends(self, batch: Batch) -> None:
        """The prompt as the processor has it must end as it was rendered, since options were cut from that."""
        ids = self.tokenizer(batch.prompts, add_special_tokens=False)["input_ids"]
        rows, masks = batch.inputs["input_ids"].tolist(), batch.inputs["attention_mask"].bool().tolist()
        for row, mask, own in zip(rows, masks, ids, strict=True):
            asked = [token for token, there in zip(row, mask, strict=True) if there]
            if asked[-4:] != own[-4:]:
                raise ValueError(f"{self.name}: its processor changes the prompt's end, so options cannot be scored")

    def _try(self) -> None:
        """A grey picture made ready, so that what does not fit is refused when it is loaded."""
        try:
            with_it, without = (self._made([one], [0], "left").inputs for one in (_about(TRIED), TRIED))
        except (ValueError, RuntimeError, TypeError, AttributeError, KeyError, IndexError) as error:
            text = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"{self.name}: its processor does not take a picture and a question: {text[:300]}"
            ) from None
        if not set(with_it) - set(without):
            raise ValueError(f"{self.name}: its processor makes nothing of the picture, so the model would not see it")


def _picture(face: Face) -> Image.Image:
    pixels = face.pixels
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        found = f"{pixels.dtype} {list(pixels.shape)}"
        raise ValueError(
            f"a picture is {found}; it must be uint8 [height, width, 3], of grey ones three equal channels"
        )
    return Image.fromarray(pixels)

"""How a question becomes the text that a model was trained on, and an option the tokens that follow it.

The rule by which an option follows the prompt: directly where the rendered prompt ends in white space or in a token
that its tokenizer adds to its vocabulary (as ``<|im_end|>``), since then the answer starts there; after one space
else. Prompt, option and end of turn are then tokenised as one text and cut where the prompt's own tokens end. Where
those are not how it begins, the other way is taken, for all of a call; where neither fits, it is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.records import Question

DIRECT, SPACE = "direct", "space"
MARK = "facebench"  # an answer whose end is looked for in a rendered turn
IMAGE, QUESTION = "{image}", "{question}"


@dataclass(frozen=True, slots=True)
class Format:
    """A declared prompt in the place of a chat template: ``text`` with {question} and {image} once.

    ``image``: what stands for {image} where there is a picture; ``end_of_turn``: what follows an answer, "" for the
    tokenizer's end of sequence.
    """

    text: str
    image: str
    end_of_turn: str = ""

    def render(self, question: Question) -> str:
        """The prompt, an empty text in the picture's place where there is none."""
        before, _, after = self.text.partition(QUESTION)
        image = self.image if question.face is not None else ""
        return before.replace(IMAGE, image) + question.text + after.replace(IMAGE, image)


@dataclass(frozen=True, slots=True)
class Template:
    """A chat template; a question is one user turn, its picture before its text."""

    tokenizer: Any
    template: str
    end_of_turn: str = ""

    def render(self, question: Question) -> str:
        """The prompt, ending where the model's turn begins."""
        return self._rendered([_user(question)], add_generation_prompt=True)

    def tails(self, question: Question) -> Iterator[str]:
        """What follows an answer in the model's turn, the answer given as parts and as text, as templates want it."""
        parts: list[Any] = [[{"type": "text", "text": MARK}], MARK]
        for content in parts:
            with contextlib.suppress(Exception):  # a template is a program of its author's, and may want the other form
                yield self._rendered([_user(question), {"role": "assistant", "content": content}]).rpartition(MARK)[2]

    def _rendered(self, messages: list[dict[str, Any]], **more: bool) -> str:
        text: str = self.tokenizer.apply_chat_template(messages, chat_template=self.template, tokenize=False, **more)
        return text


def _user(question: Question) -> dict[str, Any]:
    image = [] if question.face is None else [{"type": "image"}]
    return {"role": "user", "content": [*image, {"type": "text", "text": question.text}]}


def end_of_turn(tokenizer: Any, way: Template | Format, question: Question, ends: Collection[int]) -> tuple[str, int]:
    """The token that ends the model's turn, as text and number; ``ends``: those at which generation stops.

    It is the first token that the template puts after an answer, if generation stops there; else the tokenizer's end of
    sequence. Raises ValueError where there is none.
    """
    text = way.end_of_turn
    if isinstance(way, Template):
        for tail in way.tails(question):
            after = tokenizer(tail, add_special_tokens=False)["input_ids"][:1]
            text = text or (tokenizer.convert_ids_to_tokens(after[0]) if after and after[0] in ends else "")
    text = text or tokenizer.eos_token or ""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    if len(ids) != 1:
        found = f"{text!r} is {len(ids)} tokens" if text else "its tokenizer has no end of sequence"
        raise ValueError(
            f"what ends its turn is not known: {found}; declare end_of_turn beside prompt_format in a card"
        )
    return text, int(ids[0])


def tokens_after(
    tokenizer: Any, prompts: Sequence[str], options: Sequence[str], end: tuple[str, int]
) -> tuple[str, list[list[list[int]]]]:
    """How options follow prompts ("direct" or "space"), and the tokens of each after each: [prompt][option][token].

    Raises ValueError where prompts do not stay what they are under any of the two.
    """
    added = tuple({token.content for token in tokenizer.added_tokens_decoder.values()})
    direct = all(prompt[-1:].isspace() or prompt.endswith(added) for prompt in prompts)
    for joint in (DIRECT, SPACE) if direct else (SPACE, DIRECT):
        between = "" if joint == DIRECT else " "
        if (found := _cut(tokenizer, prompts, [between + option + end[0] for option in options], end[1])) is not None:
            return joint, found
    do = "its tokenizer merges the prompt's end with an answer; declare a prompt_format that ends in a token of its own"
    raise ValueError(f"options cannot be scored: {do}")


def _cut(tokenizer: Any, prompts: Sequence[str], rests: Sequence[str], end: int) -> list[list[list[int]]] | None:
    """Tokens of each rest after each prompt, or None where a prompt's own tokens are not how the joint text begins."""
    unique = list(dict.fromkeys(prompts))
    texts = [text for prompt in unique for text in (prompt, *(prompt + rest for rest in rests))]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    found, step = {}, len(rests) + 1
    for place, prompt in enumerate(unique):
        own, *joined = ids[place * step : (place + 1) * step]
        if any(row[: len(own)] != own or row[-1] != end or len(row) < len(own) + 2 for row in joined):
            return None
        found[prompt] = [row[len(own) :] for row in joined]
    return [found[prompt] for prompt in prompts]

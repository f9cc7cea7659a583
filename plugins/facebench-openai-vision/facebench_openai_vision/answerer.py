"""An Answerer that asks a server: greedy answers, and log-likelihoods where it gives those of a prompt's tokens.

Log-likelihoods come from ``prompt_logprobs``, which vLLM has: the finished conversation is sent as a prompt, once with
each option as the model's turn, and its tokens behind those of the question are the option's and the end of turn. Lists
of likeliest next tokens (``top_logprobs``) are not used: an option that is none of the likeliest, or has several
tokens, has no exact figure in them, nor has the end of turn.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from PIL import Image

import bench
from bench.answering import MOST_CHARACTERS
from bench.records import Face, Question
from facebench_openai_vision import URL
from facebench_openai_vision.client import Client, Gone, Pace, Refused
from facebench_openai_vision.server import check_model, identify

T = TypeVar("T")
MOST_TOKENS = 4096
LACKS = (
    "the server gives no log-probabilities of the prompt's tokens (prompt_logprobs), so those of whole options are not "
    "known; serve the model with vLLM, load it with facebench-vlm, or ask with answer=generate"
)
Row = tuple[list[float], list[int], str]  # of a question: sums, tokens, how the options follow


def load_answerer(given: bench.Load) -> Answerer:
    """Ready to ask; raises ValueError for settings that cannot be."""
    options = {"choice": "off", "max_tokens": 16, "server": "", **given.options}
    most = options["max_tokens"]
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_TOKENS:
        raise ValueError(f"max_tokens is {most!r}; it is from 1 to {MOST_TOKENS}")
    client = Client(os.environ.get(URL, ""), Pace.read(os.environ))
    return Answerer(client, options, given.seed)


class Answerer:
    """One model of one server, asked as bench.contracts.Answerer says."""

    def __init__(self, client: Client, options: dict[str, Any], seed: int) -> None:
        self.client, self.options, self.seed = client, options, seed
        self._met, self._lock = False, threading.Lock()

    def answer(self, questions: Sequence[Question]) -> list[str | None]:
        """The text of each answer at temperature 0; None where the server refuses a question."""
        return self._each(questions, self._answered)

    def loglik(self, questions: Sequence[Question], options: Sequence[str]) -> dict[str, Any]:
        """Log-likelihoods of options with the end of turn, from the server's log-probabilities of prompts.

        Raises NotImplementedError where the server does not give them, or they are not exactly those of the options.
        """
        rows = self._each(questions, lambda question: self._scored(question, options))
        size = (len(questions), len(options))
        sums, tokens = np.full(size, math.nan), np.zeros(size, np.int64)
        joints = {row[2] for row in rows if row is not None} or {"direct"}
        if len(joints) > 1:
            raise NotImplementedError("options follow some prompts directly and others after a space on this server")
        for place, row in enumerate(rows):
            if row is not None:
                sums[place], tokens[place] = row[0], row[1]
        return {"sums": sums, "tokens": tokens, "joint": joints.pop()}

    def _each(self, questions: Sequence[Question], ask: Callable[[Question], T]) -> list[T | None]:
        """What ``ask`` gives for each question, None where it was refused; a question that repeats is asked once."""
        self._meet()
        unique = {_same(question): question for question in questions}
        with ThreadPoolExecutor(self.client.pace.concurrency) as pool:
            waiting = {key: pool.submit(self._tried, ask, question) for key, question in unique.items()}
        return [waiting[_same(question)].result() for question in questions]

    def _tried(self, ask: Callable[[Question], T], question: Question) -> T | None:
        try:
            return ask(question)
        except Refused as error:
            print(f"{question.key} was refused: {error}")
            return None

    def _meet(self) -> None:
        """Once: note who serves, and check that it is what the options say."""
        with self._lock:
            if self._met:
                return
            found, wanted = identify(self.client), str(self.options["server"])
            print(f"{self.client.url} is {found}; {check_model(self.client, str(self.options['model']))}")
            if wanted and found != wanted:
                raise Gone(f"The server is {found}, and server={wanted} was asked for.")
            if not wanted:
                print(f"to have that in the result, ask with server={found}")
            self._met = True

    def _body(self, messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        fixed = {"temperature": 0, "top_p": 1, "n": 1, "seed": self.seed, "stream": False}
        return {"model": str(self.options["model"]), "messages": messages, **fixed, **more}

    def _answered(self, question: Question) -> str | None:
        how = _held(str(self.options["choice"]), list(question.options))
        body = self._body([_user(question)], max_tokens=self.options["max_tokens"], **how)
        message = _message(self.client.post("/chat/completions", body))
        text = message.get("content") or message.get("refusal")
        if not isinstance(text, str):
            text = "" if message.get("content") == "" else None
        if text is not None and len(text) > MOST_CHARACTERS:
            print(f"{question.key}: an answer of {len(text):,} characters is left out")
            return None
        return _chosen(text) if "response_format" in how and text is not None else text

    def _scored(self, question: Question, options: Sequence[str]) -> Row:
        prompt = self._prompt([_user(question)], add_generation_prompt=True)
        sums, counts, found = [], [], set()
        for option in options:
            turn = {"role": "assistant", "content": option}
            whole = self._prompt([_user(question), turn], add_generation_prompt=False)
            total, count, end, joint = _cut(prompt, whole, option)
            sums.append(total)
            counts.append(count)
            found.add((end, joint))
        if len(found) != 1:
            raise NotImplementedError(
                f"options end in different tokens, or follow differently, on this server: {found}"
            )
        return sums, counts, found.pop()[1]

    def _prompt(self, messages: list[dict[str, Any]], add_generation_prompt: bool) -> list[tuple[str, float, str]]:
        """The prompt's tokens as the server has them: number, log-probability (NaN of the first), text."""
        how = {"add_generation_prompt": add_generation_prompt, "continue_final_message": False, "max_tokens": 1}
        told = self.client.post("/chat/completions", self._body(messages, prompt_logprobs=0, **how))
        rows = told.get("prompt_logprobs")
        if not isinstance(rows, list) or not rows:
            raise NotImplementedError(LACKS)
        tokens = []
        for row in rows:
            if row is None:
                tokens.append(("", math.nan, ""))
                continue
            if not isinstance(row, dict) or len(row) != 1:
                raise NotImplementedError("the server's prompt_logprobs do not hold one token a place, as 0 asks for")
            ((number, value),) = row.items()
            logprob, text = (value.get("logprob"), value.get("decoded_token")) if isinstance(value, dict) else (0, None)
            if not isinstance(logprob, (int, float)) or not isinstance(text, str) or not logprob <= 1e-4:
                raise NotImplementedError("the server's prompt_logprobs lack logprob or decoded_token")
            tokens.append((number, float(logprob), text))
        return tokens


def _cut(
    prompt: list[tuple[str, float, str]], whole: list[tuple[str, float, str]], option: str
) -> tuple[float, int, str, str]:
    """Sum and count of the tokens of an option and its end of turn, which token that is, and how the option follows.

    Raises NotImplementedError where the question's tokens are not how the whole begins, or what follows is not the
    option and one more token.
    """
    if [token[0] for token in whole[: len(prompt)]] != [token[0] for token in prompt]:
        do = "its template changes the question when it is answered; ask with answer=generate"
        raise NotImplementedError(f"the question's tokens are not how the answered conversation begins: {do}")
    text = ""
    for place in range(len(prompt), len(whole) - 1):
        text += whole[place][2]
        if text in (option, f" {option}"):
            tail = whole[len(prompt) : place + 2]
            return sum(token[1] for token in tail), len(tail), tail[-1][0], "direct" if text == option else "space"
    found = "".join(token[2] for token in whole[len(prompt) : len(prompt) + 8])
    raise NotImplementedError(
        f"after the question's tokens there is {found[:100]!r}, not {option!r} and an end of turn"
    )


def _user(question: Question) -> dict[str, Any]:
    """One user turn, the picture, where there is one, as a PNG in a data URL before the text."""
    text = {"type": "text", "text": question.text}
    if question.face is None:
        return {"role": "user", "content": [text]}
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": _data_url(question.face)}}, text]}


def _data_url(face: Face) -> str:
    if face.pixels.ndim != 3 or face.pixels.shape[2] != 3 or face.pixels.dtype != np.uint8:
        raise Refused(f"a picture is {face.pixels.dtype} {list(face.pixels.shape)}, not uint8 [height, width, 3]")
    written = io.BytesIO()
    Image.fromarray(face.pixels).save(written, "PNG")
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"


def _held(choice: str, options: list[str]) -> dict[str, Any]:
    """What holds a server to the options, in its own words; nothing where none are offered."""
    if choice == "off" or not options:
        return {}
    if choice == "guided_choice":
        return {"guided_choice": options}
    if choice == "structured_outputs":
        return {"structured_outputs": {"choice": options}}
    answer = {"type": "string", "enum": options}
    schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"], "additionalProperties": False}
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    }


def _chosen(text: str) -> str:
    """The answer in an object of the schema; what is none stays as it is, for the core to read or not."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value["answer"] if isinstance(value, dict) and isinstance(value.get("answer"), str) else text


def _message(told: dict[str, Any]) -> dict[str, Any]:
    choices = told.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        raise Gone("The server's answer holds no message (choices[0].message): is it OpenAI-compatible?")
    return message


def _same(question: Question) -> str:
    """A digest of all that a server is told of a question."""
    face = question.face
    pixels = b"" if face is None else repr((face.pixels.shape, face.pixels.dtype.str)).encode() + face.pixels.tobytes()
    told = json.dumps([question.text, list(question.options), face is None]).encode()
    return hashlib.sha256(told + b"\0" + pixels).hexdigest()

"""A server is asked the question and nothing else, what it says is taken as it is, and figures only if exact."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bench
from bench.answering import ANSWER, likelihoods_of
from bench.conformance import checks
from bench.errors import NeedsInstall
from bench.plugins import discover
from bench.records import Face, Question

Made = Callable[..., Any]


def said(content: Any, **more: Any) -> dict[str, Any]:
    return {"json": {"choices": [{"message": {"role": "assistant", "content": content, **more}}]}}


def test_a_question_is_one_user_turn_with_its_picture_before_its_text(scripted: Made, method: Made, asked: Any) -> None:
    server = scripted([said(" Happy.\n")])
    assert method(server.url, max_tokens=5).answer(asked[:1]) == [" Happy.\n"]
    (sent,) = server.requests()
    (message,) = sent["body"]["messages"]
    image, text = message["content"]
    assert text == {"type": "text", "text": asked[0].text}
    raw = base64.b64decode(image["image_url"]["url"].removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(raw))), asked[0].face.pixels)
    fixed = {"model": "served", "temperature": 0, "top_p": 1, "n": 1, "seed": 0, "stream": False, "max_tokens": 5}
    assert {key: value for key, value in sent["body"].items() if key != "messages"} == fixed
    assert asked[0].key not in json.dumps(sent["body"])


def test_a_question_without_a_picture_has_none_and_one_that_repeats_is_sent_once(
    scripted: Made, method: Made, asked: Any
) -> None:
    server = scripted([said("happy")])
    bare = replace(asked[0], face=None)
    assert method(server.url).answer([bare, bare, replace(bare, key="other")]) == ["happy"] * 3
    (sent,) = server.requests()
    assert sent["body"]["messages"][0]["content"] == [{"type": "text", "text": bare.text}]


@pytest.mark.parametrize(
    ("choice", "key", "value"),
    [
        ("guided_choice", "guided_choice", ["happy", "sad"]),
        ("structured_outputs", "structured_outputs", {"choice": ["happy", "sad"]}),
        ("json_schema", "response_format", None),
    ],
)
def test_options_are_sent_where_the_method_is_told_to(
    choice: str, key: str, value: Any, scripted: Made, method: Made, asked: Any
) -> None:
    server = scripted([said('{"answer": "sad"}'), said("no JSON"), said("sad")])
    made = method(server.url, choice=choice)
    first, second = (made.answer([question])[0] for question in asked[:2])
    assert (first, second) == ("sad" if choice == "json_schema" else '{"answer": "sad"}', "no JSON")
    made.answer([replace(asked[2], options=())])
    sent = [row["body"] for row in server.requests()]
    assert key in sent[0] and key not in sent[2]
    if value is None:
        schema = sent[0][key]["json_schema"]["schema"]
        assert schema["properties"]["answer"]["enum"] == ["happy", "sad"]
    else:
        assert sent[0][key] == value


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (said(None), None),
        (said(""), ""),
        (said(None, refusal="I cannot judge people."), "I cannot judge people."),
        (said(["happy"]), None),
        (said("x" * (2 << 20)), None),
        (said("<script>alert(1)</script>"), "<script>alert(1)</script>"),
    ],
)
def test_whatever_a_server_says_is_text_or_a_failure(
    reply: Any, text: Any, scripted: Made, method: Made, asked: Any
) -> None:
    found = method(scripted([reply]).url).answer(asked[:1])
    assert found == [text]
    ANSWER.check(found, 1)


def test_an_answer_without_a_message_ends_the_run(scripted: Made, method: Made, asked: Any) -> None:
    with pytest.raises(SystemExit, match="is it OpenAI-compatible"):
        method(scripted([{"json": {"choices": []}}]).url).answer(asked[:1])


def test_server_and_model_are_looked_up_told_and_checked(
    scripted: Made, method: Made, asked: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted([said("happy")])
    method(server.url, server="vllm-0.0.1-loopback").answer(asked[:1])
    assert "is vllm-0.0.1-loopback; id=served, owned_by=loopback" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"The server is vllm-0.0.1-loopback, and server=ollama-1 was asked for"):
        method(server.url, server="ollama-1").answer(asked[:1])
    with pytest.raises(SystemExit, match="has no model 'other'; it has served"):
        method(server.url, model="other").answer(asked[:1])


def prompts(*tokens: tuple[str, float]) -> dict[str, Any]:
    rows = [{str(ord(text[0]) + 7 * len(text)): {"logprob": p, "decoded_token": text}} for text, p in tokens]
    return {"json": {"choices": [], "prompt_logprobs": [None, *rows]}}


def test_likelihoods_are_sums_over_the_options_tokens_and_the_end_of_turn(
    scripted: Made, method: Made, asked: Any
) -> None:
    question = [("what", -1.0), ("?", -2.0)]
    first = prompts(*question, ("hap", -0.5), ("py", -0.25), ("</s>", -0.125), ("\n", -9.0))
    second = prompts(*question, ("sad", -1.5), ("</s>", -0.5), ("\n", -9.0))
    server = scripted([prompts(*question), first, second])
    found = method(server.url).loglik(asked[:1], ["happy", "sad"])
    assert found["sums"].tolist() == [[-0.875, -2.0]] and found["tokens"].tolist() == [[3, 2]]
    assert found["joint"] == "direct"
    likelihoods_of(("happy", "sad")).check(found, 1)
    sent = [row["body"] for row in server.requests()]
    assert [body["add_generation_prompt"] for body in sent] == [True, False, False]
    assert [message["role"] for message in sent[1]["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([said("happy")], "gives no log-probabilities of the prompt's tokens .* serve the model with vLLM"),
        ([prompts(("q", -1)), prompts(("r", -1), ("happy", -1), ("</s>", -1))], "not how the answered conversation"),
        ([prompts(("q", -1)), prompts(("q", -1), ("Happy", -1), ("</s>", -1))], "there is 'Happy</s>', not 'happy'"),
        ([prompts(("q", -1)), prompts(("q", -1), ("happy", -1))], "not 'happy' and an end of turn"),
        (
            [
                prompts(("q", -1)),
                prompts(("q", -1), ("happy", -1), ("!", -1)),
                prompts(("q", -1), ("sad", -1), ("?", -1)),
            ],
            "options end in different tokens",
        ),
        (
            [{"json": {"prompt_logprobs": [{"1": {"logprob": -1}, "2": {"logprob": -2}}]}}],
            "do not hold one token a place",
        ),
        ([{"json": {"prompt_logprobs": [{"1": {"logprob": "x", "decoded_token": "a"}}]}}], "lack logprob"),
    ],
)
def test_likelihoods_that_are_not_exact_are_not_given(
    replies: Any, message: str, scripted: Made, method: Made, asked: Any
) -> None:
    with pytest.raises(NotImplementedError, match=message):
        method(scripted(replies).url).loglik(asked[:1], ["happy", "sad"])


def test_without_a_server_or_a_model_the_method_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from facebench_openai_vision import facebench_methods

    (card,) = facebench_methods()
    assert card.weights is not None and card.contract == "Answerer"
    monkeypatch.delenv("FACEBENCH_OPENAI_URL", raising=False)
    with pytest.raises(NeedsInstall, match="export FACEBENCH_OPENAI_URL="):
        card.weights.find(None, "openai-vision:model=served")
    monkeypatch.setenv("FACEBENCH_OPENAI_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(NeedsInstall, match="It names no model"):
        card.weights.find(None, "openai-vision")


def test_a_picture_that_is_none_is_a_failure(scripted: Made, method: Made) -> None:
    grey = Question("k", "what?", (), Face("k", np.zeros((4, 4), np.uint8)))
    made = method(scripted([said("happy")]).url)
    assert made.answer([grey]) == [None] and math.isnan(made.loglik([grey], ["a"])["sums"][0, 0])


def test_a_run_that_lost_its_server_goes_on_with_another_to_the_same_bytes(
    scripted: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBENCH_OPENAI_RETRIES", "0")
    monkeypatch.setenv("FACEBENCH_OPENAI_CONCURRENCY", "2")
    words = {"words": ["happy", "sad", "angry", "Surprised."]}
    # 14 answers about very different pictures, a batch of 8 asked twice, and half of the next one.
    lost, other = scripted([words] * 34 + [{"status": 503}]), scripted([words])
    settings = {"out": tmp_path / "out", "limit": 24, "batch_size": 8, "data": tmp_path}
    asked = ("expression/synthetic/faces", "openai-vision:model=served")
    monkeypatch.setenv("FACEBENCH_OPENAI_URL", lost.url)
    with pytest.raises(bench.FacebenchError, match="gave no answer in 1 attempts"):
        bench.run(*asked, **settings)
    monkeypatch.setenv("FACEBENCH_OPENAI_URL", other.url)
    (result,) = bench.run(*asked, **settings)
    (whole,) = bench.run(*asked, **{**settings, "out": tmp_path / "whole"})
    assert result == whole and result.failures == 0


def test_a_server_that_drops_the_picture_is_found_out_before_the_run(
    scripted: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBENCH_OPENAI_URL", scripted([said("Please provide the image.")]).url)
    with pytest.raises(bench.FacebenchError, match="it seems not to see them"):
        bench.run("expression/synthetic/faces", "openai-vision:model=served", out=tmp_path / "out", data=tmp_path)


@pytest.mark.realdata_smoke
def test_the_served_and_the_in_process_tiny_model_agree(
    method: Made, modelled: Made, asked: Any, models_root: Path
) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
    if "vlm" not in discover().methods:
        pytest.skip("needs facebench-vlm: pip install -e plugins/facebench-vlm")
    folder, words = models_root / "tiny-fer-vlm", ["neutral", "happy", "surprised", "sad", "angry", "yes", "unhappy"]
    options = {"model": "tiny", "max_new_tokens": 8}
    own = discover().method("vlm").method.load(bench.Load(folder, options=options))
    made = method(modelled(folder).url)
    assert made.answer(asked) == own.answer(asked)
    for questions in (asked, [replace(asked[0], face=None)]):
        found, told = made.loglik(questions, words), own.loglik(questions, words)
        np.testing.assert_allclose(found["sums"], told["sums"], rtol=0, atol=1e-4)
        assert found["tokens"].tolist() == told["tokens"].tolist() and found["joint"] == told["joint"]
    outcomes = {bound.check.name: bound.outcome() for bound in checks("openai-vision:model=served")}
    # Without a network, loopback included, there is no server to ask; loading alone needs none.
    assert {name: told.message for name, told in outcomes.items() if told.state != "passed"} == {}

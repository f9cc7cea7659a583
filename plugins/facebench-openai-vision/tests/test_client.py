"""A server that is busy, broken, strange or hostile costs attempts, a question or the run, and never the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

SAID: dict[str, Any] = {"json": {"choices": [{"message": {"role": "assistant", "content": "happy"}}]}}
Made = Callable[..., Any]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "7"}, "text": "busy"},
        {"status": 500, "text": "<html>"},
        {**SAID, "cut": True},
        {"text": '{"choices": ['},
        {"text": "[" * 100_000},
        {"text": "[1, 2]"},
        {**SAID, "size": 9 << 20},
        {**SAID, "headers": {"Content-Encoding": "gzip"}},
    ],
)
def test_what_may_pass_is_asked_again_after_a_wait(fault: Any, scripted: Made, method: Made, asked: Any) -> None:
    server = scripted([fault, fault, SAID])
    made = method(server.url)
    assert made.answer(asked[:1]) == ["happy"]
    assert len(server.requests()) == 3 and len(made.waits) == 2
    if "headers" in fault and fault.get("status") == 429:
        assert made.waits == [7.0, 7.0]
    else:
        assert 0.5 <= made.waits[0] <= 1 and 1 <= made.waits[1] <= 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 503, "text": "no room"}, "it answered 503: no room"),
        ({"text": "hello"}, "its answer is no JSON"),
        ({**SAID, "size": 9 << 20}, "its answer is over 8 MiB"),
        ({**SAID, "cut": True}, "gave no answer in 3 attempts"),
    ],
)
def test_a_server_that_stays_broken_ends_the_run_and_counts_no_failures(
    fault: Any, message: str, scripted: Made, method: Made, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBENCH_OPENAI_RETRIES", "2")
    made = method(scripted([fault]).url)
    with pytest.raises(SystemExit, match=message):
        made.answer(asked)


def test_a_server_that_cannot_be_reached_ends_the_run(scripted: Made, method: Made, asked: Any) -> None:
    server = scripted([SAID])
    made = method(server.url)
    assert made.answer(asked) == ["happy"] * 3
    server.stop()
    with pytest.raises(SystemExit, match="See that it runs; the same command goes on"):
        made.answer(asked)


def test_a_slow_answer_is_given_up_after_the_time_for_one(
    scripted: Made, method: Made, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBENCH_OPENAI_TIMEOUT", "0.5")
    made = method(scripted([{**SAID, "slow": 2}, SAID]).url)
    assert made.answer(asked[:1]) == ["happy"] and len(made.waits) == 1


def test_a_question_that_is_refused_is_a_failure_and_the_others_are_answered(
    scripted: Made, method: Made, asked: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FACEBENCH_OPENAI_CONCURRENCY", "1")
    made = method(scripted([SAID, {"status": 400, "text": "no such\npicture"}, SAID]).url)
    assert made.answer(asked) == ["happy", None, "happy"]
    assert "k1 was refused: it answered 400: no such picture" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "message"), [(401, "Set FACEBENCH_OPENAI_KEY to a key"), (302, "leads elsewhere")])
def test_a_door_that_is_shut_ends_the_run_at_once(
    status: int, message: str, scripted: Made, method: Made, asked: Any
) -> None:
    server = scripted([{"status": status, "headers": {"Location": "http://127.0.0.1:1/"}}])
    made = method(server.url)
    with pytest.raises(SystemExit, match=message):
        made.answer(asked[:1])
    assert made.waits == []


def test_the_key_goes_into_the_header_and_nowhere_else(
    scripted: Made, method: Made, asked: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    key = "sk-very-secret"
    monkeypatch.setenv("FACEBENCH_OPENAI_RETRIES", "0")
    server = scripted([{"status": 400, "text": f"bad key {key}"}, {"status": 500, "text": f"Bearer {key}"}])
    monkeypatch.setenv("FACEBENCH_OPENAI_KEY", key)
    made = method(server.url)
    assert made.answer(asked[:1]) == [None]
    with pytest.raises(SystemExit) as ended:
        made.answer(asked[:1])
    (sent, *_) = server.requests()
    assert sent["headers"]["authorization"] == f"Bearer {key}" and key not in json.dumps(sent["body"])
    said = capfd.readouterr()
    assert key not in said.out + said.err + str(ended.value) and "(key)" in said.out
    with pytest.raises(ValueError, match=r"would be sent unencrypted to faces\.example"):
        method("http://faces.example/v1")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("URL", "", "it is like http"),
        ("URL", "ftp://127.0.0.1/v1", "it is like http"),
        ("URL", "http://me:word@127.0.0.1/v1", "holds a name or password"),
        ("CONCURRENCY", "0", "it is from 1 to 256"),
        ("RATE", "fast", "is no number"),
        ("RETRIES", "99", "it is from 0 to 20"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    variable: str, value: str, message: str, method: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"FACEBENCH_OPENAI_{variable}", value)
    with pytest.raises(ValueError, match=f"FACEBENCH_OPENAI_{variable} .*{message}"):
        method(value if variable == "URL" else "http://127.0.0.1:1/v1")


def test_requests_keep_to_the_rate(scripted: Made, method: Made, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_OPENAI_RATE", "0.01")
    made = method(scripted([SAID]).url)
    made.answer(asked)
    # Two looks (version, models) and three chats: each waits for a turn of its own, 100 seconds after the one before.
    assert [round(wait / 100) for wait in sorted(made.waits)] == [0, 1, 2, 3, 4]

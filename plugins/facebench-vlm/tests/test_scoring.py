"""Options scored on one shared pass have the log-likelihoods that a pass of their own gives, however they are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.answering import likelihoods_of
from bench.image_probe import APART

torch = pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
import tiny  # noqa: E402

Loaded = Callable[..., Any]
KINDS = ("smolvlm", "qwen2-vl", "lfm2-vl")  # keys and values alone, M-RoPE, convolutions between attention
NEAR: dict[str, Any] = {"rtol": 0, "atol": 1e-4}


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_prefix_gives_what_separate_full_passes_give(kind: str, loaded: Loaded) -> None:
    asked = tiny.questions(5)
    found, told = (loaded(kind, prefix=how).loglik(asked, tiny.WORDS) for how in ("shared", "full"))
    np.testing.assert_allclose(found["sums"], told["sums"], **NEAR)
    assert np.ptp(found["sums"], axis=0).min() > 100 * APART  # the picture matters
    likelihoods_of(tiny.WORDS).check(found, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_full_passes_are_the_models_own_logits(kind: str, loaded: Loaded) -> None:
    model, (question,) = loaded(kind), tiny.questions(1)
    (batch,) = model._batches([question], "left")
    prompt = batch.inputs["input_ids"]
    joint = "" if kind != "smolvlm" else " "
    end = model.tokenizer.eos_token
    for word, told in zip(tiny.WORDS, model.loglik([question], tiny.WORDS)["sums"][0], strict=True):
        tail = model.tokenizer(joint + word + end, return_tensors="pt")["input_ids"]
        more = dict(batch.inputs) | {"input_ids": torch.cat([prompt, tail], 1)}
        more["attention_mask"] = torch.ones_like(more["input_ids"])
        if "mm_token_type_ids" in more:
            more["mm_token_type_ids"] = torch.cat([more["mm_token_type_ids"], torch.zeros_like(tail)], 1)
        with torch.inference_mode():
            logits = model.network(**more).logits[0, prompt.shape[1] - 1 : -1].double().log_softmax(1)
        assert told == pytest.approx(float(logits.gather(1, tail[0][:, None]).sum()), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_size_padding_and_the_order_of_options_change_no_score(kind: str, loaded: Loaded) -> None:
    asked = tiny.questions(5)
    model = loaded(kind)
    whole = model.loglik(asked, tiny.WORDS)["sums"]
    singles = np.concatenate([model.loglik([one], tiny.WORDS)["sums"] for one in asked])
    np.testing.assert_allclose(singles, whole, **NEAR)
    turned = model.loglik(asked[::-1], tiny.WORDS[::-1])["sums"]
    np.testing.assert_allclose(turned[::-1, ::-1], whole, **NEAR)
    alone = np.concatenate([model.loglik(asked, [word])["sums"] for word in tiny.WORDS], axis=1)
    np.testing.assert_allclose(alone, whole, **NEAR)
    if kind != "lfm2-vl":
        np.testing.assert_allclose(loaded(kind, padding="right").loglik(asked, tiny.WORDS)["sums"], whole, **NEAR)


def test_a_processor_with_a_place_for_videos_is_made_without_it(loaded: Loaded, models: Path) -> None:
    pytest.importorskip("num2words", reason="needs num2words: pip install num2words")
    tiny.save("smolvlm2", models / "smolvlm2")
    asked, model = tiny.questions(3), loaded("smolvlm2")
    assert type(model.processor).__name__ == "SmolVLMProcessor" and model.processor.video_processor is None
    found = model.loglik(asked, tiny.WORDS)["sums"]
    np.testing.assert_allclose(found, loaded("smolvlm2", prefix="full").loglik(asked, tiny.WORDS)["sums"], **NEAR)


def test_a_model_that_keeps_a_state_refuses_padding_on_the_right(loaded: Loaded) -> None:
    model = loaded("lfm2-vl", padding="right")
    with pytest.raises(ValueError, match=r"keeps a state of its last tokens, .*: padding=left"):
        model.loglik(tiny.questions(3), tiny.WORDS)
    same = [replace(one, text=tiny.QUESTION) for one in tiny.questions(1)] * 2
    assert np.isfinite(model.loglik(same, tiny.WORDS)["sums"]).all()  # nothing to pad


@pytest.mark.parametrize("kind", KINDS)
def test_questions_without_a_picture_are_scored_too_and_differ(kind: str, loaded: Loaded) -> None:
    model, asked = loaded(kind), tiny.questions(3)
    bare = [replace(one, face=None) for one in asked]
    found = model.loglik(bare, tiny.WORDS)["sums"]
    np.testing.assert_allclose(found, loaded(kind, prefix="full").loglik(bare, tiny.WORDS)["sums"], **NEAR)
    assert abs(found - model.loglik(asked, tiny.WORDS)["sums"]).min(axis=1).max() > 1e-3
    mixed = [asked[0], bare[1], asked[2]]
    both = model.loglik(mixed, tiny.WORDS)["sums"]
    np.testing.assert_allclose(both[1], found[1], **NEAR)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_does_not_depend_on_its_batch(kind: str, loaded: Loaded) -> None:
    model, asked = loaded(kind, max_new_tokens=6), tiny.questions(4)
    said = model.answer(asked)
    assert said == [model.answer([one])[0] for one in asked]
    assert all(isinstance(text, str) and "<|im_end|>" not in text for text in said)


def test_a_cache_that_cannot_be_gone_on_with_is_refused_with_the_way_out(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("smolvlm")
    right = model.network.forward

    def forgetful(input_ids: Any = None, past_key_values: Any = None, logits_to_keep: Any = 0, **more: Any) -> Any:
        if past_key_values is not None:
            more["attention_mask"][:, :-1] = 0
        return right(input_ids=input_ids, past_key_values=past_key_values, logits_to_keep=logits_to_keep, **more)

    monkeypatch.setattr(model.network, "forward", forgetful)
    with pytest.raises(ValueError, match="its cache cannot be shared; ask with prefix=full"):
        model.loglik(tiny.questions(2), tiny.WORDS)

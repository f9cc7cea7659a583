"""What a model, a template or a picture lacks is said when it is loaded or asked, with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.records import Face, Question

pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
import facebench_vlm
import tiny
from facebench_vlm.prompts import tokens_after

Loaded = Callable[..., Any]


@pytest.fixture
def changed(models: Path, tmp_path: Path) -> Callable[..., Any]:
    """``changed(edit)``: the tiny SmolVLM with its folder edited, loaded by ``vlm``."""

    def load(edit: Callable[[Path], object], **options: Any) -> Any:
        folder = tmp_path / "model"
        shutil.copytree(models / "smolvlm", folder, dirs_exist_ok=True)
        edit(folder)
        (method, *_) = facebench_vlm.facebench_methods()
        return method.load(bench.Load(folder, options={"model": "model", **options}))

    return load


def template(text: str | None) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        if text is not None:
            (folder / "chat_template.jinja").write_text(text, "utf-8")

    return edit


def config(**keys: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **keys}), "utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (template(None), "it has no chat template, .* write a card with prompt_format"),
        (template("{{ messages[0]['content'][-1]['text'] }}"), "its chat template has no place for a picture"),
        (template("{% for c in messages[0]['content'] %}{{ c['type'] }}{% endfor %}"), "leaves the question out"),
        (template("{{ raise_exception('no pictures') }}"), "its chat template does not take a question: no pictures"),
        (config(model_type="own", auto_map={"AutoConfig": "own.Own"}), "needs code of its repository, which is never"),
        (config(model_type="vit"), "transformers has no image-text-to-text class for 'vit'"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json that can be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no model.safetensors; pickled weights are not taken"),
        (config(text_config={**tiny.TEXT, "vocab_size": 80, "model_type": "llama"}), "weights lack|does not load it"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused_when_it_is_loaded(edit: Any, message: str, changed: Any) -> None:
    with pytest.raises(ValueError, match=f"^model: .*({message})"):
        changed(edit)


@pytest.mark.parametrize("most", [0, 5000])
def test_the_number_of_tokens_is_bounded(most: int, changed: Any) -> None:
    with pytest.raises(ValueError, match=r"max_new_tokens: .* from 1 to 4096"):
        changed(lambda folder: None, max_new_tokens=most)


def test_code_and_pickles_beside_the_weights_are_not_read(changed: Any, tmp_path: Path) -> None:
    def edit(folder: Path) -> None:
        (folder / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        (folder / "pytorch_model.bin").write_bytes(b"a pickle")
        config(auto_map={"AutoModelForImageTextToText": "modeling_own.Own"})(folder)

    assert changed(edit).answer(tiny.questions(1))[0] is not None
    assert not (tmp_path / "ran").exists()


def test_penalties_and_sampling_of_a_repository_are_left_out(changed: Any, loaded: Loaded) -> None:
    told = {"repetition_penalty": 9.0, "do_sample": True, "temperature": 9.0, "no_repeat_ngram_size": 1, "num_beams": 3}

    def edit(folder: Path) -> None:
        path = folder / "generation_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **told}), "utf-8")

    asked = tiny.questions(3)
    plain = loaded("smolvlm", max_new_tokens=12).answer(asked)
    assert changed(edit, max_new_tokens=12).answer(asked) == plain
    assert any(len(set(text or "")) < len(text or "") for text in plain)  # what the penalties would not have let pass


def test_tiny_and_grey_pictures_are_taken_and_one_without_channels_is_told(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    model, (question,) = loaded("smolvlm"), tiny.questions(1)
    grey = np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1), 3, 2)
    for pixels in (grey, grey[:1, :1], grey[:1], np.ascontiguousarray(grey[:3, :5])):
        assert np.isfinite(model.loglik([replace(question, face=Face("g", pixels))], ["yes", "no"])["sums"]).all()
    assert model.answer([replace(question, face=Face("g", grey[..., 0]))]) == [None]
    assert "a picture is uint8 [8, 8]; it must be uint8 [height, width, 3]" in capsys.readouterr().out


def test_a_picture_that_the_processor_refuses_is_a_failure_and_the_others_are_answered(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    model, asked = loaded("qwen2-vl"), tiny.questions(3)
    long = Face("long", np.zeros((2, 1000, 3), np.uint8))  # Qwen2-VL takes sides up to 200 to 1
    asked[1] = replace(asked[1], face=long)
    found = model.loglik(asked, tiny.WORDS)["sums"]
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()
    said = model.answer(asked)
    assert said[1] is None and said[0] is not None and said[2] is not None
    assert "a picture of 1000x2 is not taken" in capsys.readouterr().out
    assert np.isnan(model.loglik([asked[1]], tiny.WORDS)["sums"]).all()


def test_a_prompt_longer_than_the_model_takes_is_refused(loaded: Loaded) -> None:
    (question,) = tiny.questions(1, "x" * 2000)
    with pytest.raises(ValueError, match=r"prompt and answer are \d+ tokens, its model takes 1024"):
        loaded("smolvlm").loglik([question], ["yes"])


def test_options_follow_a_colon_after_a_space_and_a_special_token_directly(loaded: Loaded) -> None:
    asked = tiny.questions(2)
    assert loaded("smolvlm").loglik(asked, tiny.WORDS)["joint"] == "space"
    assert loaded("qwen2-vl").loglik(asked, tiny.WORDS)["joint"] == "direct"
    assert loaded("lfm2-vl").loglik(asked, ["a", "bc"])["tokens"].tolist() == [[2, 3]] * 2


class Merging:
    """A tokenizer of letters, where some pairs are one token wherever they meet."""

    def __init__(self, *pairs: str) -> None:
        self.pairs, self.added_tokens_decoder = pairs, {}

    def __call__(self, texts: list[str], **more: Any) -> dict[str, Any]:
        return {"input_ids": [self.ids(text) for text in texts]}

    def ids(self, text: str) -> list[int]:
        for number, pair in enumerate(self.pairs):
            text = text.replace(pair, chr(1000 + number))
        return [ord(letter) for letter in text]


def test_an_option_that_merges_with_the_prompt_is_joined_the_other_way_for_all_or_refused() -> None:
    end = ("#", ord("#"))
    joint, found = tokens_after(Merging(), ["q:", "r:"], ["a", "bc"], end)
    assert joint == "space" and found[0] == [[32, 97, 35], [32, 98, 99, 35]]
    assert tokens_after(Merging(), ["q:\n"], ["a"], end) == ("direct", [[[97, 35]]])
    joint, found = tokens_after(Merging(": "), ["q:", "r;"], ["a"], end)
    assert joint == "direct" and found == [[[97, 35]]] * 2
    with pytest.raises(ValueError, match="options cannot be scored: its tokenizer merges"):
        tokens_after(Merging(": ", ":a"), ["q:"], ["a", "b"], end)
    with pytest.raises(ValueError, match="options cannot be scored"):
        tokens_after(Merging(), ["q:"], [""], ("", ord("#")))


def test_a_declared_prompt_format_takes_the_place_of_a_template(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(models / "smolvlm", tmp_path / "models" / "own")
    template(None)(tmp_path / "models" / "own")
    card = tiny.card(tmp_path / "models" / "own", prompt_format="Q: {image}{question} A:", image_text="<image>")
    (tmp_path / "own.toml").write_text(card, "utf-8")
    monkeypatch.setenv("FACEBENCH_VLM", str(tmp_path))
    method = next(each for each in facebench_vlm.facebench_methods() if each.name == "own")
    assert method.weights is not None
    model = method.load(bench.Load(method.weights.find(tmp_path / "models", "own"), options={}))
    (question,) = tiny.questions(1)
    assert model.way.render(question) == f"Q: <image>{tiny.QUESTION} A:"
    assert model.way.render(Question("k", "{image}")) == "Q: {image} A:"  # a question's braces are its own
    found = model.loglik([question], tiny.WORDS)
    assert found["joint"] == "space" and np.isfinite(found["sums"]).all()

"""A card's model gives the numbers that transformers gives, and one that is not as declared is refused by its key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.conformance import checks
from bench.errors import DataDamaged

torch = pytest.importorskip("torch", reason="needs torch: pip install torch -c constraints.txt")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
SIDE = 16
LABELS = {"negative": "sad", "positive": "happy", "surprise": "surprise"}
CLASSIFIER: dict[str, Any] = {
    "task": "image-classification",
    "output": None,
    "tasks": ["micro_expression"],
    "labels": LABELS,
}
NEAR: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
TABLE = {"size": SIDE, "channels": "RGB", "mean": 127.5, "std": 127.5}
ZERO = {**CLASSIFIER, "task": "zero-shot-image-classification", "template": "a {} face"}


def pixels(asked: Any, folder: Path) -> Any:
    """The pictures as transformers' own processor makes them."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return processor(images=[face.pixels for face in asked], return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize(
    ("kind", "output"), [("vit", "pooled"), ("vit", "cls"), ("vit-classes", "cls"), ("resnet", "pooled")]
)
@pytest.mark.parametrize("flip", ["none", "sum"])
def test_an_embedding_is_the_declared_output(kind: str, output: str, flip: str, place: Any) -> None:
    place.save(kind)
    place.card(output=output)
    asked = place.faces(3, 20)
    network = transformers.AutoModel.from_pretrained(place.model).eval()
    with torch.inference_mode():
        x = pixels(asked, place.model)
        rows = 0
        for image in [x, x.flip(3)] if flip == "sum" else [x]:
            told = network(image)
            rows = rows + (told.pooler_output if output == "pooled" else told.last_hidden_state[:, 0]).flatten(1)
    found = place.load(flip=flip).embed(asked)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, rows.numpy(), **NEAR)


def test_image_features_are_those_of_the_two_tower_model(place: Any) -> None:
    place.save("clip")
    place.card(output="image_features")
    asked = place.faces(3, 20)
    network = transformers.CLIPModel.from_pretrained(place.model).eval()
    with torch.inference_mode():
        told = network.visual_projection(network.vision_model(pixels(asked, place.model)).pooler_output)
    np.testing.assert_allclose(place.load().embed(asked), told.numpy(), **NEAR)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_a_declared_preparation_takes_the_place_of_the_repositorys(channels: str, place: Any) -> None:
    place.save("vit")
    place.card(preprocessing={**TABLE, "channels": channels, "mean": [10, 20, 30]}, inputs=[f"arcface-{SIDE}"])
    asked = place.faces(2)
    x = np.stack([face.pixels[..., :: -1 if channels == "BGR" else 1] for face in asked]).astype(np.float64)
    x = torch.tensor(((x - [10, 20, 30]) / 127.5).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        told = transformers.ViTModel.from_pretrained(place.model).eval()(x).last_hidden_state[:, 0]
    np.testing.assert_allclose(place.load().embed(asked), told.numpy(), **NEAR)
    with pytest.raises(ValueError, match="a picture is 20x20; the card says size 16 and resample 'none'"):
        place.load().embed(place.faces(1, 20))


def test_classes_are_taken_by_name_whatever_their_order(place: Any) -> None:
    place.save("vit-classes", ("surprise", "angry", "happy", "sad"))
    place.card(**CLASSIFIER)
    asked = place.faces(4, 20)
    with torch.inference_mode():
        network = transformers.AutoModelForImageClassification.from_pretrained(place.model).eval()
        told = network(pixels(asked, place.model)).logits.softmax(1).numpy()
    found = place.load().classify(asked, ["positive", "surprise", "negative"])
    np.testing.assert_allclose(found, told[:, [2, 0, 3]], **NEAR)
    with pytest.raises(ValueError, match=r"has no 'fear', which the protocol asks for; .*'angry', 'happy', 'sad'"):
        place.load().classify(asked, ["fear"])


@pytest.mark.parametrize(("kind", "padding"), [("clip", "longest"), ("siglip", "max_length")])
def test_zero_shot_classes_are_those_of_the_whole_model(kind: str, padding: str, place: Any) -> None:
    place.save(kind)
    place.card(**ZERO)
    asked = place.faces(4, 20)
    tokens = transformers.AutoTokenizer.from_pretrained(place.model)
    with torch.inference_mode():
        network = transformers.AutoModel.from_pretrained(place.model).eval()
        words = [f"a {word} face" for word in LABELS.values()]
        texts = tokens(words, padding=padding, max_length=24, return_tensors="pt")
        told = network(pixel_values=pixels(asked, place.model), **texts).logits_per_image.softmax(1).numpy()
    found = place.load().classify(asked, list(LABELS))
    np.testing.assert_allclose(found, told, **NEAR)
    np.testing.assert_allclose(place.load().classify(asked, list(LABELS)[:1]), 1)
    with pytest.raises(ValueError, match="key 'labels' has no 'fear'; it has negative, positive, surprise"):
        place.load().classify(asked, ["fear"])


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("vit-classes", {"output": "pooled"}, r"its weights lack pooler.dense.bias, .* drawn at random"),
        ("vit", {**CLASSIFIER}, r"its config.json names no classes|its weights lack classifier"),
        ("clip", {"output": "pooled"}, "CLIPModel has no output 'pooled'; write output = 'image_features'"),
        ("vit", {"output": "image_features"}, "ViTModel has no output 'image_features'"),
        ("resnet", {"output": "cls"}, "has 4 axes, so there is no first token"),
        ("vit", ZERO, "key 'labels'|does not load it|no model of pictures and texts"),
        ("clip", {**ZERO, "template": "abcdefghijklmnopqrstuvwxyz {}"}, "key 'template': a text has over .* 24 tokens"),
        ("vit", {"preprocessing": {**TABLE, "size": 8}, "inputs": ["arcface-8"]}, "does not take two pictures"),
    ],
)
def test_a_model_that_does_not_fit_its_card_is_refused(
    kind: str, changes: dict[str, Any], message: str, place: Any
) -> None:
    place.save(kind)
    place.card(**changes)
    with pytest.raises(ValueError, match=f"tiny: .*({message})"):
        place.load()


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        (("sad", "happy"), None, "'labels' is missing; the model's classes are 'sad', 'happy'"),
        (("sad", "happy"), {"negative": "gloomy"}, "'gloomy' is none of its classes; .*'sad', 'happy'"),
        (("sad", "happy"), {"a": "sad", "b": "sad"}, "a and b are both 'sad'"),
        (("sad", "happy"), {"happiness": "sad", "sadness": "happy"}, "it has the class 'happy': are two swapped"),
        (("x", "y"), {"X": "y"}, "it has the class 'x': are two swapped"),
        (("LABEL_7", "3"), {"a": "sad"}, "its classes have numbers for names"),
        (("sad", "Sad"), {"a": "sad"}, "two of its classes have one name"),
    ],
)
def test_a_wrong_or_missing_label_map_is_refused_with_the_models_own_classes(
    names: tuple[str, ...], labels: Any, message: str, place: Any
) -> None:
    place.save("vit-classes", names)
    place.card(**{**CLASSIFIER, "labels": labels})
    with pytest.raises(ValueError, match=message):
        place.load()


def changed(place: Any, **keys: Any) -> None:
    """The model's config.json with other keys."""
    path = place.model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_two_tables_of_classes_that_disagree_are_refused(place: Any) -> None:
    place.save("vit-classes")
    changed(place, label2id={"sad": 1, "happy": 0, "surprise": 2})
    place.card(**CLASSIFIER)
    with pytest.raises(ValueError, match="its id2label and label2id disagree"):
        place.load()


def test_pickled_weights_code_and_adapters_are_never_read(place: Any, tmp_path: Path) -> None:
    place.save("vit")
    good = place.model / "model.safetensors"
    place.card()
    (place.model / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/other"}')
    (place.model / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    changed(place, auto_map={"AutoModel": "modeling_own.Own"})
    kept = place.sha256("config.json", "model.safetensors", "preprocessor_config.json")
    place.card(files=kept)
    assert place.load().embed(place.faces(2)).shape == (2, 16)  # a class of its own is not needed, since vit is native
    changed(place, model_type="own", auto_map={"AutoConfig": "modeling_own.C", "AutoModel": "modeling_own.Own"})
    place.card(files={**kept, **place.sha256("config.json")})
    with pytest.raises(ValueError, match="does not load it"):
        place.load()
    assert not (tmp_path / "ran").exists()
    torch.save({}, place.model / "pytorch_model.bin")
    good.rename(place.model / "kept.bin")
    place.card(files=place.sha256("config.json"))
    with pytest.raises(ValueError, match=r"no model\.safetensors; pickled weights are not taken"):
        place.load()


def test_a_changed_file_of_a_folder_is_refused(place: Any) -> None:
    place.save("vit")
    place.card()
    changed(place, hidden_act="relu")
    with pytest.raises(DataDamaged, match=r"config\.json has SHA-256"):
        place.load()


def test_a_file_that_the_card_does_not_name_is_not_read(place: Any) -> None:
    place.save("vit")
    place.card(files=place.sha256("config.json", "model.safetensors"))
    with pytest.raises(ValueError, match="AutoImageProcessor does not load it"):
        place.load()


@pytest.mark.parametrize(("kind", "changes"), [("vit", {"inputs": ["raw"]}), ("vit-classes", CLASSIFIER)])
def test_the_checks_pass(kind: str, changes: dict[str, Any], place: Any) -> None:
    place.save(kind)
    place.card(**changes)
    outcomes = [(bound.check.name, bound.outcome()) for bound in checks("tiny", place.models)]
    assert {name: told.message for name, told in outcomes if told.state != "passed"} == {}


def test_finding_the_cards_loads_nothing_heavy(place: Any) -> None:
    place.card(files={"model.safetensors": "0" * 64})
    code = (
        "import sys, facebench_transformers as p\nassert len(p.facebench_methods()) > 1\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'PIL', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

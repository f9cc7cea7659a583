"""Vision-language models of a few thousand random parameters, saved as transformers saves them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as t
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from bench.records import Face, Question

SPECIAL = ("<pad>", "<image>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<global-img>")
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<end_of_utterance>")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As SmolVLM's: the answer follows a colon and a space.
COLON = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}{% if m['content'][0]['type'] == 'image' %}:"
    "{% else %}: {% endif %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}"
    "{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
TEXT: dict[str, Any] = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"num_key_value_heads": 1, "max_position_embeddings": 1024, "bos_token_id": None, "pad_token_id": 0},
}
QUESTION = "In a single word, what is the facial expression of the person?"
WORDS = ("happy", "sad", "surprised", "neutral")


def tokenizer(template: str | None) -> Any:
    """A byte-level tokenizer, so that words are of several tokens, with the special tokens of all families."""
    own = [*SPECIAL, *VISION]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    built = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate([*own, *letters])}, merges=[]))
    built.pre_tokenizer, built.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    end = "<end_of_utterance>" if template == COLON else "<|im_end|>"
    made = t.PreTrainedTokenizerFast(
        tokenizer_object=built, pad_token="<pad>", eos_token=end, additional_special_tokens=own
    )
    made.chat_template = template
    return made


def save(kind: str, folder: Path, template: str | None = "") -> None:
    """A model of one family with its processor; ``template``: another than the family's, None for none."""
    torch.manual_seed(0)
    made = {"smolvlm": _smolvlm, "smolvlm2": _smolvlm2, "qwen2-vl": _qwen2_vl, "lfm2-vl": _lfm2_vl}[kind](template)
    network, parts = made
    for parameter in network.parameters():  # wide enough for options to differ
        torch.nn.init.normal_(parameter, std=0.15)
    network.generation_config.eos_token_id = parts[0].eos_token_id
    network.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    if kind == "smolvlm2":
        (folder / "processor_config.json").write_text('{"processor_class": "SmolVLMProcessor", "image_seq_len": 16}')


def _id(made: Any, token: str) -> int:
    return int(made.convert_tokens_to_ids(token))


def _smolvlm(template: str | None) -> tuple[Any, list[Any]]:
    made = tokenizer(COLON if template == "" else template)
    eyes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**TEXT, "model_type": "llama", "vocab_size": len(made)}
    config = t.Idefics3Config(
        vision_config={**eyes, "image_size": 32, "patch_size": 4},
        text_config=text,
        scale_factor=2,
        image_token_id=_id(made, "<image>"),
        pad_token_id=0,
    )
    images = t.Idefics3ImageProcessorPil(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    return t.Idefics3ForConditionalGeneration(config), [made, t.Idefics3Processor(images, made, image_seq_len=16)]


def _smolvlm2(template: str | None) -> tuple[Any, list[Any]]:
    """As SmolVLM, by classes whose processor has a place for videos too."""
    network, (made, _) = _smolvlm(template)
    config = {key: value for key, value in network.config.to_dict().items() if key != "model_type"}
    eyes = {key: value for key, value in config["vision_config"].items() if key != "model_type"}
    smol = t.SmolVLMConfig(**{**config, "vision_config": eyes})
    side = {"longest_edge": 32}
    return t.SmolVLMForConditionalGeneration(smol), [
        made,
        t.SmolVLMImageProcessorPil(size=side, max_image_size=side, do_image_splitting=False),
    ]


def _qwen2_vl(template: str | None) -> tuple[Any, list[Any]]:
    place = "<|vision_start|><|image_pad|><|vision_end|>"
    made = tokenizer(CHATML.replace("IMAGE", place) if template == "" else template)
    eyes = {"embed_dim": 32, "hidden_size": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 1, "patch_size": 4}
    config = t.Qwen2VLConfig(
        vision_config={**eyes, "spatial_merge_size": 2, "temporal_patch_size": 2},
        text_config={
            **TEXT,
            "vocab_size": len(made),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        image_token_id=_id(made, "<|image_pad|>"),
        video_token_id=_id(made, "<|video_pad|>"),
        vision_start_token_id=_id(made, "<|vision_start|>"),
        vision_end_token_id=_id(made, "<|vision_end|>"),
    )
    images = t.Qwen2VLImageProcessorPil(
        patch_size=4, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 64, "longest_edge": 4096}
    )
    return t.Qwen2VLForConditionalGeneration(config), [made, images]


def _lfm2_vl(template: str | None) -> tuple[Any, list[Any]]:
    made = tokenizer(CHATML.replace("IMAGE", "<image>") if template == "" else template)
    eyes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**TEXT, "vocab_size": len(made), "num_hidden_layers": 4, "conv_L_cache": 3, "block_ff_dim": 64}
    config = t.Lfm2VlConfig(
        vision_config={**eyes, "patch_size": 4, "num_patches": 64, "vision_use_head": False},
        text_config={**text, "layer_types": ["conv", "full_attention", "conv", "full_attention"], "model_type": "lfm2"},
        downsample_factor=2,
        projector_hidden_size=32,
        image_token_id=_id(made, "<image>"),
    )
    return t.Lfm2VlForConditionalGeneration(config), [made]


class Lfm2VlPictures:
    """What LFM2-VL's processor does with one small picture a text; the one of transformers needs torchvision."""

    def __init__(self, made: Any) -> None:
        self.tokenizer, self.chat_template = made, made.chat_template

    def __call__(self, text: list[str], images: Any = None, **more: Any) -> dict[str, torch.Tensor]:
        given = {} if images is None else self._pictures([image for of_one in images for image in of_one])
        sides = given.get("spatial_shapes", torch.zeros(0, 2, dtype=torch.long)).tolist()
        counts = iter([(high // 2) * (wide // 2) for high, wide in sides])
        filled = [one.replace("<image>", "<image>" * next(counts)) if "<image>" in one else one for one in text]
        return {**self.tokenizer(filled, return_token_type_ids=False, **more), **given}

    def _pictures(self, images: list[Any]) -> dict[str, torch.Tensor]:
        rows, masks, shapes = [], [], []
        for image in images:
            high, wide = (max(side // 8, 1) * 8 for side in (min(image.height, 32), min(image.width, 32)))
            pixels = np.asarray(image.resize((wide, high))).astype(np.float32) / 127.5 - 1
            patches = pixels.reshape(high // 4, 4, wide // 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 48)
            rows.append(np.concatenate([patches, np.zeros((64 - len(patches), 48), np.float32)]))
            masks.append([1] * len(patches) + [0] * (64 - len(patches)))
            shapes.append([high // 4, wide // 4])
        return {
            "pixel_values": torch.tensor(np.stack(rows)),
            "pixel_attention_mask": torch.tensor(masks),
            "spatial_shapes": torch.tensor(shapes),
        }


def faces(count: int, seed: int = 1) -> list[Face]:
    """Pictures of noise, each of another size, so that prompts may be of different lengths."""
    generator = np.random.default_rng(seed)
    sides = [(24 + 8 * (i % 3), 32 - 8 * (i % 2), 3) for i in range(count)]
    return [Face(f"k{i}", generator.integers(0, 256, side, np.uint8)) for i, side in enumerate(sides)]


def questions(count: int, text: str = QUESTION) -> list[Question]:
    """Questions of different lengths about different pictures."""
    return [Question(face.key, text + " Say." * (i % 3), (), face) for i, face in enumerate(faces(count))]


def card(folder: Path, **keys: Any) -> str:
    """A card, as TOML, of a model that lies in a folder of the models root."""
    plain = {"name": "own", "folder": folder.name, "licence": "Apache-2.0", "cite": "none: a test", **keys}
    plain.setdefault("trained_on", [])
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items() if not isinstance(value, dict)]
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    tables = {"files": files, **{key: value for key, value in plain.items() if isinstance(value, dict)}}
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"

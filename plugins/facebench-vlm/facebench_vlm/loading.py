"""Native models of transformers and their processors, loaded from a folder on disk."""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.processing_auto import processor_class_from_name
from transformers.processing_utils import ProcessorMixin

# A local path, the repository's own code never, and of weights safetensors only.
LOCAL = {"local_files_only": True, "trust_remote_code": False}
# What a processor has of its parts where only pictures and texts are asked.
PARTS = {"image_processor": transformers.AutoImageProcessor, "tokenizer": transformers.AutoTokenizer}


def config_of(folder: Path, name: str) -> dict[str, Any]:
    """config.json; raises ValueError where it is not that of a native decoder of pictures and texts."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise ValueError(f"{name}: it has no config.json that can be read, so it is no model of transformers")
    kind = config.get("model_type")
    native = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    if kind not in native:
        why = (
            "it needs code of its repository, which is never run"
            if "auto_map" in config
            else "it is no model of that kind"
        )
        do = "serve it with a program that loads it, and ask that: facebench-openai-vision"
        raise ValueError(f"{name}: transformers has no image-text-to-text class for {kind!r}; {why}; {do}")
    return config


def network_of(folder: Path, name: str, dtype: str, device: str, device_map: str) -> Any:
    """The model; one that is not wholly in its weights is refused, since the rest would be random."""
    if not list(folder.glob("*.safetensors")):
        raise ValueError(f"{name}: it has no model.safetensors; pickled weights are not taken")
    more: dict[str, Any] = {"use_safetensors": True, "dtype": getattr(torch, dtype), "output_loading_info": True}
    if device_map == "auto":
        if importlib.util.find_spec("accelerate") is None:
            raise ValueError(f"{name}: device_map=auto needs accelerate: pip install accelerate -c constraints.txt")
        more["device_map"] = "auto"
    network, told = part_of(transformers.AutoModelForImageTextToText, folder, name, **more)
    if wanted := sorted({str(key) for key in (*told["missing_keys"], *told["mismatched_keys"])}):
        found = ", ".join(wanted[:3])
        raise ValueError(f"{name}: its weights lack {found} (of {len(wanted)}), which would be drawn at random")
    if network.config.is_encoder_decoder:
        raise ValueError(f"{name}: it is an encoder with a decoder; only decoders that see the prompt can be asked")
    return (network if device_map == "auto" else network.to(device)).eval()


def processor_of(folder: Path, name: str, config: dict[str, Any], images: dict[str, Any]) -> Any:
    """What makes texts and pictures ready, on Pillow's image processors; the part for videos and sounds is left out.

    ``images``: settings of the image processor that take the place of the repository's. Raises ValueError where it
    cannot be made.
    """
    kind = processor_class_from_name(_class_name(folder, config) or "")
    if kind is None:
        raise ValueError(f"{name}: transformers has no processor for it that takes pictures and texts")
    processor = part_of(_image_only(kind), folder, name)
    absent = [key for key in images if not hasattr(processor.image_processor, key)]
    if absent:
        raise ValueError(f"{name}: key 'images': {type(processor.image_processor).__name__} has no {absent[0]!r}")
    for key, value in images.items():
        setattr(processor.image_processor, key, value)
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def _class_name(folder: Path, config: dict[str, Any]) -> str | None:
    """The processor's class, as the repository names it or as its model type has it."""
    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if (folder / file).exists():
            told = json.loads((folder / file).read_text("utf-8"))
            if isinstance(told, dict) and isinstance(told.get("processor_class"), str):
                return str(told["processor_class"])
    named = transformers.models.auto.processing_auto.PROCESSOR_MAPPING_NAMES.get(config.get("model_type"))
    return str(named) if named else None


@functools.cache
def _image_only(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """A processor class that is made of an image processor and a tokenizer, whatever else it has a place for."""

    def arguments(cls: Any, path: str, processor_dict: Any = None, **kwargs: Any) -> list[Any]:
        return [
            PARTS[part].from_pretrained(path, **LOCAL, **({"backend": "pil"} if part == "image_processor" else {}))
            if part in PARTS
            else None
            for part in cls.get_attributes()
        ]

    def check(self: Any, argument: str, value: Any) -> Any:
        return None if value is None else kind.check_argument_for_proper_class(self, argument, value)

    own = {"_get_arguments_from_pretrained": classmethod(arguments), "check_argument_for_proper_class": check}
    # Named as the original: some of its parts go by the name of the class.
    return type(kind.__name__, (kind,), {**own, "__module__": kind.__module__, "__doc__": kind.__doc__})


def part_of(auto: Any, folder: Path, name: str, **more: Any) -> Any:
    """A part of a model from its folder; raises ValueError with the first line of what is wrong."""
    try:
        return auto.from_pretrained(str(folder), **LOCAL, **more)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        text = lines[0].replace(str(folder), "its folder")[:300]
        raise ValueError(f"{name}: {auto.__name__} does not load it: {text}") from None

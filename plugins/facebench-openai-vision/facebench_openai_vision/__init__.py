"""A vision-language model behind an OpenAI-compatible server as a method; which server, the environment says."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.errors import NeedsInstall

URL = "FACEBENCH_OPENAI_URL"
CHOICES = ("off", "json_schema", "guided_choice", "structured_outputs")


@dataclass(frozen=True, slots=True)
class Served(bench.Folder):
    """Weights that a server holds: nothing lies here, and what is needed is the server's address."""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """A folder that is not looked at; raises NeedsInstall where no server or no model is named."""
        asked = f"{asked_by} was to be asked."
        if not os.environ.get(URL):
            do = f"Point it at a server: export {URL}=http://127.0.0.1:8000/v1"
            raise NeedsInstall(asked, f"{URL} is not set.", do)
        if "model=" not in asked_by:
            do = "Write openai-vision:model=NAME; GET /v1/models of the server lists the names."
            raise NeedsInstall(asked, "It names no model.", do)
        return Path(tempfile.gettempdir())


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """``openai-vision``, whose options say all that changes an answer."""
    return [
        bench.Method(
            name="openai-vision",
            tasks=frozenset({"expression"}),
            inputs=frozenset({"raw", "arcface-112"}),
            load=load,
            weights=Served("served", {}),
            about="a vision-language model behind an OpenAI-compatible server: openai-vision:model=NAME",
            licence="that of the model",
            trained_on=("not known; see the model's page",),
            cite="none: a way to ask a server",
            options=(
                bench.Option("model", "", "its name on the server"),
                bench.Option("server", "", "what the server must say that it is, as vllm-0.15.0; empty for any"),
                bench.Option("choice", "off", "how the server is held to offered options, where it can be", CHOICES),
                bench.Option("max_tokens", 16, "of an answer, from 1 to 4096"),
            ),
            needs=("httpx2", "numpy", "PIL"),
            batch=16,
            contract="Answerer",
        )
    ]


def load(given: bench.Load) -> Any:
    """Make the method able to answer; the server is first spoken to when it is asked."""
    from facebench_openai_vision.answerer import load_answerer

    return load_answerer(given)

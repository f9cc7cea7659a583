"""What the Hub reads of a data set of boards: ``eval.yaml``, and the front matter of its README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

EVAL = "eval.yaml"
FRAMEWORK = "facebench"
NAME = "facebench boards"
ABOUT = "Results of published face-analysis methods, with the trials that every score can be recomputed from."


def front_matter(boards: Mapping[str, Any]) -> str:
    """The head of the README of boards by their protocols' names, between its two lines of dashes.

    No licence is named: that of the trials is their data sets', and stands on each board's page.
    """
    tasks = sorted({name.partition("/")[0].replace("_", "-") for name in boards})
    head = {"pretty_name": NAME, "tags": ["facebench", "leaderboard", *tasks], "viewer": False}
    return f"---\n{dump(head)}---\n\n"


def eval_yaml(boards: Iterable[str]) -> str:
    """The text of ``eval.yaml``: a task a board. The Hub shows a table of those frameworks that it knows."""
    tasks = [{"id": task_id(name)} for name in sorted(boards)]
    head = {"name": NAME, "description": ABOUT, "evaluation_framework": FRAMEWORK}
    return dump({**head, "tasks": tasks})


def is_ours(text: str) -> bool:
    """Whether ``eval_yaml`` wrote a text."""
    return text.startswith(dump({"name": NAME}))


def task_id(protocol: str) -> str:
    """What a protocol is called in ``eval.yaml`` and in a model's ``.eval_results``."""
    return protocol.replace("/", "-")


def dump(data: Any) -> str:
    """YAML of plain data, keys in the order given."""
    import yaml

    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000))

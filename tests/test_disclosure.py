"""What of results and trials is not for others' eyes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from board_copies import BOARDS, FACES

from bench import boards, disclosure
from bench.answers import read_table
from bench.plugins import discover
from bench.tasks import TASKS


def test_the_columns_of_every_task_are_known() -> None:
    assert set(disclosure.COLUMNS) == set(TASKS)


def test_the_boards_of_this_repository_hold_nothing_else() -> None:
    for entry in boards.read_results([BOARDS]):
        assert list(disclosure.in_result(entry.result)) == []
        if entry.trials.exists():
            protocol = discover().protocols[entry.result.protocol]
            assert disclosure.in_trials(protocol, read_table(entry.trials)) == "", entry.path


@pytest.mark.parametrize("name", ["probe_failed:too dark", "reference_images", "probe_subject"])
def test_counts_of_a_templates_images_are_columns(name: str) -> None:
    assert disclosure.in_trials(discover().protocols[FACES], {name: np.zeros(2, np.int32)}) == ""


@pytest.mark.parametrize("name", ["who_failed:x", "probe_failed:/home/alice/x", "p.anger", "e00", "x" * 5000])
def test_columns_of_another_name_are_told_briefly(name: str) -> None:
    told = disclosure.in_trials(discover().protocols[FACES], {name: np.zeros(2, np.int32)})
    assert told.startswith("its trials hold what no trials of verification do") and len(told) < 300


def test_only_labels_of_the_protocol_have_probabilities() -> None:
    protocol = discover().protocols["expression/ferplus/majority-8"]
    assert disclosure.in_trials(protocol, {"p.contempt": np.zeros(2, np.float32)}) == ""
    assert disclosure.in_trials(protocol, {"p.e07": np.zeros(2, np.float32)})


@pytest.mark.parametrize(
    "text",
    ["/home/alice/x.jpg", "in ~/faces", "at /Users/Alice/x", r"C:\faces\x.jpg", r"\\server\faces", "(/tmp/x)"],
)
def test_a_path_of_somebodys_machine_is_found(text: str) -> None:
    assert disclosure.PLACE.search(text)


@pytest.mark.parametrize(
    "text",
    ["https://example.org/home/x", "n/a", "AMD 3020e w/ Radeon", "too dark", "anger/fear", str(Path("a/home/b"))],
)
def test_other_texts_are_none(text: str) -> None:
    assert not disclosure.PLACE.search(text)

"""Each rule of FER+ leaves as many test pictures as it is known to, and is what its owner's code does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.protocols import PROTOCOLS
from bench.protocols.ferplus_rules import EXPRESSIONS, RULES

# Test pictures by label, in the order of EXPRESSIONS; then how many of seven classes.
COUNTS = {
    "majority": ((1090, 893, 396, 384, 273, 18, 83, 16), 3137),
    "majority-raw": ((936, 872, 341, 295, 219, 7, 50, 9), 2720),
    "probability": ((1251, 925, 435, 435, 320, 22, 92, 25), 3480),
    "multi-target": ((1243, 921, 438, 434, 302, 21, 90, 23), 3449),
    "argmax-10": ((1262, 928, 444, 444, 325, 23, 93, 27), 3519),
    "argmax-8": ((1278, 929, 446, 448, 326, 23, 94, 29), 3544),
    "unique-mode": ((1166, 909, 421, 424, 316, 22, 92, 26), 3350),
}


@pytest.mark.realdata_smoke
@pytest.mark.parametrize("rule", RULES)
def test_as_many_test_pictures_survive_a_rule_as_are_known_to(rule: str, data_root: Path) -> None:
    eight, seven = (PROTOCOLS[f"expression/ferplus/{rule}-{n}"] for n in (8, 7))
    content = eight.read(data_root)
    counted = Counter(content.truth.labels[i] for i in content.truth.truth.tolist())
    assert tuple(counted[label] for label in EXPRESSIONS) == COUNTS[rule][0]
    assert content.trials_sha256 == eight.trials_sha256
    assert len(seven.read(data_root).samples) == COUNTS[rule][1]


@pytest.mark.realdata_smoke
def test_the_copies_of_the_owners_splits_are_those_of_the_table(data_root: Path) -> None:
    content = PROTOCOLS["expression/ferplus/majority-raw-8"].read(data_root)
    repeats = content.truth.repeats()
    seen = Counter(repeats.seen.get(sample.name, "") for sample in content.samples)
    assert repeats.known and len(repeats.seen) == 314
    assert (seen["train"], seen["train"] + seen["valid"]) == (215, 237)


@pytest.mark.realdata_smoke
def test_ferbenchs_list_is_read(data_root: Path) -> None:
    content = PROTOCOLS["expression/ferbench/ferplus"].read(data_root)
    assert len(content.samples) == 3573
    assert content.trials_sha256 == PROTOCOLS["expression/ferbench/ferplus"].trials_sha256


@pytest.mark.parametrize(
    ("votes", "labels"),
    [  # majority, probability, multi-target, argmax-8, argmax-10, majority-raw, unique-mode
        ((8, 2, 0, 0, 0, 0, 0, 0, 0, 0), ("neutral",) * 7),
        ((5, 1, 1, 1, 1, 1, 0, 0, 0, 0), ("neutral",) * 5 + ("", "neutral")),  # single votes are dropped
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), ("", "neutral", "neutral", "neutral", "neutral", "", "")),
        ((0, 0, 0, 0, 0, 0, 0, 0, 6, 4), ("", "", "", "neutral", "", "", "")),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), ("", "", "", "neutral", "neutral", "", "")),
        ((4, 0, 0, 0, 0, 0, 0, 0, 6, 0), ("", "", "", "neutral", "", "", "")),
        ((5, 0, 0, 0, 0, 0, 0, 0, 5, 0), ("", "", "neutral", "neutral", "neutral", "", "")),
        ((0, 4, 3, 3, 0, 0, 0, 0, 0, 0), ("", "happiness", "happiness", "happiness", "happiness", "", "happiness")),
    ],
)
def test_votes_become_the_label_that_a_rule_gives_them(votes: tuple[int, ...], labels: tuple[str, ...]) -> None:
    assert tuple(rule(votes) for rule in RULES.values()) == labels

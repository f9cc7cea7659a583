"""All randomness comes from the operating system."""

from __future__ import annotations

import ast
from pathlib import Path

import facebench_pura
import pytest
from facebench_pura import randomness

SOURCES = sorted(Path(facebench_pura.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_module_uses_a_generator_that_can_be_predicted(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [getattr(node, "attr", ""), getattr(node, "id", "")]
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names += [str(node.module), *(alias.name for alias in node.names)]
        assert not {"random", "random_state", "mpz_urandomb", "mpz_random", "default_rng", "RandomState"} & set(names)


def test_only_one_module_draws() -> None:
    drawing = {path.stem for path in SOURCES if "randbits" in path.read_text() or "urandom" in path.read_text()}
    assert drawing == {"randomness"}


def test_digits_fill_their_width_and_no_more() -> None:
    digits = randomness.digits(4000, 5, 13)
    assert digits.shape == (4000, 3)
    assert set(digits[:, 0].tolist()) == set(range(32))
    assert set(digits[:, 2].tolist()) == set(range(8))


def test_a_log_uniform_value_stays_in_its_range_and_reaches_every_octave() -> None:
    lengths = {int(randomness.log_uniform(5, 4)).bit_length() for _ in range(400)}
    assert lengths == {6, 7, 8, 9}


def test_a_log_uniform_value_falls_below_the_middle_of_its_octave_as_often_as_logarithms_do() -> None:
    low = sum(randomness.log_uniform(20, 1) < 3 << 19 for _ in range(4000))
    assert 0.585 - 0.05 < low / 4000 < 0.585 + 0.05  # log2(3/2) = 0.585; a uniform draw gives 0.5


def test_a_unit_is_invertible() -> None:
    assert {int(randomness.unit(15)) for _ in range(300)} == {1, 2, 4, 7, 8, 11, 13, 14}

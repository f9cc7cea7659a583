"""The method plays by the rules; whether it is any good is for a board to say."""

from __future__ import annotations

import bench


# A rule that it is known to break goes here with the reason: known={"batches": "batch norm, as published"}.
@bench.parametrize_with_checks(["example"])
def test_it_plays_by_the_rules(check):
    check()

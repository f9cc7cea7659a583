"""The boards hold on real data: what they show is what asking again gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bench
from bench.answers import read_table

BOARD = Path(__file__).resolve().parent.parent / "leaderboards" / "verification" / "lfw" / "view2-arcface112"
ALIGNED = "verification/lfw/view2-arcface112"
NEAR = 1e-4  # of a cosine, between processors
A_PAIR = 1 / 6000
EACH = 10


def first_of_each_group(trials: dict[str, np.ndarray], count: int) -> np.ndarray:
    """Positions of each fold's first ``count`` mated and non-mated pairs: those that a limited run keeps."""
    groups = trials["fold"].astype(int) * 2 + trials["mated"]
    seen = np.zeros(groups.max() + 1, int)
    kept = []
    for position, group in enumerate(groups):
        seen[group] += 1
        if seen[group] <= count:
            kept.append(position)
    return np.array(kept)


@pytest.mark.realdata_smoke
def test_the_first_pairs_of_every_fold_score_as_on_the_board(
    tmp_path: Path, data_root: Path, models_root: Path
) -> None:
    limited = {"limit": 20 * EACH, "out": tmp_path, "data": data_root, "models": models_root}
    (result,) = bench.run(ALIGNED, "mobilefacenet", **limited)
    again = read_table(next(tmp_path.rglob("trials.parquet")))
    board = read_table(BOARD / "mobilefacenet.trials.parquet")
    kept = first_of_each_group(board, EACH)
    assert not result.official
    assert again["mated"].tolist() == board["mated"][kept].tolist()
    assert again["score"] == pytest.approx(board["score"][kept], abs=NEAR)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("method", "exact", "insightface"),
    [("mobilefacenet", 0.9947, 0.9943), ("mobilefacenet:flip=off", 0.9933, 0.9930)],
)
def test_accuracy_is_within_two_pairs_of_an_independent_script(
    method: str, exact: float, insightface: float, tmp_path: Path, data_root: Path, models_root: Path
) -> None:
    (result,) = bench.run(ALIGNED, method, out=tmp_path, data=data_root, models=models_root)
    for metric, expected in (("accuracy", exact), ("accuracy_insightface", insightface)):
        score = result.score(metric)
        assert score is not None and score.value == pytest.approx(expected, abs=2 * A_PAIR + 5e-5), metric

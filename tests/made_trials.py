"""Verification trials drawn at random, for tests of what is read from trials."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers import joined

SHOTS = 3


def made_trials(seed: int, people: int = 12, folds: int = 3, fitted: bool = False, pairs: int = 60) -> dict[str, Any]:
    """Trials as bench.tasks.verification judges them, ``pairs`` a fold; some images have no vector."""
    generator = np.random.default_rng(seed)
    samples = np.arange(people * SHOTS)
    subject = samples // SHOTS
    reference, probe, fold = [], [], []
    for k in range(folds):
        inside = samples[subject % folds == k]
        for i in range(pairs):
            a = generator.choice(inside)
            others = inside[(subject[inside] == subject[a]) == bool(i % 2)]
            reference.append(a)
            probe.append(generator.choice(others[others != a]))
            fold.append(k)
    a, b, fold_of = np.array(reference, np.int32), np.array(probe, np.int32), np.array(fold, np.int16)
    mated = subject[a] == subject[b]
    failed = generator.random(len(samples)) < 0.05
    table = {
        "trial": np.arange(len(a), dtype=np.int32),
        "fold": fold_of,
        "mated": mated,
        "reference": a,
        "reference_subject": subject[a].astype(np.int32),
        "probe": b,
        "probe_subject": subject[b].astype(np.int32),
    }
    reasons = {side: ["too dark" if failed[i] else "" for i in rows] for side, rows in (("reference", a), ("probe", b))}
    gone = failed[a] | failed[b]

    def scored() -> dict[str, Any]:
        score = np.where(gone, -np.inf, np.round(generator.normal(1.5 * mated, 1), 2))
        failures = {f"{side}_failure": list(given) for side, given in reasons.items()}
        return {**table, "score": score, **failures}

    if not fitted:
        return scored()
    return joined({"model": np.full(len(a), k, np.int16), **scored()} for k in range(folds))


def own_rows(trials: dict[str, Any]) -> list[dict[str, Any]]:
    """One dict a pair, as its own fold's model compared it."""
    rows = [dict(zip(trials, row, strict=True)) for row in zip(*trials.values(), strict=True)]
    return sorted((row for row in rows if row.get("model", row["fold"]) == row["fold"]), key=lambda row: row["trial"])

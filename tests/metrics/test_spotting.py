"""Official counts are those of a slow transcription of the script's loop; strict ones are what they should be."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.metrics import metric
from bench.metrics.spotting import Span, Spotting, Video, analysis

NAMES = ("negative", "positive", "surprise", "others")


def made(videos: list[Video], classes: tuple[str, ...] = NAMES[:3]) -> Spotting:
    return Spotting(videos, classes)


def value(spotting: Spotting, name: str) -> float:
    return metric(name).compute(spotting).value


def counts(spotting: Spotting, prefix: str = "") -> tuple[float, ...]:
    return tuple(value(spotting, f"{prefix}{name}") for name in ("tp", "fp", "fn"))


def span(onset: int, offset: int, emotion: str = "negative") -> Span:
    return Span(onset, offset, emotion)


def iou(p: Span, g: Span) -> float:
    a, b = set(range(p.onset, p.offset + 1)), set(range(g.onset, g.offset + 1))
    return len(a & b) / len(a | b)


def script(videos: list[Video], classes: tuple[str, ...]) -> dict[str, float]:
    """The script's loops, a line at a time and as slow as they are."""
    tp = fp = fn = 0
    truths, answers = [], []
    subjects = []
    for video in videos:
        if video.found and video.subject not in subjects:
            subjects.append(video.subject)
    for subject in subjects:
        for video in [v for v in videos if v.subject == subject and v.truth]:
            used: set[int] = set()
            for p in video.found:
                hit = False
                for i, g in enumerate(video.truth):
                    if iou(p, g) >= 0.5 and i not in used:
                        tp += 1
                        used.add(i)
                        hit = True
                        truths.append(g.emotion)
                        answers.append(p.emotion)
                if not hit:
                    fp += 1
            fn += len(video.truth) - len(used)
    precision = tp / (tp + fp) if tp + fp else 0
    recall = tp / (tp + fn) if tp + fn else 0
    f1_spotting = 2 * precision * recall / (precision + recall) if precision + recall else 0
    kept = [(t, a) for t, a in zip(truths, answers, strict=True) if t in classes]
    columns = []
    for emotion in classes:
        met = Counter((t == emotion, a == emotion) for t, a in kept)
        hits, false, missed = met[True, True], met[False, True], met[True, False]
        if len({side for pair in met for side in pair}) < 2:  # its confusion matrix is one by one
            hits = false = missed = 0
        p = hits / (hits + false) if hits + false else 0
        r = hits / (hits + missed) if hits + missed else 0
        columns.append((p, r, 2 * p * r / (p + r) if p + r else 0))
    p, r, uf1 = (sum(column) / len(classes) for column in zip(*columns, strict=True))
    f1_analysis = 2 * p * r / (p + r) if p + r else 0  # the script: NaN
    return {
        **{"tp": tp, "fp": fp, "fn": fn, "f1_spotting": f1_spotting, "f1_analysis": f1_analysis},
        **{"uf1_analysis": uf1, "uar_printed": p, "strs": f1_spotting * f1_analysis},
    }


def spans(generator: random.Random, most: int) -> tuple[Span, ...]:
    starts = [generator.randrange(24) for _ in range(generator.randint(0, most))]
    return tuple(span(s, s + generator.randrange(8), generator.choice(NAMES)) for s in starts)


def table(generator: random.Random) -> list[Video]:
    return [
        Video(generator.randrange(3), "", spans(generator, 3), spans(generator, 3))
        for _ in range(generator.randint(1, 5))
    ]


def test_ten_thousand_random_tables_are_counted_as_a_slow_transcription_of_the_script_does() -> None:
    generator = random.Random(0)
    for _ in range(10_000):
        videos = table(generator)
        classes = NAMES[: generator.randint(1, 4)]
        spotting = made(videos, classes)
        for name, expected in script(videos, classes).items():
            assert value(spotting, name) == pytest.approx(expected), (name, videos, classes)


def test_strict_matching_finds_no_fewer_where_nothing_found_fits_two_truths() -> None:
    generator, compared = random.Random(1), 0
    for _ in range(5_000):
        videos = table(generator)
        if any(sum(iou(p, g) >= 0.5 for g in v.truth) > 1 for v in videos for p in v.found):
            continue
        compared += 1
        spotting = made(videos)
        assert value(spotting, "strict.tp") >= value(spotting, "tp")
    assert compared > 1000


def test_officially_one_found_interval_counts_twice_where_it_fits_two_truths() -> None:
    spotting = made([Video(0, "", (span(0, 4), span(5, 9)), (span(0, 9),))])
    assert counts(spotting) == (2, 0, 0)
    assert counts(spotting, "strict.") == (1, 0, 1)


def test_strict_matching_finds_a_pairing_that_the_tables_order_hides() -> None:
    spotting = made([Video(0, "", (span(0, 9), span(4, 13)), (span(2, 11), span(0, 7), span(6, 13)))])
    assert value(spotting, "strict.tp") == 2
    crossed = made([Video(0, "", (span(0, 9), span(4, 13)), (span(2, 11), span(0, 9)))])
    assert counts(crossed) == (2, 1, 0)  # the first takes both, the second nothing
    assert counts(crossed, "strict.") == (2, 0, 0)


def test_a_subject_without_any_found_interval_is_officially_ignored() -> None:
    spotting = made([Video(0, "", (span(0, 9),), (span(0, 9),)), Video(1, "", (span(0, 9),), ())])
    assert counts(spotting) == (1, 0, 0)
    assert counts(spotting, "strict.") == (1, 0, 1)


def test_what_is_found_in_a_video_without_truth_is_officially_no_error() -> None:
    spotting = made([Video(0, "", (span(0, 9),), (span(0, 9),)), Video(0, "", (), (span(0, 9),))])
    assert counts(spotting) == (1, 0, 0)
    assert counts(spotting, "strict.") == (1, 1, 0)


def test_officially_only_right_answers_of_one_class_are_worth_nothing_and_it_says_so() -> None:
    spotting = made([Video(0, "", (span(0, 9),), (span(0, 9),))])
    score = metric("strs").compute(spotting)
    assert (score.value, score.note) == (0, "the official script prints NaN")
    assert value(spotting, "strict.strs") == 1


def test_a_true_class_of_which_nothing_was_spotted_counts_0_strictly_and_one_that_is_nowhere_does_not() -> None:
    videos = [Video(0, "", (span(0, 9), span(20, 29, "surprise")), (span(0, 9),))]
    assert value(made(videos), "strict.uar") == 0.5
    assert value(made(videos, NAMES[:2]), "strict.uar") == 1


def test_a_pair_of_another_emotion_is_spotted_and_not_analysed() -> None:
    spotting = made([Video(0, "", (span(0, 9), span(20, 29, "others")), (span(0, 9), span(20, 29)))])
    assert value(spotting, "strict.tp") == 2
    assert analysis(spotting.tally("strict"), "strict").counts == (1, 0, 0)


def test_an_answer_of_another_emotion_is_a_miss_and_no_false_alarm() -> None:
    videos = [Video(0, "", (span(0, 9), span(20, 29)), (span(0, 9), span(20, 29, "others")))]
    assert analysis(made(videos).tally("strict"), "strict").counts == (1, 0, 1)


def test_micro_and_macro_are_counted_apart_and_pooled() -> None:
    videos = [
        Video(0, "micro", (span(0, 9),), (span(0, 9), span(50, 59))),
        Video(0, "macro", (span(20, 89), span(100, 189)), (span(20, 89),)),
    ]
    spotting = made(videos)
    assert counts(spotting, "micro.") == counts(spotting, "strict.micro.") == (1, 1, 0)
    assert counts(spotting, "macro.") == (1, 0, 1)
    assert counts(spotting) == (2, 1, 1)
    assert value(spotting, "micro.f1_spotting") == pytest.approx(2 / 3)


def test_silence_on_one_type_counts_in_the_figures_of_both() -> None:
    def videos(macro_found: tuple[Span, ...]) -> list[Video]:
        return [
            video
            for subject in range(3)
            for video in (
                Video(subject, "micro", (span(0, 9),), (span(0, 9),), f"video {subject}"),
                Video(subject, "macro", (span(20, 89), span(100, 189)), macro_found, f"video {subject}"),
            )
        ]

    silent = made(videos(()))
    assert counts(silent) == counts(silent, "strict.") == (3, 0, 6)
    assert counts(silent, "macro.") == (0, 0, 0), "a table of macros alone has no subject of which anything was found"
    assert counts(made(videos((span(300, 309),)))) == (3, 3, 6)


def test_officially_a_find_of_one_type_is_an_error_where_the_video_has_another() -> None:
    both = [Video(0, "micro", (), (span(0, 9),), "a"), Video(0, "macro", (span(20, 89),), (span(20, 89),), "a")]
    assert counts(made(both)) == (1, 1, 0)
    assert counts(made(both), "micro.") == (0, 0, 0)


def test_a_draw_of_subjects_is_a_table_with_them_so_often() -> None:
    generator = random.Random(2)
    for _ in range(300):
        videos = table(generator)
        spotting = made(videos)
        drawn = [generator.randrange(3) for _ in spotting.subjects]
        again = [
            Video(10 * v.subject + copy, v.type, v.truth, v.found)
            for v in videos
            for copy in range(drawn[spotting.subjects.tolist().index(v.subject)])
        ]
        repeated, weights = made(again), np.array(drawn, float)
        there = {s.emotion for v in videos for s in v.truth} == {s.emotion for v in again for s in v.truth}
        for name in ("strs", "tp", "fp", "fn", "f1_analysis", *(["strict.strs", "strict.uar"] if there else [])):
            assert metric(name).compute(spotting, weights).value == pytest.approx(value(repeated, name)), name


@pytest.mark.realdata_smoke
def test_the_public_reference_pair_gives_the_scripts_figures(data_root: Path) -> None:
    folder = data_root / "micro_expression" / "strs_reference"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    sides = []
    for name in ("gt.csv", "pred.csv"):
        with open(folder / name, newline="", encoding="utf-8-sig") as file:
            sides.append(list(csv.DictReader(file)))
    keys = sorted({(row["subject"], row["video"]) for side in sides for row in side})
    subjects = sorted({subject for subject, _ in keys})
    spotted = [
        Video(subjects.index(key[0]), "", *(tuple(map(_span, (r for r in side if _key(r) == key))) for side in sides))
        for key in keys
    ]
    spotting = made(spotted, tuple(sorted({row["emotion"] for row in sides[0]})))
    assert counts(spotting) == (159, 85, 85)
    rounded = {name: round(value(spotting, name), 4) for name in ("f1_spotting", "f1_analysis", "strs", "uar_printed")}
    assert rounded == {"f1_spotting": 0.6516, "f1_analysis": 0.5927, "strs": 0.3862, "uar_printed": 0.5983}
    assert analysis(spotting.tally("official"), "official").counts == (96, 63, 63)


def _key(row: dict[str, str]) -> tuple[str, str]:
    return row["subject"], row["video"]


def _span(row: dict[str, str]) -> Span:
    return Span(int(row["onset"]), int(row["offset"]), row["emotion"])

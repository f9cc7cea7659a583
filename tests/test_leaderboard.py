"""Boards as pages: who stands where, who is told apart, and that a stranger's text stays text."""

from __future__ import annotations

import itertools
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bench import leaderboard, results
from bench.errors import DataDamaged, MixedProtocols
from bench.leaderboard import Board, Entry
from bench.protocols import PROTOCOLS
from bench.results import SCHEMA, Card, Provenance, Result, Score

PROTOCOL = PROTOCOLS["verification/lfw/view2-arcface112"]
SHOWN = ("stage-3", "stage-1", "stage-99")
GFM = MarkdownIt("commonmark").enable("table")


def score(value: float, spread: float | None = 0.01, **card: Any) -> Score:
    low, high = (None, None) if spread is None else (value - spread, value + spread)
    return Score("accuracy", value, low, high, **{"better": "higher", "unit": "%"} | card)


def made(name: str, *scores: Score, card: dict[str, Any] | None = None, **fields: Any) -> Result:
    """A result with those scores, official unless said otherwise."""
    known: dict[str, Any] = {"licence": "MIT", "trained_on": (), "withdrawn": (), "floor": False}
    known |= {"distribution": "toys", "version": "1", "code": "", "weights": {}}
    source = Provenance(
        "0", "f" * 64, fields.pop("seed", 0), fields.pop("limit", None), 8, 1, "cpu", fields.pop("external", False), ""
    )
    given: dict[str, Any] = {"schema": SCHEMA, "protocol": PROTOCOL.name, "digest": "d" * 64, "official": True}
    given |= {"roles": {"method": (name,)}, "cards": {name: Card(**known | (card or {}))}, "curves": ()}
    given |= {"samples": 1200, "failures": 0, "reasons": {}, "trials_sha256": "", "provenance": source}
    return Result(scores=scores, **given | fields)


def entry(name: str, *scores: Score, **fields: Any) -> Entry:
    return Entry(made(name, *scores, **fields), Path(f"{name}.json"))


def unknown(one: Entry, other: Entry) -> None:
    """No trials are at hand."""


def ranks(board: Board) -> dict[str, str]:
    return {row.entry.result.name: row.rank for row in board.rows}


def page(*entries: Entry, reported: list[dict[str, Any]] | None = None) -> str:
    return leaderboard.markdown(leaderboard.rank(entries, unknown), PROTOCOL, reported or [])


def cells(text: str, method: str) -> list[list[str]]:
    """The table rows of a method."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {method} ") or f"| {method} " in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# Who stands where.


def test_methods_stand_by_the_headline_in_its_own_direction() -> None:
    three = [entry("low", score(0.5)), entry("high", score(0.9)), entry("middle", score(0.7))]
    assert list(ranks(leaderboard.rank(three, unknown)).items()) == [("high", "1"), ("middle", "2"), ("low", "3")]
    errors = [
        replace(e, result=replace(e.result, scores=(score(0.3 * i, better="lower"),))) for i, e in enumerate(three)
    ]
    assert list(ranks(leaderboard.rank(errors, unknown))) == ["low", "high", "middle"]


def test_the_order_of_files_does_not_change_a_page() -> None:
    four = [entry(name, score(value)) for name, value in (("a", 0.7), ("b", 0.7), ("c", 0.9), ("d", 0.2))]
    assert len({page(*order) for order in itertools.permutations(four)}) == 1


def test_methods_that_the_paired_test_does_not_tell_apart_share_their_ranks() -> None:
    four = [entry(name, score(value)) for name, value in (("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6))]

    def p_value(one: Entry, other: Entry) -> float:
        return 0.5 if {one.result.name, other.result.name} in ({"b", "c"}, {"c", "d"}) else 0.001

    assert ranks(leaderboard.rank(four, p_value)) == {"a": "1", "b": "2–3", "c": "2–4", "d": "3–4"}


@pytest.mark.parametrize(("p", "first"), [(0.051, "1–2"), (0.049, "1")])
def test_the_paired_test_decides_whatever_the_intervals_say(p: float, first: str) -> None:
    wide, narrow = (
        [entry("a", score(0.9, 0.3)), entry("b", score(0.8, 0.3))],
        [entry("a", score(0.9)), entry("b", score(0.1))],
    )
    for two in (wide, narrow):
        assert ranks(leaderboard.rank(two, lambda one, other: p))["a"] == first


def test_without_trials_intervals_decide_and_without_intervals_values_do() -> None:
    overlap = [entry("a", score(0.9, 0.06)), entry("b", score(0.8, 0.06)), entry("c", score(0.6, 0.06))]
    assert ranks(leaderboard.rank(overlap, unknown)) == {"a": "1–2", "b": "1–2", "c": "3"}
    bare = [entry("a", score(0.9, None)), entry("b", score(0.9, None)), entry("c", score(0.8))]
    assert ranks(leaderboard.rank(bare, unknown)) == {"a": "1–2", "b": "1–2", "c": "3"}


def test_every_rank_is_a_range_that_holds_the_methods_own_place() -> None:
    generator = random.Random(0)
    for _ in range(50):
        many = [entry(str(i), score(generator.random(), generator.random() / 4)) for i in range(8)]
        for place, row in enumerate(leaderboard.rank(many, unknown).rows, 1):
            assert 1 <= row.first <= place <= row.last <= 8


def test_what_is_limited_external_or_of_other_trials_is_kept_apart_with_why() -> None:
    apart = [
        entry("limited", score(0.99), official=False, limit=1600),
        entry("elsewhere", score(0.99), external=True),
        entry("changed", score(0.99), official=False),
    ]
    board = leaderboard.rank([*apart, entry("fine", score(0.6))], unknown)
    assert ranks(board) == {"fine": "1"}
    assert {e.result.name: why for e, why in board.apart} == {
        "limited": "limited to 1,600 trials",
        "elsewhere": "answers made elsewhere",
        "changed": "other trials than the official ones",
    }
    assert "limited to 1,600 trials" in page(*apart, entry("fine", score(0.6))).partition("## Not ranked")[2]


def test_results_of_two_versions_of_a_question_are_not_ranked_together() -> None:
    with pytest.raises(MixedProtocols) as raised:
        leaderboard.rank([entry("a", score(0.9)), entry("b", score(0.9), digest="e" * 64)], unknown)
    assert "a.json" in raised.value.found and "b.json" in raised.value.found


def test_a_board_of_nothing_ranked_is_a_page_all_the_same() -> None:
    board = leaderboard.rank([entry("limited", score(0.9), official=False, limit=16)], unknown)
    assert leaderboard.columns(board) == []
    assert "limited to 16 trials" in leaderboard.markdown(board, None, [])
    assert "| –" in leaderboard.index({board.protocol: board})


# What is printed.


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (score(0.98765, 0.01), "98.77 [97.77, 99.77]"),
        (score(0.5, None), "50.00"),
        (score(0.019, None, bound="at least"), "≥ 1.90"),
        (score(1.0, None, bound="at most"), "≤ 100.00"),
        (score(3.14159, 1.0, unit="bits"), "3.14 [2.14, 4.14]"),
        (Score("bytes.probe", 8210.0, None, None, "lower", "B"), "8,210"),
        (Score("encrypt.seconds", 0.000395, 0.000377, 0.000408, "lower", "s"), "0.000395 [0.000377, 0.000408]"),
        (None, "–"),
    ],
)
def test_a_number_is_shown_in_its_unit_with_interval_or_bound(given: Score | None, text: str) -> None:
    assert leaderboard.number(given, interval=True) == text
    assert leaderboard.number(given) == text.partition(" [")[0]


def test_a_row_shows_rank_headline_standard_error_and_every_other_metric() -> None:
    others = (Score("eer", 0.021, None, None, "lower", "%"), Score("fte", 0.0, None, None, "lower", "%"))
    text = page(entry("mine", score(0.9, standard_error=0.0123), *others))
    head = next(line for line in text.splitlines() if line.startswith("| rank"))
    assert re.split(r"\s*\|\s*", head.strip("| ")) == ["rank", "method", "accuracy [95 %]", "s.e.", "eer", "fte"]
    assert cells(text, "mine")[0] == ["1", "mine", "90.00 [89.00, 91.00]", "1.23", "2.10", "0.00"]


def test_a_method_in_several_rows_has_its_card_once_and_its_failures_summed() -> None:
    text = page(entry("mine", score(0.9), failures=2), entry("mine", score(0.8), seed=1, failures=1))
    assert [row[:2] for row in cells(text, "mine (seed 1)")] == [["2", "mine (seed 1)"]]
    card = [row for row in cells(text, "mine") if row[0] == "mine"]
    assert [row[-1] for row in card] == ["3 of 2,400"]


def test_a_board_that_has_not_room_for_every_metric_shows_those_its_protocol_names() -> None:
    many = [Score(f"stage-{i}", i, None, None, "lower", "s", note="from 2 of 8 rows" * (i == 3)) for i in range(60)]
    board = leaderboard.rank([entry("a", score(0.9), *many[:3]), entry("b", score(0.5), *many)], unknown, SHOWN)
    assert leaderboard.columns(board) == ["accuracy", "stage-3", "stage-1"]
    text = leaderboard.markdown(board, PROTOCOL, [])
    assert "stage-2" not in text and "From 2 of 8 rows (b)." in text
    assert cells(text, "a")[0][3:] == ["–", "1"]


def test_a_noisy_figure_is_marked_and_said_to_be() -> None:
    text = page(entry("mine", score(0.9), Score("encrypt.ratio", 7.0, 5.0, 9.0, "higher", "", note="noisy: quartiles")))
    assert cells(text, "mine")[0][-1] == "7.00 ~" and "~: noisy, quartiles over 10% of the median apart." in text


def test_a_page_names_every_role_that_is_to_be_given() -> None:
    roles = {"method": ("pura",), "reference": ("phe",)}
    assert "--method METHOD --role reference=REFERENCE" in page(entry("mine", score(0.9), roles=roles))


def test_a_metric_that_one_result_lacks_is_a_dash_not_a_number() -> None:
    both = entry("both", score(0.9), Score("eer", 0.02, None, None, "lower", "%"))
    assert cells(page(both, entry("one", score(0.5))), "one")[0][-1].strip("| ") == "–"


def test_floors_licence_training_data_failures_and_what_was_withdrawn_are_shown() -> None:
    card = {"trained_on": ("MS-Celeb-1M", "CASIA"), "withdrawn": ("MS-Celeb-1M",), "licence": "CC-BY-NC-4.0"}
    text = page(entry("net", score(0.9), card=card, failures=7), entry("guess", score(0.5), card={"floor": True}))
    assert "guess (floor)" in text and "net (floor)" not in text
    row = " ".join(cells(text.partition("## Methods")[2], "net")[0])
    assert "CC-BY-NC-4.0" in row and "CASIA" in row and "7 of 1,200" in row and "toys 1" in row
    assert re.search("MS-Celeb-1M.*withdrawn", row)
    assert "nothing" in cells(text.partition("## Methods")[2], "guess")[0]


def test_notes_of_scores_stand_once_below_the_table() -> None:
    noted = score(0.9, note="a rate of 1e-4 needs 30,000 comparisons")
    assert page(entry("a", noted), entry("b", noted)).lower().count("30,000 comparisons") == 1


def test_reported_figures_stand_apart_with_their_source_and_get_no_rank() -> None:
    reported = [{"method": "Big Net", "trained_on": "all", "value": "99.83", "source": "its README"}]
    above, title, below = page(entry("mine", score(0.6)), reported=reported).partition("## Reported elsewhere")
    assert title and "not measured here" in below
    assert "Big Net" not in above and "its README" in below and "99.83" in below
    assert ranks(leaderboard.rank([entry("mine", score(0.6))], unknown)) == {"mine": "1"}


def test_reported_costs_name_the_machine_and_how_they_are_known(tmp_path: Path) -> None:
    row = {"method": "Old", "figure": "82 ms", "hardware": "a laptop", "source": "its README", "trust": "read there"}
    (tmp_path / "reported.toml").write_text("[[row]]\n" + "".join(f'{k} = "{v}"\n' for k, v in row.items()))
    _, title, below = page(entry("mine", score(0.6)), reported=leaderboard.read_reported(tmp_path)).partition("## Rep")
    assert title and all(text in below for text in row.values())
    assert "no rows of the table above and have no ratio" in below and "how it is known" in below


def test_reported_rows_of_two_kinds_are_refused(tmp_path: Path) -> None:
    rows = ("method trained_on value source", "method figure hardware source trust")
    text = "".join("[[row]]\n" + "".join(f'{key} = "x"\n' for key in row.split()) for row in rows)
    (tmp_path / "reported.toml").write_text(text)
    with pytest.raises(DataDamaged, match="figure, hardware, source and trust"):
        leaderboard.read_reported(tmp_path)


def test_a_page_says_limits_data_licence_and_how_to_compute_it_again() -> None:
    text = page(entry("mine", score(0.6)))
    assert PROTOCOL.task.limits in text and PROTOCOL.data.licence in text
    assert "d" * 64 in text and "f" * 64 in text
    assert f"facebench run {PROTOCOL.name}" in text


@pytest.mark.parametrize(
    "text",
    [
        "no = [toml",
        "",
        "row = 5",
        "row = [5]",
        '[[row]]\nmethod = "a"\ntrained_on = ""\nvalue = "1"\n',
        '[[row]]\nmethod = "a"\ntrained_on = ""\nvalue = "1"\nsource = "b"\nextra = 1\n',
    ],
)
def test_reported_figures_without_source_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "reported.toml").write_text(text)
    with pytest.raises(DataDamaged, match="method, trained_on, value and source"):
        leaderboard.read_reported(tmp_path)


def test_a_board_without_reported_figures_has_none(tmp_path: Path) -> None:
    assert leaderboard.read_reported(tmp_path) == []


# Names come from strangers.

HOSTILE = [
    "<script>alert(1)</script>",
    "a | b | c",
    "a \\| b",
    "two\nlines\n# and a title",
    "two\r\n\r\n<b>lines</b>",
    "[click](http://evil.example)",
    "\\[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "`code` <img src=x onerror=alert(1)>",
    "<http://evil.example>",
    "&lt;b&gt; &amp;",
    "\\<b>",
    "- item\n1. item",
    "\u2028# title",
]


def render(text: str) -> str:
    return str(GFM.render(text))


def skeleton(html: str) -> list[str]:
    """The tags of a page, without what stands between them."""
    return re.findall(r"<[^>]*>", html)


PLACES: dict[str, Any] = {
    "method": lambda text: page(entry(text, score(0.9))),
    "licence": lambda text: page(entry("a", score(0.9), card={"licence": text})),
    "training data": lambda text: page(entry("a", score(0.9), card={"trained_on": (text,)})),
    "withdrawn": lambda text: page(entry("a", score(0.9), card={"trained_on": (text,), "withdrawn": (text,)})),
    "plugin": lambda text: page(entry("a", score(0.9), card={"distribution": text})),
    "note": lambda text: page(entry("a", score(0.9, note=text))),
    "headline": lambda text: page(entry("a", replace(score(0.9), metric=text))),
    "metric": lambda text: page(entry("a", score(0.9), replace(score(0.9), metric=text))),
    "digest": lambda text: page(entry("a", score(0.9), digest=text)),
    "not ranked": lambda text: page(entry(text, score(0.9), external=True)),
    "reported": lambda text: page(
        entry("a", score(0.9)), reported=[{"method": text, "trained_on": text, "value": text, "source": text}]
    ),
    "protocol": lambda text: page(entry("a", score(0.9), protocol=text)),
    "leader": lambda text: leaderboard.index({"a/b": leaderboard.rank([entry(text, score(0.9))], unknown)}),
    "headline of the index": lambda text: leaderboard.index(
        {"a/b": leaderboard.rank([entry("a", replace(score(0.9), metric=text))], unknown)}
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_strangers_text_stays_text_wherever_it_stands(place: str) -> None:
    plain = skeleton(render(PLACES[place]("plain")))
    assert [text for text in HOSTILE if skeleton(render(PLACES[place](text))) != plain] == []


def test_a_strangers_text_is_shown_as_it_was_written() -> None:
    shown = render(page(entry("<i>a|b</i>", score(0.9))))
    assert "<td>&lt;i&gt;a|b&lt;/i&gt;</td>" in shown


def test_a_result_that_reads_makes_a_page(runs: Path) -> None:
    found = [Entry(results.read(path), path) for path in sorted(runs.rglob("verification/toy/pairs/*/result.json"))]
    text = leaderboard.markdown(leaderboard.rank(found, unknown), None, [])
    for one in found:
        assert one.result.name in text
        assert json.loads(one.path.read_text())["digest"] == found[0].result.digest

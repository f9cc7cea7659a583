"""Results in the forms that others read: what they hold is read back by those others' own code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from board_copies import FACES, LFW, change, copy
from conftest import Said

from bench import boards, every_eval_ever, exports
from bench.errors import NotPublished, UnknownName, Unpinned, WrongUse
from bench.every_eval_ever import Origin, record
from bench.exports import Asked, eval_results, export, model_card

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BOARD = Asked(f"lab/boards@{COMMIT}", when=1_790_000_000)


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    """The LFW result of this repository."""
    return copy(tmp_path / "boards", LFW, "mobilefacenet") / LFW / "mobilefacenet.json"


@pytest.fixture
def floor(tmp_path: Path) -> Path:
    """A result that is quickly scored."""
    return copy(tmp_path / "boards", FACES, "random") / FACES / "random.json"


# .eval_results.


def test_the_lfw_headline_is_read_back_by_the_hubs_client(lfw: Path) -> None:
    from huggingface_hub import parse_eval_result_entries

    (entry,) = parse_eval_result_entries(yaml.safe_load(export(lfw, "eval-results", BOARD)))
    assert (entry.dataset_id, entry.task_id) == ("lab/boards", "verification-lfw-view2-arcface112")
    assert entry.value == pytest.approx(99.483333) and entry.dataset_revision == COMMIT
    assert entry.source_url == f"https://huggingface.co/datasets/lab/boards/blob/{COMMIT}/{LFW}/mobilefacenet.json"
    assert entry.notes == "accuracy [95 %] 99.48 [99.12, 99.69] of mobilefacenet"


def test_the_task_is_one_that_the_board_declares(lfw: Path) -> None:
    from bench.data_card import eval_yaml

    declared = yaml.safe_load(eval_yaml([LFW, FACES]))
    (row,) = yaml.safe_load(eval_results([boards.entry(lfw)], BOARD))
    assert row["dataset"]["task_id"] in [task["id"] for task in declared["tasks"]]
    assert declared["evaluation_framework"] == "facebench"


@pytest.mark.parametrize("how", [{"better": "lower"}, {"bound": "at least"}])
def test_an_error_rate_or_a_bound_is_no_headline_for_the_hub(floor: Path, how: dict[str, str]) -> None:
    change(floor, lambda data: data["scores"][0].update(how))
    with pytest.raises(WrongUse, match=r"accuracy is (a bound|better when it is lower)"):
        eval_results([boards.entry(floor)], BOARD)


def test_the_board_must_be_named_and_a_branch_is_no_commit(floor: Path) -> None:
    with pytest.raises(WrongUse, match="--board OWNER/NAME"):
        export(floor, "eval-results")
    with pytest.raises(Unpinned, match="'main' is no commit"):
        export(floor, "eval-results", Asked("lab/boards@main"))
    with pytest.raises(WrongUse, match="OWNER/NAME"):
        export(floor, "eval-results", Asked("lab/$(id)"))


def test_what_is_not_fit_for_a_board_is_not_exported(floor: Path) -> None:
    change(floor, lambda data: data["provenance"].update(limit=16))
    for form in exports.FORMATS:
        with pytest.raises(NotPublished, match="limited to 16 trials"):
            export(floor, form, BOARD)


def test_an_unknown_format_gets_the_nearest(floor: Path) -> None:
    with pytest.raises(UnknownName, match="'model-card'"):
        export(floor, "modelcard")


# A model card.


def test_a_model_card_has_a_table_a_board(lfw: Path, floor: Path) -> None:
    text = model_card([boards.entry(lfw), boards.entry(floor)], BOARD)
    lines = text.splitlines()
    assert "| mobilefacenet | 99.48 [99.12, 99.69] | 99.43" in " ".join(" ".join(lines).split())
    assert f"(https://huggingface.co/datasets/lab/boards/blob/{COMMIT}/{LFW}/README.md)" in text
    assert sum(line.startswith("|--") for line in lines) == 2


def test_names_of_strangers_are_escaped_in_a_model_card(floor: Path) -> None:
    name = "<b>x</b>|[a](b)`rm`"
    change(floor, lambda data: data.update(roles={"method": [name]}, cards={name: data["cards"]["random"]}))
    text = model_card([boards.entry(floor)], Asked())
    assert "<b>" not in text and "&lt;b&gt;x&lt;/b&gt;\\|\\[a](b)'rm'" in text


# Every Eval Ever.


def test_the_lfw_result_is_a_record_that_its_own_schema_takes(lfw: Path) -> None:
    import jsonschema

    made = json.loads(export(lfw, "every-eval-ever", BOARD))
    schema = json.loads(every_eval_ever.SCHEMA.read_text("utf-8"))
    assert schema["version"] == made["schema_version"] == "0.3.0"
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(made, schema, jsonschema.Draft7Validator)
    by_name = {row["metric_config"]["metric_name"]: row for row in made["evaluation_results"]}
    assert by_name["accuracy"]["score_details"]["score"] == pytest.approx(0.9948333)
    assert not by_name["accuracy"]["metric_config"]["lower_is_better"]
    assert by_name["eer"]["metric_config"]["lower_is_better"]
    interval = by_name["accuracy"]["score_details"]["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == (pytest.approx(0.9912047), pytest.approx(0.9969414))
    bounded = by_name["fnmr@fmr=1e-4"]["score_details"]
    assert bounded["details"]["bound"] == "at least" and "uncertainty" not in bounded
    assert made["model_info"]["additional_details"]["withdrawn"] == "MS-Celeb-1M (refined)"
    assert made["source_metadata"]["source_organization_name"] == "lab"
    assert made["retrieved_timestamp"] == "1790000000"


def test_every_board_of_this_repository_is_a_record(tmp_path: Path) -> None:
    import jsonschema

    validator = jsonschema.Draft7Validator(json.loads(every_eval_ever.SCHEMA.read_text("utf-8")))
    entries = boards.read_results([Path(boards.__file__).resolve().parent.parent / "leaderboards"])
    for found in entries:
        made = record(found.result, Origin("lab"), 0)
        assert list(validator.iter_errors(made)) == [], found.path


def test_a_record_names_who_hands_it_out(floor: Path) -> None:
    with pytest.raises(WrongUse, match="--organisation or --board"):
        export(floor, "every-eval-ever")
    with pytest.raises(WrongUse, match="first_party, third_party"):
        export(floor, "every-eval-ever", Asked(organisation="lab", relationship="friend"))


def test_a_record_is_of_one_result(tmp_path: Path) -> None:
    folder = copy(tmp_path / "boards", FACES, "constant", "random")
    with pytest.raises(WrongUse, match="It holds 2 results"):
        export(folder, "every-eval-ever", BOARD)


def test_the_command_prints_the_form_alone(floor: Path, said: Said) -> None:
    status, out, _ = said("export", floor, "--format", "every-eval-ever", "--organisation", "lab")
    assert status == 0 and json.loads(out)["model_info"]["name"] == "random"
    status, out, _ = said("export", floor.parent, "--format", "eval-results", "--board", "lab/boards")
    assert status == 0 and yaml.safe_load(out)[0]["value"] == pytest.approx(48.666667)

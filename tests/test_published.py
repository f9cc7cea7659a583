"""A stranger audits boards on the Hub: fetched with an empty cache, recomputed, a sample asked again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from board_copies import FACES, LFW, change, copy
from conftest import Command, Said
from hub_store import Blob, symlink
from loopback_hub import LoopbackHub, lead

from bench import boards as boards_of
from bench import hub as door
from bench import published
from bench.answers import contents_sha256, read_table, write_table
from bench.errors import NotAResult, NotFetched
from bench.published import Finding, audit, fetch, rerun
from bench.submission import pack_results, send, send_pages

REPO = "lab/boards"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as ever, without a wait between them."""
    monkeypatch.setattr(door, "WAITS", (0.0, 0.0))


@pytest.fixture
def boards(hub: LoopbackHub, tmp_path: Path) -> LoopbackHub:
    """A Hub with boards of two floors, their pages written."""
    put(hub, copy(tmp_path / "boards", FACES, "constant", "random"))
    send_pages(REPO)
    return hub


def put(hub: LoopbackHub, folder: Path) -> str:
    """Lay a folder's files into the repository as they are; the commit."""
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return hub.store.put("dataset", REPO, found)


def faults(name: str = REPO) -> dict[str, str]:
    return {
        f"{found.place.rpartition('/')[2]}: {found.check}": found.fault for found in audit(fetch(name)) if found.fault
    }


def tampered(hub: LoopbackHub, path: str, data: bytes, *, large: bool = False) -> None:
    """Change one file on main."""
    hub.store.put("dataset", REPO, {path: Blob(data, large=large)})


def test_the_lfw_result_is_published_by_pull_request_merged_and_audited_with_an_empty_cache(
    hub: LoopbackHub, facebench: Command, tmp_path: Path
) -> None:
    from huggingface_hub import DatasetCard, HfApi

    hub.store.create("dataset", REPO, "owner")
    mine = copy(tmp_path / "mine", LFW, "mobilefacenet")
    sent = facebench("publish", "results", mine, "--to", REPO, "--yes")
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.strip() == f"{hub.endpoint}/datasets/{REPO}/discussions/1"
    assert f"{LFW}/mobilefacenet.trials.parquet" in sent.stderr and "153 kB" in sent.stderr
    HfApi().merge_pull_request(REPO, 1, repo_type="dataset")
    written = facebench("publish", "pages", "--to", REPO, "--yes")
    assert written.returncode == 0, written.stderr
    held = hub.store.repositories["dataset", REPO].resolve("main")
    names = {f"{LFW}/mobilefacenet.json", f"{LFW}/mobilefacenet.trials.parquet", f"{LFW}/README.md"}
    assert set(held.files) == {".gitattributes", "README.md", "eval.yaml", *names}
    assert DatasetCard(held.files["README.md"].data.decode()).data.pretty_name == "facebench boards"
    elsewhere = {"HF_HOME": str(tmp_path / "another-home"), "HF_TOKEN": ""}
    audited = facebench("audit", f"{REPO}@{held.oid}", "--json", **elsewhere)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    checks = [found["check"] for found in json.loads(audited.stdout)]
    assert "accuracy is what the trials give" in checks and "it is what the results give" in checks


def test_boards_that_are_true_have_no_fault(boards: LoopbackHub) -> None:
    found = list(audit(fetch(REPO)))
    assert not [finding for finding in found if finding.fault or finding.skipped]
    pages = {finding.place for finding in found if finding.check == "it is what the results give"}
    assert pages == {"README.md", "eval.yaml", f"{FACES}/README.md"}


def test_an_edited_score_is_found(boards: LoopbackHub, tmp_path: Path) -> None:
    path = tmp_path / "boards" / FACES / "random.json"
    change(path, lambda data: data["scores"][0].update(value=0.99))
    tampered(boards, f"{FACES}/random.json", path.read_bytes())
    found = faults()
    assert "0.99 against" in found["random.json: accuracy is what the trials give"]
    assert "README.md: it is what the results give" in found


def test_trials_of_another_result_are_found(boards: LoopbackHub) -> None:
    held = boards.store.repositories["dataset", REPO].resolve("main").files
    tampered(boards, f"{FACES}/random.trials.parquet", held[f"{FACES}/constant.trials.parquet"].data, large=True)
    assert "is not what it was scored from" in faults()["random.json: its trials are at hand and its own"]


def test_bytes_that_are_not_those_of_the_listing_are_found(boards: LoopbackHub) -> None:
    fetched = fetch(REPO)
    place = fetched.folder / FACES / "random.trials.parquet"
    place.resolve().write_bytes(place.read_bytes() + b" ")
    found = faults()
    assert "listed with" in found["random.trials.parquet: it has its hash"]
    assert "random.json: its trials can be read" in found


def test_trials_that_are_none_or_too_large_are_not_read(boards: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    tampered(boards, f"{FACES}/random.trials.parquet", b"PAR1 and nothing", large=True)
    assert "no parquet" in faults()["random.json: its trials can be read"]
    monkeypatch.setattr(published, "MOST_TRIALS", 1000)
    assert "declare" in faults()["constant.json: its trials can be read"]


def test_trials_that_were_removed_are_missed(boards: LoopbackHub) -> None:
    made = boards.store.repositories["dataset", REPO]
    kept = {
        path: blob for path, blob in made.resolve("main").files.items() if not path.endswith("random.trials.parquet")
    }
    made.commit("refs/heads/main", kept, "removed", "owner")
    assert "random.json: its trials are at hand and its own" in faults()


def test_a_result_in_another_place_or_twice_is_found(boards: LoopbackHub) -> None:
    held = boards.store.repositories["dataset", REPO].resolve("main").files
    tampered(boards, f"{FACES}/best.json", held[f"{FACES}/random.json"].data)
    assert faults()["best.json: it lies in its place"] == f"it belongs to {FACES}/random.json"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (f"{FACES}/face.png", "it was not downloaded"),
        ("answers.npz", "it was not downloaded"),
        ("run.py", "it was not downloaded"),
        ("a$(id).json", "neither letters, digits"),
        ("../up.json", "neither letters, digits"),
    ],
)
def test_what_belongs_on_no_board_is_told_and_not_downloaded(boards: LoopbackHub, path: str, why: str) -> None:
    tampered(boards, path, b"{}")
    boards.requests.clear()
    assert [fault for fault in faults().values() if why in fault]
    assert not [asked for asked in boards.requests if "resolve" in asked and path in asked]


def test_a_link_is_told(boards: LoopbackHub) -> None:
    boards.store.put("dataset", REPO, {f"{FACES}/hosts.json": symlink("/etc/hosts")})
    assert "a link" in faults()["hosts.json: it is a file of a board"]


def test_a_file_that_is_no_result_costs_the_others_nothing(boards: LoopbackHub) -> None:
    tampered(boards, f"{FACES}/notes.json", b"[[[[")
    found = faults()
    assert list(found) == ["notes.json: it is a result"]


def test_a_page_of_no_board_is_found(boards: LoopbackHub) -> None:
    tampered(boards, "verification/README.md", b"# The true board")
    assert list(faults()) == ["README.md: it is what the results give"]


def test_trials_that_cannot_be_scored_end_no_audit(boards: LoopbackHub, tmp_path: Path) -> None:
    folder = tmp_path / "boards" / FACES
    trials = read_table(folder / "random.trials.parquet")
    trials["mated"][:] = True
    write_table(folder / "random.trials.parquet", trials)
    change(folder / "random.json", lambda data: data.update(trials_sha256=contents_sha256(trials)))
    put(boards, tmp_path / "boards")
    found = faults()
    assert "600 mated of 600" in found["random.json: its trials can be scored"]
    assert not [where for where in found if where.startswith("constant")]


def test_a_pull_request_is_audited_before_it_is_merged(boards: LoopbackHub, tmp_path: Path) -> None:
    shipment = pack_results(copy(tmp_path / "more", FACES, "hog"), REPO)
    send(shipment)
    found = list(audit(fetch(f"{REPO}@refs/pr/1")))
    assert f"{FACES}/hog.json" in {f.place for f in found} and not [f for f in found if f.fault]


def test_a_commit_is_audited_as_it_was(boards: LoopbackHub) -> None:
    head = boards.store.repositories["dataset", REPO].resolve("main").oid
    tampered(boards, f"{FACES}/random.json", b"{}")
    assert faults(f"{REPO}@{head}") == {}
    assert faults()


def test_boards_that_are_not_there_are_said_so(boards: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    boards.store.create("dataset", "lab/empty", "owner")
    with pytest.raises(NotAResult, match="no result in it"):
        fetch("lab/empty")
    with pytest.raises(NotFetched, match="does not exist, or is private"):
        fetch("lab/none")
    with pytest.raises(NotFetched, match="no such revision"):
        fetch(f"{REPO}@v9")
    variables = {**boards.environment(), "HF_HOME": os.environ["HF_HOME"], "HF_HUB_OFFLINE": "1"}
    lead(monkeypatch, variables)
    boards.requests.clear()
    with pytest.raises(NotFetched, match="HF_HUB_OFFLINE"):
        fetch(REPO)
    assert not boards.requests


def test_trials_that_no_other_result_has_are_found(boards: LoopbackHub, tmp_path: Path) -> None:
    folder = tmp_path / "boards" / FACES
    copy(tmp_path / "boards", FACES, "hog")
    trials = read_table(folder / "constant.trials.parquet")
    trials["reference"] = trials["reference"][::-1].copy()
    write_table(folder / "constant.trials.parquet", trials)
    change(folder / "constant.json", lambda data: data.update(trials_sha256=contents_sha256(trials)))
    put(boards, tmp_path / "boards")
    found = faults()
    assert found["constant.json: its trials are those of the others"] == "its trials are not those of 2 other results"
    assert not [where for where in found if not where.startswith(("constant", "README"))]


def test_trials_that_may_not_lie_there_are_a_fault_and_without_them_a_score_is_skipped(
    hub: LoopbackHub, runs: Path, official: None, tmp_path: Path
) -> None:
    results = [e for e in boards_of.read_results([runs]) if e.result.protocol.endswith("private")]
    boards_of.into_boards(results, tmp_path / "boards")
    put(hub, tmp_path / "boards")
    send_pages(REPO)
    found = list(audit(fetch(REPO)))
    assert [f.check for f in found if f.skipped] == ["its scores follow from its trials"]
    assert not [f for f in found if f.fault]
    tampered(hub, "verification/toy/private/toy.trials.parquet", results[0].trials.read_bytes())
    assert list(faults()) == ["toy.json: its trials may lie here"]


# Asked again.


def test_a_sample_of_cells_is_asked_again(boards: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fetch(REPO)
    found = list(rerun(fetched, 1))
    assert [(f.check, f.fault, f.skipped) for f in found] == [(published.AGAIN, "", "")]
    assert [f.place for f in rerun(fetched, 1)] == [found[0].place], "the commit draws the sample"
    assert list(rerun(fetched, 0)) == []


def test_a_result_that_comes_out_otherwise_is_a_fault(boards: LoopbackHub, tmp_path: Path) -> None:
    def other(data: dict[str, dict[str, int]]) -> None:
        data["provenance"]["seed"] = 7

    path = change(tmp_path / "boards" / FACES / "random.json", other)
    tampered(boards, f"{FACES}/random.json", path.read_bytes())
    found = {f.place.rpartition("/")[2]: f for f in rerun(fetch(REPO), 2)}
    assert "accuracy is" in found["random.json"].fault and not found["constant.json"].fault


def test_a_cell_whose_method_or_data_are_not_here_is_skipped_saying_why(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = copy(tmp_path / "boards", LFW, "constant")
    copy(folder, FACES, "random")
    change(folder / FACES / "random.json", lambda data: data["cards"]["random"].update(version="9.0"))
    put(hub, folder)
    found = list(rerun(fetch(REPO), 2, data=tmp_path))
    skipped = {f.place.rpartition("/")[2]: f.skipped for f in found}
    assert "was facebench-floors 9.0" in skipped["random.json"]
    assert "lfw" in skipped["constant.json"]
    assert found[-1].skipped == "only 0 could be" and not any(f.fault for f in found)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"batch_size": 1 << 20}, "in batches of 1048576 by 2 threads"),
        ({"threads": 100_000}, "by 100000 threads"),
        ({"threads": -1}, "by -1 threads"),
        ({"external": True}, "made elsewhere"),
    ],
)
def test_nothing_is_asked_again_as_large_as_a_stranger_likes(
    hub: LoopbackHub, tmp_path: Path, how: dict[str, object], why: str
) -> None:
    folder = copy(tmp_path / "boards", FACES, "random")
    change(folder / FACES / "random.json", lambda data: data["provenance"].update(how))
    put(hub, folder)
    (found, _) = rerun(fetch(REPO), 1)
    assert why in found.skipped


def test_only_what_has_a_card_and_can_be_had_is_asked_again(
    hub: LoopbackHub, runs: Path, official: None, tmp_path: Path
) -> None:
    folder = copy(tmp_path / "boards", FACES, "random")

    def align(data: dict[str, dict[str, object]]) -> None:
        data["roles"]["method"] = ["random:align=dlib-5pt"]
        data["cards"] = {"random:align=dlib-5pt": data["cards"]["random"], "random": data["cards"]["random"]}

    change(folder / FACES / "random.json", align)
    toys = [e for e in boards_of.read_results([runs]) if e.result.name == "perfect"]
    boards_of.into_boards(toys, folder)
    put(hub, folder)
    told = " ".join(found.skipped for found in rerun(fetch(REPO), 2))
    assert "lies on this machine alone" in told and "dlib-5pt" in told
    change(folder / FACES / "random.json", lambda data: data["roles"].update(method=["secret-script"]))
    put(hub, folder)
    assert "lacks 'secret-script'" in faults()["random.json: it is a result"]


def test_dropped_trials_are_found_where_the_data_are_at_hand(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = copy(tmp_path / "boards", FACES, "constant")
    path = folder / FACES / "constant.trials.parquet"
    trials = {n: c[::2] for n, c in read_table(path).items()}
    write_table(path, trials)
    change(folder / FACES / "constant.json", lambda data: data.update(trials_sha256=contents_sha256(trials)))
    put(hub, folder)
    (found,) = rerun(fetch(REPO), 1)
    assert "its trials are not those that the data here give" in found.fault


# The command.


def test_the_command_prints_findings_and_ends_accordingly(boards: LoopbackHub, said: Said, tmp_path: Path) -> None:
    status, out, err = said("audit", REPO, "--rerun", "1")
    assert status == 0 and "holds" in out and "fault" not in out and published.AGAIN in out, err
    tampered(boards, f"{FACES}/[red]x.json", b"{}")
    status, out, _ = said("audit", REPO)
    assert status == 1 and "[red]x.json" in out and "fault" in out
    status, out, _ = said("audit", tmp_path / "boards" / FACES / "random.json", "--json")
    assert status == 0 and {f["fault"] for f in json.loads(out)} == {""}
    assert said("audit", "no/such/file.json")[0] == 1


def test_a_finding_is_a_row() -> None:
    assert Finding("a.json", "it holds") == Finding("a.json", "it holds", fault="", skipped="")


def test_packed_results_are_what_an_audit_takes(hub: LoopbackHub, tmp_path: Path) -> None:
    shipment = pack_results(copy(tmp_path / "boards", FACES, "constant"), REPO)
    send(shipment, direct=True)
    assert faults() == {}

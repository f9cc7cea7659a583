"""Results are sent to a data set of boards whole or not at all, and only those that a stranger can ask again."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from board_copies import FACES, change, copy
from conftest import Said
from loopback_hub import GUEST, READER, LoopbackHub, lead

from bench import boards
from bench import hub as door
from bench.answers import contents_sha256, read_table, write_table
from bench.errors import NotFetched, NotPublished, NotWritten
from bench.plugins import CHECKOUT, Plugin, discover
from bench.publish import Shipment
from bench.submission import pack_results, send, send_pages, to_be_had, unavailable

REPO = "lab/boards"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as ever, without a wait between them."""
    monkeypatch.setattr(door, "WAITS", (0.0, 0.0))


@pytest.fixture
def repository(hub: LoopbackHub) -> LoopbackHub:
    """A Hub with an empty data set for boards."""
    hub.store.create("dataset", REPO, "owner")
    return hub


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Two results of floors, as if they had been run here."""
    return copy(tmp_path / "boards", FACES, "constant", "random")


def shipment(board: Path, *methods: str) -> Shipment:
    """What ``pack_results`` makes of these results, without scoring them again."""
    ends = (".json", ".trials.parquet")
    return Shipment(REPO, {f"{FACES}/{m}{end}": board / FACES / f"{m}{end}" for m in methods for end in ends})


def files(hub: LoopbackHub, ref: str = "main") -> set[str]:
    return set(hub.store.repositories["dataset", REPO].resolve(ref).files) - {".gitattributes"}


def told(place: Path) -> str:
    with pytest.raises(NotPublished) as refused:
        pack_results(place, REPO)
    return refused.value.found


# What may be sent.


def test_results_and_trials_go_where_they_lie_on_a_board(board: Path) -> None:
    assert dict(pack_results(board, REPO).files) == dict(shipment(board, "constant", "random").files)
    assert set(pack_results(board / FACES / "random.json", REPO).files) == set(shipment(board, "random").files)


def test_a_partial_run_is_refused(board: Path) -> None:
    change(board / FACES / "random.json", lambda data: data["provenance"].update(limit=16))
    assert "random.json: it is partial, limited to 16 trials" in told(board)


def test_other_trials_than_the_official_ones_are_refused(board: Path) -> None:
    change(board / FACES / "random.json", lambda data: data.update(official=False))
    assert "its trials are not the official ones" in told(board)


def test_answers_made_elsewhere_are_refused(board: Path) -> None:
    change(board / FACES / "random.json", lambda data: data["provenance"].update(external=True))
    assert "made elsewhere" in told(board)


def test_a_score_that_the_trials_do_not_give_is_refused(board: Path) -> None:
    change(board / FACES / "random.json", lambda data: data["scores"][0].update(value=0.99))
    assert "accuracy is what the trials give: 0.99 against" in told(board)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("cosine", np.zeros((1, 8))),
        ("failure", "x" * 300),
        ("failure", "/home/alice/x.jpg was not read"),
        ("picture", np.array([b"GIF89a"])),
        ("e07", np.array([0.25])),
        ("who", "x"),
    ],
)
def test_trials_with_more_than_scores_are_refused(board: Path, column: str, values: object) -> None:
    path = board / FACES / "random.trials.parquet"
    trials = read_table(path)
    count = len(trials["score"])
    trials[column] = [values] * count if isinstance(values, str) else np.repeat(values, count, axis=0)
    write_table(path, trials)
    digest = contents_sha256(read_table(path)) if column != "picture" else ""
    change(board / FACES / "random.json", lambda data: data.update(trials_sha256=digest))
    assert f"in '{column}'" in told(board)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("platform", "Linux x86_64, /home/alice/cpu, Python 3.11.7"),
        ("platform", "a machine of Alice's"),
        ("platform", f"Linux x86_64, {'x' * 200}, Python 3.11.7"),
        ("data", "lfw of Alice"),
        ("device", "alice-laptop"),
        ("facebench", "/home/alice/facebench"),
        ("packages", {"numpy": "2.0 of Alice"}),
        ("packages", {"/home/alice/numpy": "2.0"}),
    ],
)
def test_a_provenance_that_no_run_writes_is_refused(board: Path, name: str, text: object) -> None:
    change(board / FACES / "random.json", lambda data: data["provenance"].update({name: text}))
    assert "random.json: its provenance has" in told(board / FACES / "random.json")


def test_a_result_of_other_trials_than_those_beside_it_is_refused(board: Path) -> None:
    path = board / FACES / "random.trials.parquet"
    trials = read_table(path)
    trials["probe"] = trials["probe"][::-1].copy()
    write_table(path, trials)
    change(board / FACES / "random.json", lambda data: data.update(trials_sha256=contents_sha256(trials)))
    assert "results differ in what their trials are" in told(board)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"code": "0" * 64}, "is not the one that random was run with"),
        ({"version": "0.0.9"}, "random was facebench-floors 0.0.9, and here it is"),
        ({"weights": {"w.safetensors": "0" * 64}}, "are not those of facebench-floors"),
        ({"distribution": ""}, "comes from a script or a table"),
        ({"distribution": "owner/other"}, "here it is facebench-floors"),
    ],
)
def test_a_method_that_is_not_the_one_here_is_refused(board: Path, how: dict[str, object], why: str) -> None:
    change(board / FACES / "random.json", lambda data: data["cards"]["random"].update(how))
    assert why in told(board)


def test_a_method_that_is_not_here_is_refused(board: Path) -> None:
    def rename(data: dict[str, dict[str, object]]) -> None:
        data["roles"]["method"] = ["<img src=x>"]
        data["cards"]["<img src=x>"] = data["cards"].pop("random")

    change(board / FACES / "random.json", rename)
    assert "<img src=x> of facebench-floors 0.1.0 is not here" in told(board)


def test_a_folder_of_ones_own_is_refused_whatever_its_version(runs: Path, official: None) -> None:
    (entry,) = [e for e in boards.read_results([runs]) if e.result.name == "perfect"]
    why = unavailable("perfect", entry.result.cards["perfect"])
    assert "lies on this machine alone" in why and "facebench publish method" in why
    assert "lies on this machine alone" in told(entry.path)


def test_what_can_be_had_is_told_by_where_it_was_installed_from() -> None:
    ours = next(plugin for plugin in discover().plugins if plugin.distribution == "facebench-floors")
    assert to_be_had(ours)
    assert to_be_had(Plugin("g", "owner/grey", "0" * 40, "hub", "grey", ""))
    assert not to_be_had(Plugin("g", "grey", "1.0", "folder", "grey", "/somewhere/grey"))
    assert not to_be_had(Plugin("g", "no-such-distribution", "1.0", "installed", "grey", ""))


@pytest.mark.parametrize(
    ("told", "had"),
    [
        (None, True),
        ('{"url": "https://example.org/grey.git", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}}', True),
        (f'{{"url": "{(CHECKOUT / "facebench-grey").as_uri()}", "dir_info": {{"editable": true}}}}', True),
        ('{"url": "file:///home/me/grey", "dir_info": {"editable": true}}', False),
        ('{"url": "file:///tmp/grey-1.0-py3-none-any.whl", "archive_info": {}}', False),
        ("{}", False),
        ("[", False),
    ],
)
def test_an_installed_distribution_can_be_had_from_where_pip_got_it(
    told: str | None, had: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "grey_plugin-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: grey-plugin\nVersion: 1.0\n")
    if told is not None:
        (place / "direct_url.json").write_text(told)
    monkeypatch.syspath_prepend(tmp_path)
    assert to_be_had(Plugin("g", "grey-plugin", "1.0", "installed", "grey", "")) is had


def test_trials_that_may_not_be_passed_on_stay_here(runs: Path, official: None) -> None:
    private = next(e for e in boards.read_results([runs]) if e.result.protocol.endswith("private"))
    assert [name.rpartition("/")[2] for name in boards.board_files(private)] == ["toy.json"]


# How it gets there.


def test_a_pull_request_only_adds_and_main_stays(repository: LoopbackHub, board: Path) -> None:
    sent = send(shipment(board, "random"))
    assert sent.url.endswith(f"/datasets/{REPO}/discussions/1") and len(sent.files) == 2
    assert files(repository) == set()
    assert files(repository, "refs/pr/1") == set(shipment(board, "random").files)


def test_what_was_sent_is_not_sent_again(repository: LoopbackHub, board: Path) -> None:
    first = send(shipment(board, "random"))
    assert send(shipment(board, "random")).url == first.url
    assert not send(shipment(board, "random")).files
    assert list(repository.store.repositories["dataset", REPO].pulls) == [1]
    send(shipment(board, "random"), direct=True)
    head = repository.store.repositories["dataset", REPO].resolve("main").oid
    assert send(shipment(board, "random"), direct=True).url == f"{REPO}@{head}"
    assert send(shipment(board, "constant", "random")).files == tuple(sorted(shipment(board, "constant").files))


def test_a_pull_request_of_the_same_title_with_other_files_does_not_count(repository: LoopbackHub, board: Path) -> None:
    send(shipment(board, "random"))
    made = repository.store.repositories["dataset", REPO]
    made.commit("refs/pr/1", {}, "another", "guest")
    assert send(shipment(board, "random")).url.endswith("/discussions/2")


def test_another_result_of_that_name_is_replaced_by_the_owner_only(repository: LoopbackHub, board: Path) -> None:
    send(shipment(board, "random"), direct=True)
    change(board / FACES / "random.json", lambda data: data["provenance"].update(platform="another"))
    with pytest.raises(NotPublished, match=r"(?s)others by these names: .*random\.json.*--direct"):
        send(shipment(board, "constant", "random"))
    assert send(shipment(board, "random"), direct=True).files == (f"{FACES}/random.json",)


def test_a_repository_that_is_not_there_is_made_by_direct_only(hub: LoopbackHub, board: Path) -> None:
    with pytest.raises(NotFetched, match="does not exist, or is private"):
        send(shipment(board, "random"))
    send(shipment(board, "random"), direct=True)
    assert files(hub) == set(shipment(board, "random").files)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_cut_at_any_request_it_leaves_no_half_board(
    repository: LoopbackHub, board: Path, direct: bool, drop: str
) -> None:
    whole = set(shipment(board, "random").files)
    repository.requests.clear()
    send(shipment(board, "random"), direct)
    asked = len(repository.requests)
    assert asked > 4
    for number in range(asked):
        del repository.store.repositories["dataset", REPO]
        repository.store.objects.clear()
        repository.store.create("dataset", REPO, "owner")
        repository.faults.clear()
        repository.fault(".", drop=drop, skip=number)
        try:
            send(shipment(board, "random"), direct)
        except (NotPublished, NotFetched) as error:
            assert error.do, f"request {number}: {error}"
        repository.faults.clear()
        made = repository.store.repositories["dataset", REPO]
        assert files(repository) in (set(), whole), f"request {number}"
        for pull in made.pulls:
            assert files(repository, f"refs/pr/{pull}") in (set(), whole), f"request {number}"
        send(shipment(board, "random"), direct)
        assert files(repository, "main" if direct else f"refs/pr/{len(made.pulls)}") == whole
        assert len(made.pulls) == (0 if direct else 1), f"request {number}"


def test_two_who_write_at_once_both_land_or_one_is_told(repository: LoopbackHub, board: Path) -> None:
    errors: dict[str, NotPublished] = {}
    repository.fault("/preupload/", slow=0.1, times=2)

    def write(method: str) -> None:
        try:
            send(shipment(board, method), direct=True)
        except NotPublished as error:
            errors[method] = error

    threads = [threading.Thread(target=write, args=(method,)) for method in ("constant", "random")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) < 2
    for method, error in errors.items():
        assert "Another commit came first" in str(error) and "run the same command again" in str(error)
        assert not files(repository) & set(shipment(board, method).files)
        send(shipment(board, method), direct=True)
    assert files(repository) == set(shipment(board, "constant", "random").files)


def test_two_who_propose_at_once_both_land(repository: LoopbackHub, board: Path) -> None:
    from huggingface_hub import HfApi

    for method in ("constant", "random"):
        send(shipment(board, method))
    for number in (1, 2):
        HfApi().merge_pull_request(REPO, number, repo_type="dataset")
    assert files(repository) == set(shipment(board, "constant", "random").files)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_reported_and_nothing_was_changed(repository: LoopbackHub, board: Path, status: int) -> None:
    repository.fault("/commit/", status=status, times=99)
    with pytest.raises(NotPublished, match=f"answered {status}"):
        send(shipment(board, "random"))
    repository.faults.clear()
    assert files(repository) == set()
    assert send(shipment(board, "random")).files


@pytest.mark.parametrize("token", [READER, "", "hf_secret_of_nobody"])
def test_who_may_not_write_is_told_what_to_do(
    repository: LoopbackHub, board: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises((NotPublished, NotFetched), match=r"(?s)refused the token.*hf auth login") as refused:
        send(shipment(board, "random"))
    assert "secret" not in str(refused.value)
    assert files(repository) == set()


def test_without_a_network_nothing_is_asked(
    repository: LoopbackHub, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead(monkeypatch, {**repository.environment(), "HF_HOME": os.environ["HF_HOME"], "HF_HUB_OFFLINE": "1"})
    repository.requests.clear()
    for direct in (False, True):
        with pytest.raises((NotPublished, NotFetched), match="HF_HUB_OFFLINE"):
            send(shipment(board, "random"), direct)
    assert not repository.requests


def test_a_guest_proposes_and_does_not_write(
    repository: LoopbackHub, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", GUEST)
    with pytest.raises(NotPublished, match="refused the token"):
        send(shipment(board, "random"), direct=True)
    assert send(shipment(board, "random")).files


# The pages.


def test_pages_are_made_from_the_results_that_are_there(repository: LoopbackHub, board: Path) -> None:
    from huggingface_hub import DatasetCard

    send(shipment(board, "constant", "random"), direct=True)
    assert send_pages(REPO).files == ("README.md", "eval.yaml", f"{FACES}/README.md")
    assert not send_pages(REPO).files
    held = repository.store.repositories["dataset", REPO].resolve("main").files
    card = DatasetCard(held["README.md"].data.decode())
    assert card.data.tags == ["facebench", "leaderboard", "verification"] and "# Boards" in card.text
    assert b"id: verification-synthetic-faces" in held["eval.yaml"].data
    assert b"| random (floor) " in held[f"{FACES}/README.md"].data


def test_pages_do_not_take_the_place_of_their_owners_readme(repository: LoopbackHub, board: Path) -> None:
    send(shipment(board, "random"), direct=True)
    repository.store.put("dataset", REPO, {"README.md": b"---\nlicense: mit\n---\n\n# What we found\n"})
    with pytest.raises(NotWritten, match=r"README\.md among them"):
        send_pages(REPO)
    held = repository.store.repositories["dataset", REPO].resolve("main").files
    assert b"What we found" in held["README.md"].data


def test_pages_do_not_take_the_place_of_their_owners_eval_yaml(repository: LoopbackHub, board: Path) -> None:
    send(shipment(board, "random"), direct=True)
    own = b"name: what we measure\ntasks: []\n"
    repository.store.put("dataset", REPO, {"eval.yaml": own})
    with pytest.raises(NotWritten, match=r"eval\.yaml among them"):
        send_pages(REPO)
    assert repository.store.repositories["dataset", REPO].resolve("main").files["eval.yaml"].data == own


def test_a_merged_result_of_another_name_hides_no_board(repository: LoopbackHub, board: Path) -> None:
    send(shipment(board, "constant", "random"), direct=True)
    data = (board / FACES / "random.json").read_bytes()
    repository.store.put("dataset", REPO, {"x/result.json": data})
    send_pages(REPO)
    held = repository.store.repositories["dataset", REPO].resolve("main").files
    assert b"| constant (floor) " in held[f"{FACES}/README.md"].data


def test_names_of_strangers_are_escaped_on_the_pages(repository: LoopbackHub, board: Path) -> None:
    name = "<script>x</script>|[a](b)`$(id)`"

    def rename(data: dict[str, dict[str, object]]) -> None:
        data["roles"]["method"] = [name]
        data["cards"][name] = data["cards"].pop("random")

    change(board / FACES / "random.json", rename)
    repository.store.put("dataset", REPO, {f"{FACES}/x.json": (board / FACES / "random.json").read_bytes()})
    send_pages(REPO)
    held = repository.store.repositories["dataset", REPO].resolve("main").files
    for page in ("README.md", f"{FACES}/README.md"):
        text = held[page].data.decode()
        assert "<script>" not in text and "&lt;script&gt;x&lt;/script&gt;\\|\\[a](b)'$(id)'" in text


# The command.


def test_the_command_shows_what_it_sends_and_asks(repository: LoopbackHub, board: Path, said: Said) -> None:
    words = ("publish", "results", board / FACES / "random.json", "--to", REPO)
    status, _, err = said(*words)
    assert status == 2 and "--yes" in err and f"{FACES}/random.trials.parquet" in err and "kB" in err
    assert not repository.store.repositories["dataset", REPO].pulls
    status, out, _ = said(*words, "--yes")
    assert status == 0 and "/discussions/1" in out
    status, out, _ = said(*words, "--yes")
    assert status == 0 and "Nothing to do" in out


@pytest.mark.parametrize(
    "words", [("results",), ("pages", "x"), ("method",), ("answers", "x"), ("results", "x", "--to", "a/$(id)")]
)
def test_a_command_that_makes_no_sense_is_refused(words: tuple[str, ...], said: Said, hub: LoopbackHub) -> None:
    status, _, err = said("publish", *words, *([] if "--to" in words else ["--to", REPO]), "--yes")
    assert status == 2 and err
    assert not hub.requests

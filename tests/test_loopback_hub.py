"""The Hub on loopback answers the real clients as the Hub does, and goes wrong on demand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_store import symlink
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from loopback_hub import GUEST, READER, LoopbackHub

REPO = "owner/things"


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    """The real client, as the owner, with a repository of its own."""
    api = HfApi()
    api.create_repo(REPO)
    return api


def add(path: str, data: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, data)


def test_a_repository_is_made_once(api: HfApi) -> None:
    assert api.create_repo(REPO, exist_ok=True).repo_id == REPO
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_repo(REPO)
    assert refused.value.response.status_code == 409
    assert api.model_info(REPO).sha == api.list_repo_refs(REPO).branches[0].target_commit


def test_small_and_large_files_are_written_and_read_back(api: HfApi, hub: LoopbackHub) -> None:
    large = os.urandom(200_000)
    api.upload_file(path_or_fileobj=b"small", path_in_repo="a/small.txt", repo_id=REPO)
    made = api.upload_file(path_or_fileobj=large, path_in_repo="model.safetensors", repo_id=REPO)
    assert any(asked.startswith("PUT /objects/") for asked in hub.requests)
    folder = Path(api.snapshot_download(REPO))
    assert (folder / "a/small.txt").read_bytes() == b"small"
    assert (folder / "model.safetensors").read_bytes() == large
    assert folder.name == made.oid
    rows = {row.path: row for row in api.list_repo_tree(REPO, recursive=True)}
    assert set(rows) == {".gitattributes", "a", "a/small.txt", "model.safetensors"}
    assert rows["model.safetensors"].lfs.size == 200_000
    assert {row.path for row in api.list_repo_tree(REPO)} == {".gitattributes", "a", "model.safetensors"}
    assert [row.path for row in api.list_repo_tree(REPO, "a")] == ["a/small.txt"]


def test_what_did_not_change_is_not_committed_again(api: HfApi, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up/x.safetensors").write_bytes(b"12345")
    (tmp_path / "up/README.md").write_text("---\nlicense: mit\n---\n")
    first = api.upload_folder(folder_path=tmp_path / "up", repo_id=REPO)
    assert api.upload_folder(folder_path=tmp_path / "up", repo_id=REPO).oid == first.oid


def test_a_commit_removes_and_is_refused_when_another_came_first(api: HfApi) -> None:
    first = api.create_commit(REPO, [add("a/1", b"1"), add("a/2", b"2"), add("b", b"3")], commit_message="three")
    api.create_commit(REPO, [CommitOperationDelete("a/")], commit_message="less", parent_commit=first.oid)
    assert api.list_repo_files(REPO) == [".gitattributes", "b"]
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_commit(REPO, [add("b", b"4")], commit_message="late", parent_commit=first.oid)
    assert refused.value.response.status_code == 412
    assert [c.title for c in api.list_repo_commits(REPO)] == ["less", "three", "initial commit"]


def test_a_pull_request_is_seen_and_merged(api: HfApi, tmp_path: Path) -> None:
    guest = HfApi(token=GUEST)
    opened = guest.create_commit(REPO, [add("row.json", b"{}")], commit_message="a row", create_pr=True)
    assert opened.pr_revision == "refs/pr/1"
    assert "row.json" not in api.list_repo_files(REPO)
    assert "row.json" in api.list_repo_files(REPO, revision="refs/pr/1")
    assert Path(guest.hf_hub_download(REPO, "row.json", revision="refs/pr/1")).read_bytes() == b"{}"
    (seen,) = api.get_repo_discussions(REPO)
    assert (seen.num, seen.title, seen.status, seen.author, seen.is_pull_request) == (1, "a row", "open", "guest", True)
    api.comment_discussion(REPO, 1, comment="Thank you.")
    api.merge_pull_request(REPO, 1)
    details = api.get_discussion_details(REPO, 1)
    assert details.status == "merged" and details.merge_commit_oid == api.model_info(REPO).sha
    assert "row.json" in api.list_repo_files(REPO)
    (tmp_path / "up").mkdir()
    (tmp_path / "up/other.json").write_text("{}")
    guest.upload_folder(folder_path=tmp_path / "up", repo_id=REPO, create_pr=True)
    assert [d.num for d in api.get_repo_discussions(REPO, discussion_status="open")] == [2]
    api.change_discussion_status(REPO, 2, "closed")
    assert not list(api.get_repo_discussions(REPO, discussion_status="open"))


def test_two_pull_requests_both_land_unless_they_change_the_same_file(api: HfApi) -> None:
    for number, path in enumerate(("one", "two", "one"), 1):
        api.create_commit(REPO, [add(path, b"%d" % number)], commit_message=path, create_pr=True)
    api.merge_pull_request(REPO, 1)
    api.merge_pull_request(REPO, 2)
    assert {"one", "two"} <= set(api.list_repo_files(REPO))
    assert api.get_discussion_details(REPO, 3).conflicting_files == ["one"]
    with pytest.raises(HfHubHTTPError) as refused:
        api.merge_pull_request(REPO, 3)
    assert refused.value.response.status_code == 409


def test_branches_and_tags_are_revisions(api: HfApi) -> None:
    head = api.model_info(REPO).sha
    api.create_tag(REPO, tag="v1")
    api.create_branch(REPO, branch="work")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=REPO, revision="work")
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    assert {b.name for b in refs.branches} == {"main", "work"} and [t.target_commit for t in refs.tags] == [head]
    assert api.model_info(REPO, revision="v1").sha == head
    assert api.file_exists(REPO, "x", revision="work") and not api.file_exists(REPO, "x")


def test_what_is_absent_is_told_by_its_kind(api: HfApi) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("owner/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="0" * 40)
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(REPO, "none.txt")
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token=False).model_info("owner/none")


def test_rights_are_asked_for(api: HfApi, hub: LoopbackHub) -> None:
    assert api.whoami()["name"] == "owner"
    for token, status in ((READER, 403), (GUEST, 403), (False, 401), ("hf_unknown", 401)):
        with pytest.raises(HfHubHTTPError) as refused:
            HfApi(token=token).create_commit(REPO, [add("x", b"x")], commit_message="x")
        assert refused.value.response.status_code == status
    api.create_repo("lab/shared", private=True)
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token=GUEST).model_info("lab/shared")
    hub.store.repositories["model", REPO].gated = True
    with pytest.raises(GatedRepoError):
        HfApi(token=GUEST).hf_hub_download(REPO, ".gitattributes")


def test_a_cached_file_costs_no_request_and_a_moved_branch_one_more_download(api: HfApi, hub: LoopbackHub) -> None:
    made = api.upload_file(path_or_fileobj=b"one", path_in_repo="x", repo_id=REPO)
    api.hf_hub_download(REPO, "x")
    hub.requests.clear()
    api.hf_hub_download(REPO, "x")
    assert [r.partition(" ")[0] for r in hub.requests] == ["HEAD"]  # the ETag says that it is the same
    hub.requests.clear()
    api.hf_hub_download(REPO, "x", revision=made.oid)
    assert not hub.requests
    api.upload_file(path_or_fileobj=b"two", path_in_repo="x", repo_id=REPO)
    assert Path(api.hf_hub_download(REPO, "x")).read_bytes() == b"two"
    assert get_hf_file_metadata(hf_hub_url(REPO, "x", revision=made.oid)).commit_hash == made.oid


def test_a_download_that_is_cut_goes_on_where_it_was(api: HfApi, hub: LoopbackHub) -> None:
    data = os.urandom(300_000)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.safetensors", repo_id=REPO)
    hub.fault("resolve/.*w.safetensors", method="GET", cut=100_000)
    assert Path(api.hf_hub_download(REPO, "w.safetensors")).read_bytes() == data
    assert not any(fault.times for fault in hub.faults)


def test_faults_strike_as_they_were_ordered(api: HfApi, hub: LoopbackHub) -> None:
    hub.fault("revision/main", status=503, skip=1, times=2)
    api.model_info(REPO, revision="main")
    for _ in range(2):
        with pytest.raises(HfHubHTTPError) as refused:
            api.model_info(REPO, revision="main")
        assert refused.value.response.status_code == 503
    api.model_info(REPO, revision="main")
    hub.fault("/commit/main", drop="before")
    with pytest.raises(Exception, match=r"(?i)disconnected"):
        api.create_commit(REPO, [add("x", b"x")], commit_message="x")
    assert not api.file_exists(REPO, "x")
    hub.fault("/commit/main", drop="after")
    with pytest.raises(Exception, match=r"(?i)disconnected"):
        api.create_commit(REPO, [add("x", b"x")], commit_message="x")
    assert api.file_exists(REPO, "x")
    hub.fault("resolve/main/x", method="GET", slow=0.01)
    assert Path(api.hf_hub_download(REPO, "x")).read_bytes() == b"x"


def test_it_stops_and_starts_again_with_what_it_held(api: HfApi, hub: LoopbackHub) -> None:
    before = api.model_info(REPO).sha
    hub.stop()
    with pytest.raises(Exception, match=r"(?i)refused"):
        api.model_info(REPO)
    hub.start()
    assert api.model_info(REPO).sha == before


def test_a_test_may_lay_down_what_no_client_would(api: HfApi, hub: LoopbackHub) -> None:
    hub.store.put("model", REPO, {"../up.py": b"x", "link": symlink("/etc/hostname")})
    names = [row.path for row in api.list_repo_tree(REPO, recursive=True)]
    assert "../up.py" in names and "link" in names


DATA = """
import pyarrow as pa, pyarrow.parquet as pq, sys, datasets
from huggingface_hub import HfApi
datasets.Dataset.from_dict({"x": [1, 2, 3]}).push_to_hub("owner/table")
sha = HfApi().dataset_info("owner/table").sha
datasets.Dataset.from_dict({"x": [9]}).push_to_hub("owner/table")
print(datasets.load_dataset("owner/table", split="train", revision=sha)["x"][:])
"""


def test_datasets_pushes_and_reads_at_a_commit(hub: LoopbackHub) -> None:
    pytest.importorskip("datasets")
    done = subprocess.run([sys.executable, "-c", DATA], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith("[1, 2, 3]"), done.stderr[-2000:]

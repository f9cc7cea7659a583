"""Runs end to end: methods good and bad, stopped runs, damaged folders."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import suite
from bench.answers import read_table
from bench.errors import (
    ContractBroken,
    DataMissing,
    FacebenchError,
    MethodFailed,
    Mismatch,
    NeedsInstall,
    NotWritten,
    OutOfMemory,
    RunDamaged,
    WrongUse,
)

ALIGNED, RAW = "verification/lfw/view2-arcface112", "verification/lfw/view2"


def one(methods: object, data: Path, out: Path, **settings: object) -> bench.Result:
    (result,) = bench.run(ALIGNED, methods, data=data, out=out, **settings)  # type: ignore[arg-type]
    return result


def value(result: bench.Result, metric: str) -> float:
    score = result.score(metric)
    assert score is not None
    return score.value


def files(folder: Path) -> dict[str, bytes]:
    """What must be the same however often a run was stopped."""
    kept = [p for p in folder.rglob("*") if p.suffix == ".parquet" or p.name == "result.json"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}


def embeddings(out: Path) -> np.ndarray:
    parts = sorted(out.rglob("part-*.parquet"))
    return np.concatenate([read_table(part)["embedding"] for part in parts])


# Good methods, and floors.


def test_a_perfect_method_scores_perfectly(synthetic: Path, tmp_path: Path) -> None:
    result = one("perfect", synthetic, tmp_path)
    assert value(result, "accuracy") == value(result, "tar@far=1e-2") == 1
    assert value(result, "eer") == result.failures == 0


def test_random_and_constant_methods_stay_at_the_floor(synthetic: Path, tmp_path: Path) -> None:
    random_, constant = bench.run(ALIGNED, ["random", "constant"], data=synthetic, out=tmp_path)
    assert 0.2 < value(random_, "accuracy") < 0.8
    assert value(constant, "accuracy") == value(constant, "eer") == 0.5


def test_a_fair_method_lies_between(synthetic: Path, tmp_path: Path) -> None:
    assert 0.5 < value(one("toy", synthetic, tmp_path), "accuracy") <= 1


def test_a_method_that_never_finds_a_face_fails_every_sample_and_is_at_chance(synthetic: Path, tmp_path: Path) -> None:
    result = one("fails-all", synthetic, tmp_path)
    assert result.failures == result.samples == 48
    assert value(result, "fte") == 1
    assert value(result, "accuracy") == 0.5
    assert value(result, "tar@far=1e-2") == 0
    assert result.reasons == {"no embedding": 48}


def test_a_failed_sample_is_counted_and_costs_its_mated_pairs(synthetic: Path, tmp_path: Path) -> None:
    result = one("fails-some", synthetic, tmp_path)
    whole = one("toy", synthetic, tmp_path)
    assert result.samples == whole.samples
    assert 0 < result.failures < result.samples
    assert value(result, "fte") == result.failures / result.samples
    assert value(result, "tar@far=1e-1" if result.score("tar@far=1e-1") else "tar@far=1e-2") < 1


def test_only_the_faces_that_make_a_method_raise_are_failures(synthetic: Path, tmp_path: Path) -> None:
    raised, failed = bench.run(ALIGNED, ["raises-some", "fails-some"], data=synthetic, out=tmp_path)
    assert raised.failures == failed.failures
    assert set(raised.reasons) == {"raised ValueError"}
    assert value(raised, "accuracy") == value(failed, "accuracy")


def test_a_method_may_compare_by_euclidean_distance(synthetic: Path, tmp_path: Path) -> None:
    (result,) = bench.run(ALIGNED, "toy-euclidean", data=synthetic, out=tmp_path)
    trials = read_table(next(tmp_path.rglob("trials.parquet")))
    assert (trials["score"] <= 0).all()
    assert (np.abs(trials["cosine"]) <= 1).all()
    assert value(result, "accuracy_insightface") > 0.5


def test_an_option_is_part_of_a_methods_name(synthetic: Path, tmp_path: Path) -> None:
    result = one("toy-option:loud=on,gain=2", synthetic, tmp_path)
    assert result.roles == {"method": ("toy-option:gain=2.0,loud=on",)}


def test_a_method_made_in_a_script_runs_in_a_worker_too(synthetic: Path, tmp_path: Path) -> None:
    class Mean:
        def embed(self, faces):  # type: ignore[no-untyped-def]
            return np.stack([face.pixels.mean(axis=(0, 1)) for face in faces]).astype(np.float32)

    method = bench.Method(
        name="mean",
        tasks=frozenset({"verification"}),
        inputs=frozenset({"arcface-112"}),
        load=lambda given: Mean(),
    )
    result = one(method, synthetic, tmp_path)
    assert result.failures == 0
    assert result.name == "mean"


# Methods that misbehave end their own cell and no other.

REFUSED = [
    ("raises-always", MethodFailed, "raised RuntimeError"),
    ("raises-in-load", MethodFailed, "my weights are gone"),
    ("wrong-shape", ContractBroken, "shape [8, 64, 1]"),
    ("one-row-short", ContractBroken, "shape [7, 64]"),
    ("wrong-type", ContractBroken, "float64"),
    ("not-an-array", ContractBroken, "object"),
    ("out-of-order", ContractBroken, "Row i must answer record i"),
    ("by-key", ContractBroken, "Row i must answer record i"),
    ("unrepeatable", ContractBroken, "Row i must answer record i"),
    ("exits", MethodFailed, "exit status 3"),
    ("dies", MethodFailed, "exit status 7"),
    ("segfaults", MethodFailed, "SIGSEGV"),
    ("meddles", MethodFailed, "read-only"),
]


@pytest.mark.parametrize(("name", "error", "text"), REFUSED)
def test_a_misbehaving_method_is_refused_with_its_reason(
    name: str, error: type[FacebenchError], text: str, synthetic: Path, tmp_path: Path
) -> None:
    outcomes = list(suite.run_cells(ALIGNED, [name, "toy"], data=synthetic, out=tmp_path))
    assert isinstance(outcomes[0].error, error)
    assert text in str(outcomes[0].error)
    assert outcomes[1].result is not None, "the other cell still runs"


def test_a_method_that_eats_all_memory_is_ended_and_the_reason_named(synthetic: Path, tmp_path: Path) -> None:
    settings = {"data": synthetic, "out": tmp_path, "memory": 400_000_000, "batch_size": 8}
    outcomes = list(suite.run_cells(ALIGNED, ["hungry", "toy"], **settings))  # type: ignore[arg-type]
    assert isinstance(outcomes[0].error, OutOfMemory)
    assert "0.40 GB were allowed" in str(outcomes[0].error)
    assert outcomes[1].result is not None


def test_the_batch_shrinks_where_it_was_left_to_the_harness(synthetic: Path, tmp_path: Path) -> None:
    assert one("hungry-in-large-batches", synthetic, tmp_path).provenance.batch_size == 2
    with pytest.raises(OutOfMemory, match="too many at once"):
        one("hungry-in-large-batches", synthetic, tmp_path, batch_size=8)


def test_what_a_method_prints_goes_to_its_log_within_bounds(synthetic: Path, tmp_path: Path) -> None:
    one("prints", synthetic, tmp_path)
    log = next(tmp_path.rglob("worker.log")).read_text()
    assert "hello from the method" in log
    assert "and from below Python" in log
    assert len(log) <= 1 << 20


def test_a_worker_is_told_no_data_root(synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_DATA", str(synthetic))
    bench.run(ALIGNED, "looks", out=tmp_path)
    assert (embeddings(tmp_path)[:, :2] == [1, 0]).all()


def test_methods_that_do_not_fit_are_refused_before_anything_runs(synthetic: Path, tmp_path: Path) -> None:
    for name, error, text in (
        ("toy-raw", Mismatch, "takes raw inputs; these are arcface-112"),
        ("toy-personality", Mismatch, "answers personality, not verification"),
        ("toy-needs", NeedsInstall, "pip install no_such_package"),
    ):
        with pytest.raises(error) as raised:
            one(name, synthetic, tmp_path)
        assert text in str(raised.value)
    assert not list(tmp_path.iterdir())


# The same question gives the same bytes.


def test_workers_and_threads_of_work_do_not_change_a_bit(synthetic: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("bench.asking.PART", 16)
    one("toy", synthetic, tmp_path / "a", threads=1, batch_size=8)
    one("toy", synthetic, tmp_path / "b", threads=1, batch_size=8, workers=3)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_the_size_of_parts_does_not_change_an_answer(synthetic: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    one("toy", synthetic, tmp_path / "a", batch_size=8)
    monkeypatch.setattr("bench.asking.PART", 8)
    one("toy", synthetic, tmp_path / "b", batch_size=8)
    assert len(list((tmp_path / "b").rglob("part-*"))) == 6
    assert (embeddings(tmp_path / "a") == embeddings(tmp_path / "b")).all()


def test_the_batch_size_changes_embeddings_by_rounding_at_most(synthetic: Path, tmp_path: Path) -> None:
    one("toy", synthetic, tmp_path / "a", batch_size=8)
    one("toy", synthetic, tmp_path / "b", batch_size=5)
    assert np.allclose(embeddings(tmp_path / "a"), embeddings(tmp_path / "b"), rtol=1e-5, atol=1e-5)


def test_a_finished_run_is_read_and_no_worker_started(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = one("toy", synthetic, tmp_path)
    monkeypatch.setattr("bench.worker.Worker.__init__", lambda *a: pytest.fail("a worker was started"))
    assert one("toy", synthetic, tmp_path) == first


def test_seed_and_limit_make_cells_of_their_own(synthetic: Path, tmp_path: Path) -> None:
    bench.run(ALIGNED, "random", data=synthetic, out=tmp_path)
    bench.run(ALIGNED, "random", data=synthetic, out=tmp_path, seed=1)
    bench.run(ALIGNED, "random", data=synthetic, out=tmp_path, limit=16)
    results = [json.loads(p.read_text()) for p in tmp_path.rglob("result.json")]
    assert sorted((r["provenance"]["seed"], r["provenance"]["limit"] or 0) for r in results) == [
        (0, 0),
        (0, 16),
        (1, 0),
    ]
    assert len({r["scores"][0]["value"] for r in results}) > 1


def test_a_changed_data_set_is_not_mixed_with_an_older_run(own: Path, tmp_path: Path) -> None:
    one("toy", own, tmp_path / "out")
    image = next((own / "lfw" / "aligned_112").rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(RunDamaged, match="another data"):
        one("toy", own, tmp_path / "out")


# Stopped runs.


def _start(data: Path, out: Path) -> subprocess.Popen[bytes]:
    words = ["run", ALIGNED, "--method", "slow", "--data", str(data), "--out", str(out), "--batch-size", "4"]
    small = "import bench.asking; bench.asking.PART = 4; from bench.cli import main; main()"
    command = [sys.executable, "-c", small, *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for workers in /proc")
def test_thirty_runs_killed_at_random_moments_end_with_the_same_bytes(synthetic: Path, tmp_path: Path) -> None:
    whole = _start(synthetic, tmp_path / "whole")
    began = time.monotonic()
    assert whole.wait(120) == 0
    length = time.monotonic() - began
    generator = random.Random(0)
    stopped, orphans = 0, []
    for _ in range(30):
        process = _start(synthetic, tmp_path / "stopped")
        time.sleep(generator.uniform(0, length))
        orphans += _children(process.pid)
        process.send_signal(signal.SIGKILL)
        stopped += process.wait(60) == -signal.SIGKILL
        if list((tmp_path / "stopped").rglob("result.json")) and generator.random() < 0.8:
            # Finished: begin again, so that most kills hit a run at work.
            assert files(tmp_path / "stopped") == files(tmp_path / "whole")
            for path in list((tmp_path / "stopped").rglob("*")):
                if path.is_file():
                    path.unlink()
    assert _start(synthetic, tmp_path / "stopped").wait(120) == 0
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    assert stopped >= 10
    time.sleep(1)
    assert not [pid for pid in orphans if Path(f"/proc/{pid}").exists()], "workers end with their harness"


def _folder(out: Path) -> Path:
    return next(out.rglob("header.json")).parent


def test_a_truncated_part_is_named_and_nothing_else_is_lost(synthetic: Path, tmp_path: Path) -> None:
    one("toy", synthetic, tmp_path)
    before = files(tmp_path)
    part = _folder(tmp_path) / "all" / "part-00000.parquet"
    (_folder(tmp_path) / "result.json").unlink()
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(RunDamaged) as raised:
        one("toy", synthetic, tmp_path)
    assert str(part) in str(raised.value)
    part.unlink()
    one("toy", synthetic, tmp_path)
    assert files(tmp_path) == before


def test_a_part_with_a_flipped_bit_is_found(synthetic: Path, tmp_path: Path) -> None:
    one("toy", synthetic, tmp_path)
    (_folder(tmp_path) / "result.json").unlink()
    part = _folder(tmp_path) / "all" / "part-00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 4
    part.write_bytes(data)
    with pytest.raises(RunDamaged):
        one("toy", synthetic, tmp_path)


def test_a_header_of_another_protocol_is_refused(synthetic: Path, tmp_path: Path) -> None:
    one("toy", synthetic, tmp_path)
    header = _folder(tmp_path) / "header.json"
    found = json.loads(header.read_text()) | {"protocol": RAW}
    header.write_text(json.dumps(found))
    before = files(tmp_path)
    with pytest.raises(RunDamaged, match="another protocol"):
        one("toy", synthetic, tmp_path)
    assert files(tmp_path) == before


def test_a_result_that_was_edited_is_not_read_as_finished(synthetic: Path, tmp_path: Path) -> None:
    one("toy", synthetic, tmp_path)
    trials = _folder(tmp_path) / "trials.parquet"
    trials.write_bytes(trials.read_bytes()[:-1])
    with pytest.raises(RunDamaged):
        one("toy", synthetic, tmp_path)


def test_a_second_run_in_the_same_cell_is_refused(synthetic: Path, tmp_path: Path) -> None:
    process = _start(synthetic, tmp_path)
    try:
        deadline = time.monotonic() + 30
        while not list(tmp_path.rglob("header.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(NotWritten, match="Another run is at work"):
            one("slow", synthetic, tmp_path, batch_size=4)
    finally:
        process.wait(60)


def test_a_limit_on_file_sizes_is_named_and_lifting_it_lets_the_run_go_on(synthetic: Path, tmp_path: Path) -> None:
    words = ["run", ALIGNED, "--method", "toy", "--data", str(synthetic), "--out", str(tmp_path / "out")]

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    command = [sys.executable, "-m", "bench", *words]
    full = subprocess.run(command, preexec_fn=little_room, capture_output=True, text=True, timeout=120)
    assert full.returncode == 1
    assert "Shared memory for its inputs could not be had" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 200 kB, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place]).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place  # type: ignore[misc]
    subprocess.run(["umount", place], check=True)


def test_a_full_file_system_ends_the_cell_and_room_lets_it_go_on(
    synthetic: Path, tmp_path: Path, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 170_000)
    with pytest.raises(NotWritten, match="No space left"):
        one("toy", synthetic, small_disk)
    ballast.unlink()
    one("toy", synthetic, small_disk)
    one("toy", synthetic, tmp_path / "elsewhere")
    assert files(small_disk) == files(tmp_path / "elsewhere")


def test_a_folder_that_may_not_be_written_is_named(synthetic: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(NotWritten) as raised:
        one("toy", synthetic, small_disk)
    assert "Read-only" in str(raised.value)
    assert "--out" in str(raised.value)


# Settings and data.


def test_without_a_data_root_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEBENCH_DATA", raising=False)
    with pytest.raises(DataMissing, match="FACEBENCH_DATA"):
        bench.run(ALIGNED, "toy", out=tmp_path)


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"workers": -1}, {"limit": 3}, {"colour": "red"}])
def test_settings_out_of_range_are_wrong_use(setting: dict[str, object], synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongUse):
        one("toy", synthetic, tmp_path, **setting)


def test_a_limit_keeps_folds_and_kinds_even(synthetic: Path, tmp_path: Path) -> None:
    result = one("toy", synthetic, tmp_path, limit=16)
    trials = read_table(next(tmp_path.rglob("trials.parquet")))
    counts = [((trials["fold"] == f) & (trials["mated"] == m)).sum() for f in range(4) for m in (False, True)]
    assert counts == [2] * 8
    assert not result.official


def test_a_result_names_no_person_file_or_folder(synthetic: Path, tmp_path: Path) -> None:
    result = one("fails-some", synthetic, tmp_path)
    table = read_table(next(tmp_path.rglob("trials.parquet")))
    written = result.to_json() + json.dumps({k: [str(x) for x in v] for k, v in table.items()})
    assert "Person" not in written
    assert str(tmp_path) not in written
    assert str(synthetic) not in written

"""The synthetic protocols ask frozen questions about people who are nobody."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from facebench_synthetic import face_protocols, protocols

import bench

NOWHERE = Path("no data root is needed")


@pytest.mark.parametrize("protocol", protocols.facebench_protocols(), ids=lambda p: p.name)
def test_the_trials_are_the_pinned_ones(protocol: bench.Protocol) -> None:
    assert protocol.read(NOWHERE).trials_sha256 == protocol.trials_sha256


def test_the_look_is_the_pinned_one() -> None:
    digest = hashlib.sha256()
    for name in [f"{who}-{shot}" for who in range(8) for shot in range(3)]:
        digest.update(protocols.picture(name).tobytes())
    assert digest.hexdigest() == protocols.LOOK


def test_folds_are_even_and_share_no_person() -> None:
    content = protocols.read_pairs(NOWHERE)
    pairs = content.truth
    assert np.bincount(pairs.fold).tolist() == [60] * 10
    assert [int(pairs.mated[pairs.fold == k].sum()) for k in range(10)] == [30] * 10
    same = pairs.subjects[pairs.reference] == pairs.subjects[pairs.probe]
    assert np.array_equal(same, pairs.mated)
    people = [set(pairs.subjects[pairs.reference[pairs.fold == k]].tolist()) for k in range(10)]
    assert sum(map(len, people)) == len(set().union(*people))


def test_a_gallery_has_searches_for_people_in_it_and_for_others_and_people_to_learn_from() -> None:
    truth = protocols.read_gallery(NOWHERE).truth
    inside = np.isin(truth.subjects[truth.probes], truth.subjects[truth.enrolled])
    assert (len(truth.enrolled), int(inside.sum()), int((~inside).sum()), len(truth.training)) == (60, 180, 180, 360)


def test_a_sample_is_an_aligned_face_under_an_opaque_key() -> None:
    content = protocols.read_pairs(NOWHERE)
    sample = content.samples[5]
    face = sample.read(sample.key)
    assert face.key == "000005" and face.pixels.shape == (112, 112, 3) and face.pixels.dtype == np.uint8
    assert not face.pixels.flags.writeable
    assert np.array_equal(face.pixels, protocols.picture(sample.name))


def test_every_shot_of_a_person_is_another_picture() -> None:
    shots = {protocols.picture(f"3-{shot}").tobytes() for shot in range(protocols.SHOTS)}
    assert len(shots) == protocols.SHOTS


def test_listing_the_protocols_loads_no_numpy() -> None:
    code = "import sys, facebench_synthetic.protocols as p; p.facebench_protocols(); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_the_look_of_the_expressions_is_the_pinned_one_and_each_person_shows_every_one() -> None:
    digest = hashlib.sha256()
    for name in [f"p{who}/{emotion}" for who in range(3) for emotion in face_protocols.EMOTIONS]:
        digest.update(face_protocols.picture(name).tobytes())
    assert digest.hexdigest() == face_protocols.LOOK
    content = face_protocols.EXPRESSIONS.read(NOWHERE)
    assert np.bincount(content.truth.truth).tolist() == [24] * 7
    samples, labels = content.truth.training()
    assert np.bincount(labels).tolist() == [24] * 7
    people = [{sample.name.partition("/")[0] for sample in part} for part in (content.samples, samples)]
    assert not people[0] & people[1]

"""Two server processes answer users, survive what is thrown at them, and keep what was enrolled."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from facebench_pura import keys, messages
from facebench_pura.link import Link
from facebench_pura.messages import HEADER, Kind, Role
from facebench_pura.organisation import Organisation, Setup
from facebench_pura.refusals import ServerLost, ValueRefused

ROWS = np.random.default_rng(1).integers(-128, 128, (5, 12)).tolist()
LIMIT = 20


@pytest.fixture(scope="module")
def enrolled(private: keys.PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    """Servers with the five rows, for tests that leave them as they are."""
    with Organisation(private, tmp_path_factory.mktemp("enrolled"), Setup(threshold=500, window=5)) as organisation:
        organisation.enrol(ROWS)
        yield organisation


def beside(row: list[int]) -> list[int]:
    """A probe at a squared distance of at most 12."""
    return [value - 1 if value > 0 else value + 1 for value in row]


def test_a_user_sends_one_message_and_learns_who_it_is(enrolled: Organisation) -> None:
    organisation = enrolled
    user = organisation.user()
    for place, row in enumerate(ROWS):
        assert user.identify(user.encrypt(beside(row))) == [place]
    stranger = user.encrypt([100, -100] * 6)
    assert user.identify(stranger) == [None]


def test_the_nearest_few_are_told_in_order_and_none_beyond_the_threshold(started) -> None:
    organisation = started(threshold=300)
    rows = [[10 * step] * 2 for step in range(1, 5)]
    organisation.enrol(rows)
    user = organisation.user()
    assert user.identify(user.encrypt([12, 12]), 4) == [0, 1, None, None]


def test_the_threshold_itself_is_accepted(started) -> None:
    organisation = started(threshold=25)
    organisation.enrol([[3, 4]])
    user = organisation.user()
    assert user.identify(user.encrypt([0, 0])) == [0]
    assert user.identify(user.encrypt([0, -1])) == [None]


def test_the_owner_reads_every_distance_in_the_order_of_enrolment(enrolled: Organisation) -> None:
    organisation = enrolled
    probe = organisation.user().encrypt(ROWS[2])
    expected = [sum((x - y) ** 2 for x, y in zip(ROWS[2], row, strict=True)) for row in ROWS]
    assert organisation.decrypt(organisation.distances(probe)) == expected


def test_two_users_at_once_get_their_own_answers(enrolled: Organisation) -> None:
    organisation = enrolled
    users = [organisation.user() for _ in range(2)]

    def ask(turn: int) -> bool:
        user = users[turn % 2]
        return user.identify(user.encrypt(beside(ROWS[turn % 5]))) == [turn % 5]

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(ask, range(8)))


def test_a_server_that_is_asked_before_enrolment_says_so(started) -> None:
    organisation = started()
    with pytest.raises(ValueRefused, match="Nothing is enrolled"):
        organisation.user()


def test_a_row_of_another_dimension_is_refused_and_the_server_goes_on(started) -> None:
    organisation = started()
    organisation.enrol(ROWS[:1])
    with pytest.raises(ValueRefused):
        organisation.enrol([[1, 2, 3]])
    organisation.enrol(ROWS[1:2])
    assert organisation.rows == 2


def paused_query(organisation: Organisation, limit: float = LIMIT) -> tuple[threading.Thread, list[BaseException]]:
    """A query that cannot end, since the second server is stopped in the midst of it."""
    user = organisation.user(limit=limit)
    probe = user.encrypt(ROWS[0])
    os.kill(organisation.processes[1], signal.SIGSTOP)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            user.identify(probe)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, errors


@pytest.mark.parametrize("killed", [0, 1])
def test_a_server_killed_in_the_midst_of_a_query_is_a_clear_error_and_loses_no_enrolment(started, killed: int) -> None:
    organisation = started()
    organisation.enrol(ROWS)
    thread, errors = paused_query(organisation)
    thread.join(0.3)
    assert thread.is_alive()
    os.kill(organisation.processes[killed], signal.SIGKILL)
    thread.join(LIMIT + 5)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [ServerLost]
    assert "enrolment is kept" in str(errors[0])
    os.kill(organisation.processes[1], signal.SIGCONT)
    organisation.restart(killed)
    user = organisation.user()
    assert [user.identify(user.encrypt(row)) for row in ROWS] == [[place] for place in range(5)]


def test_a_server_that_hangs_is_given_up_within_the_users_limit(started) -> None:
    organisation = started()
    organisation.enrol(ROWS[:1])
    thread, errors = paused_query(organisation, limit=0.5)
    thread.join(10)
    os.kill(organisation.processes[1], signal.SIGCONT)
    assert not thread.is_alive() and "within 0.5 s" in str(errors[0])


def test_a_server_that_hangs_is_given_up_by_the_other_server(started) -> None:
    organisation = started(limit=1.0)
    organisation.enrol(ROWS[:1])
    thread, errors = paused_query(organisation)
    thread.join(10)
    os.kill(organisation.processes[1], signal.SIGCONT)
    assert not thread.is_alive() and "the other server was lost" in str(errors[0])


def test_an_organisation_takes_up_what_lies_in_its_folder(started, tmp_path: Path) -> None:
    first = started()
    first.enrol(ROWS[:3])
    first.stop()
    second = started()
    assert second.rows == 3
    second.enrol(ROWS[3:])
    user = second.user()
    assert [user.identify(user.encrypt(row)) for row in ROWS] == [[place] for place in range(5)]


def test_a_damaged_row_stops_the_start_and_is_named(started, tmp_path: Path) -> None:
    organisation = started()
    organisation.enrol(ROWS[:1])
    organisation.stop()
    (row,) = tmp_path.rglob("row-*.bin")
    row.write_bytes(row.read_bytes()[:-40])
    with pytest.raises(ServerLost, match=r"server\.log"):
        started()
    assert "row-00000001.bin" in (tmp_path / "server-1" / "server.log").read_text()


def test_halves_that_do_not_fit_together_are_not_taken_up(started, tmp_path: Path) -> None:
    organisation = started()
    organisation.enrol(ROWS[:2])
    organisation.stop()
    (tmp_path / "server-1" / "row-00000001.bin").unlink()
    with pytest.raises(ValueRefused, match="0 and 1 rows"):
        started()


def test_rows_under_another_key_stop_the_start(started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = started()
    organisation.enrol(ROWS[:1])
    organisation.stop()
    other = keys.generate(512, insecure=True)
    with pytest.raises(ServerLost):
        Organisation(other, tmp_path, organisation.setup)
    assert "another key" in (tmp_path / "server-1" / "server.log").read_text()


def fuzzed(organisation: Organisation, turn: int) -> None:
    """One message that is not what a server expects: noise, a broken greeting, or a broken frame of a real link."""
    index, noise = turn % 2, secrets.token_bytes(1 + secrets.randbelow(400))
    port = organisation.servers[index].port
    if turn % 4 < 2:
        head = HEADER.pack(b"PURA", 1, secrets.randbelow(256), noise[:16].ljust(16, b"."), turn % 3, len(noise))
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.sendall(noise if turn % 8 < 4 else head + noise)
        return
    role = list(Role)[secrets.randbelow(3)]
    with Link.to(port, organisation.keys[role], role, organisation.public, 5) as link:
        kind = list(Kind)[secrets.randbelow(len(Kind))]
        frame = bytearray(messages.frame(link.key, kind, link.session, link.position, noise))
        if turn % 8 < 4:  # sealed garbage of the right place, as from a server gone wrong
            frame[secrets.randbelow(len(frame))] ^= 1 << secrets.randbelow(8)
        link.connection.sendall(frame)


def test_a_thousand_fuzzed_messages_crash_nobody(enrolled: Organisation) -> None:
    organisation = enrolled
    for turn in range(1000):
        fuzzed(organisation, turn)
    assert all(server.process.poll() is None for server in organisation.servers)
    user = organisation.user()
    assert user.identify(user.encrypt(ROWS[4])) == [4]


def test_nothing_secret_is_in_a_log_an_argument_or_a_refusal(started, tmp_path: Path) -> None:
    organisation = started()
    organisation.enrol(ROWS)
    for turn in range(40):
        fuzzed(organisation, turn)
    user = organisation.user()
    os.kill(organisation.processes[1], signal.SIGKILL)
    with pytest.raises(ServerLost) as loss:
        user.identify(user.encrypt(ROWS[0]))
    said = (
        str(loss.value) + repr(organisation.setup) + repr(user) + repr(organisation.shares) + repr(organisation.public)
    )
    said += "".join(path.read_text() for path in tmp_path.rglob("server.log"))
    for told in ("cmdline", "environ"):
        if (path := Path(f"/proc/{organisation.processes[0]}/{told}")).exists():
            said += path.read_text()
    private = organisation.private
    numbers = [private.p, private.q, private.a, private.b, *(share.exponent for share in organisation.shares)]
    texts = [f"{number:x}" for number in numbers] + [str(number) for number in numbers]
    texts += [key.hex() for key in organisation.keys.values()]
    texts += [repr(key)[2:-1] for key in organisation.keys.values()]
    assert not [text for text in texts if text in said]
    assert str(ROWS[0])[1:-1] not in said
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [n for n in numbers if n.to_bytes(-(-int(n.bit_length()) // 8), "big") in written]

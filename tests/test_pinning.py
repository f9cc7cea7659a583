"""A repository is looked at, agreed to and kept at its commit; what a pin does not take is refused."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from hub_plugin import REPO, write_plugin
from hub_store import Blob, pretending, symlink
from loopback_hub import LoopbackHub

from bench import cards, pinning, pins, toml
from bench.errors import NotPinnable, NotPublished, PinBroken, PluginBroken, Unpinned, WrongUse
from bench.pinning import inspect, inspect_update
from bench.plugins import discover
from bench.publish import Shipment, pack_method, publish_method


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own to work in, and the user's pins elsewhere."""
    monkeypatch.setenv("FACEBENCH_PINS", str(tmp_path / "user" / "pins.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def packed(folder: Path, **how: str) -> Shipment:
    return pack_method(write_plugin(folder, **how), REPO)


def put(hub: LoopbackHub, shipment: Shipment, **more: bytes | Blob | None) -> str:
    """Lay a shipment into its repository as nobody's tool would, with files changed or left out."""
    files = {path: data if isinstance(data, bytes) else data.read_bytes() for path, data in shipment.files.items()}
    files |= more  # type: ignore[arg-type]
    return hub.store.put("model", REPO, {path: data for path, data in files.items() if data is not None})


@pytest.fixture
def published(hub: LoopbackHub, tmp_path: Path) -> str:
    """The commit of the plugin, as its author published it."""
    publish_method(packed(tmp_path / "plugin"))
    return hub.store.repositories["model", REPO].refs["refs/heads/main"]


def test_a_pin_is_shown_and_agreed_to(hub: LoopbackHub, published: str, said: Said, tmp_path: Path) -> None:
    status, out, err = said("pin", REPO)
    assert status == 2 and "Programs say --yes" in err and not (tmp_path / "pins.toml").exists()
    status, out, err = said("pin", REPO, "--yes")
    assert status == 0 and out == ""
    for shown in (published, "facebench_grey_hub/network.py", "w.safetensors", "weights", "MIT", "numpy, safetensors"):
        assert shown in err
    kept = tomllib.loads((tmp_path / "pins.toml").read_text())
    (pin,) = kept["pin"]
    assert (pin["repo"], pin["revision"], pin["follows"]) == (REPO, published, "main")
    assert pin["method"][0]["licence"] == "MIT" and set(pin["code"]) >= {"pyproject.toml", "facebench.toml"}


class Terminal(io.StringIO):
    """Where a person types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "kept"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_person_is_asked(
    hub: LoopbackHub,
    published: str,
    said: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    kept: bool,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    status, _, err = said("pin", REPO)
    assert status == 0 and "Pin it? [y/N]" in err
    assert (tmp_path / "pins.toml").exists() is kept


def test_a_card_cannot_colour_what_is_shown(hub: LoopbackHub, said: Said, tmp_path: Path) -> None:
    shipment = packed(tmp_path / "plugin")
    card = shipment.files["facebench.toml"]
    assert isinstance(card, bytes)
    put(hub, shipment, **{"facebench.toml": card.replace(b"grey rows", b"[red]grey[/red] <b>rows</b>")})
    assert "[red]grey[/red] <b>rows</b>" in said("pin", REPO, "--yes")[2]
    discover.cache_clear()
    assert "[red]grey[/red] <b>rows</b>" in said("list", "methods")[1]


def test_a_user_keeps_pins_for_every_project(hub: LoopbackHub, published: str, said: Said, tmp_path: Path) -> None:
    said("pin", REPO, "--yes", "--user")
    assert (tmp_path / "user/pins.toml").exists() and not (tmp_path / "pins.toml").exists()
    assert [p.pin.repo for p in pins.read_all()] == [REPO]
    assert said("pin", REPO, "--remove")[0] == 0
    assert pins.read_all() == [] and said("pin", REPO, "--remove")[0] == 2


def test_an_update_shows_what_changed(hub: LoopbackHub, published: str, said: Said, tmp_path: Path) -> None:
    said("pin", REPO, "--yes")
    assert inspect_update(REPO).changes == ()
    put(hub, pack_method(tmp_path / "plugin", REPO), **{"facebench_grey_hub/more.py": b"x = 1\n"})
    status, out, _ = said("pin", "--check")
    assert status == 0 and "holds" in out and published in out
    assert pins.read_all()[0].pin.revision == published  # nothing moves by itself
    status, _, err = said("pin", REPO, "--update", "--yes")
    assert status == 0 and "facebench_grey_hub/more.py is new" in err
    assert pins.read_all()[0].pin.revision != published
    with pytest.raises(WrongUse, match="not pinned"):
        inspect_update("owner/none")


def test_a_program_reads_what_a_pin_would_hold(hub: LoopbackHub, published: str, said: Said) -> None:
    status, out, _ = said("pin", REPO, "--json", "--yes")
    told = json.loads(out)
    assert status == 0 and told["revision"] == published and told["methods"][0]["name"] == "grey"
    assert {f["path"]: f["part"] for f in told["files"]}["w.safetensors"] == "weights"


def test_listing_and_pinning_run_none_of_its_code(hub: LoopbackHub, said: Said, tmp_path: Path) -> None:
    mark = tmp_path / "was-imported"
    shipment = packed(tmp_path / "plugin", first=f"open({str(mark)!r}, 'w').close()")
    assert mark.exists()  # its author's own machine imports it
    mark.unlink()
    discover.cache_clear()
    put(hub, shipment)
    for words in (
        ["pin", REPO, "--yes"],
        ["list", "methods"],
        ["show", "grey@" + inspect(REPO).pinned.pin.revision[:7]],
    ):
        discover.cache_clear()
        assert said(*words)[0] == 0
    assert said("pin", "--check")[0] == 0 and said("pin", REPO, "--update", "--yes")[0] == 0
    assert not mark.exists()


def test_pickled_weights_want_a_reason_and_a_yes(hub: LoopbackHub, said: Said, tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="neither safetensors nor ONNX"):
        packed(tmp_path / "unsaid", weights="w.bin")
    put(hub, packed(tmp_path / "said", weights="w.bin", pickled="the author's only format"))
    with pytest.raises(NotPinnable, match=r"are pickles(.|\n)*author's only format(.|\n)*--allow-pickle"):
        inspect(REPO)
    status, _, err = said("pin", REPO, "--allow-pickle", "--yes")
    assert status == 0 and "run code when they are read" in err
    place = tmp_path / "pins.toml"
    place.write_text(place.read_text().replace("pickled = true", "pickled = false"))
    with pytest.raises(PinBroken, match="not agreed to"):
        pins.read_all()


@pytest.mark.parametrize(
    ("files", "said_of"),
    [
        ({"link": symlink("/etc/hostname")}, "symbolic link"),
        ({"sub": Blob(b"", kind="commit")}, "neither a file nor a folder"),
        ({"../up.py": b"x"}, "not plain"),
        ({"a b.py": b"x"}, "not plain"),
        ({"$(touch x).py": b"x"}, "not plain"),
        ({"<img src=x>.md": b"x"}, "not plain"),
        ({"w.safetensors": pretending(b"x", 10 << 30)}, r"SHA-256|declares"),
        ({"big.json": Blob(b"{}", declared=10 << 30)}, "declares 10.7 GB"),
        ({"facebench.toml": None}, "it is no plugin"),
        ({"facebench.toml": b"facebench = 1\n"}, "cannot be taken"),
        ({"facebench.toml": b"\xff\xfe"}, "cannot be taken"),
        ({"facebench.toml": b"x = " + b"[" * 20_000}, "cannot be taken"),
        ({"pyproject.toml": b"x = " + b"[" * 20_000}, "names no one module"),
        ({"w.safetensors": b"other"}, "the card says"),
        ({"w.safetensors": None}, "are not in it"),
        ({"pyproject.toml": b"[project]\nname = 'x'\n"}, "names no one module"),
        ({"pyproject.toml": b"[project]\n[project.entry-points.facebench]\na = 'json'\n"}, "no name of its own"),
        ({"pyproject.toml": b"[project]\n[project.entry-points.facebench]\na = 'other'\n"}, "is not in it"),
        ({"pyproject.toml": b"[project]\n[project.entry-points.facebench]\na = 'a.b'\n"}, "no name of its own"),
    ],
)
def test_what_a_pin_does_not_take(
    hub: LoopbackHub, tmp_path: Path, files: dict[str, bytes | Blob | None], said_of: str
) -> None:
    put(hub, packed(tmp_path / "plugin"), **files)
    with pytest.raises(NotPinnable, match=said_of):
        inspect(REPO)
    assert not list(tmp_path.rglob("up.py"))


def test_weights_over_the_limit_want_a_word(hub: LoopbackHub, tmp_path: Path) -> None:
    shipment = packed(tmp_path / "plugin")
    data = (tmp_path / "plugin/w.safetensors").read_bytes()
    put(hub, shipment, **{"w.safetensors": pretending(data, 10 << 30)})
    with pytest.raises(NotPinnable, match="--max-size"):
        inspect(REPO)
    assert inspect(REPO, most=11 << 30).pinned.size > 10 << 30


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "grey"', 'name = "$(id)"'),
        ('name = "grey"', 'name = "<b>"'),
        ('name = "flip"', 'name = "a b"'),
        ('licence = "MIT"', 'licence = "MIT\\u001b[31m"'),
        ('about = "', 'about = "two\\nlines '),
        ("batch = 8", "batch = 0"),
        ("batch = 8", "batch = true"),
        ("batch = 8", "batch = 8\nmore = 1"),
        ("default = false", "default = nan"),
        ('"w.safetensors" = "', '"../w.safetensors" = "'),
        ('"w.safetensors" = "', '"w.bin" = "'),
        ('similarity = "cosine"', 'similarity = "other"'),
        ("facebench = 1", "facebench = 2"),
    ],
)
def test_a_card_is_read_strictly(tmp_path: Path, old: str, new: str) -> None:
    text = packed(tmp_path / "plugin").files["facebench.toml"]
    assert isinstance(text, bytes) and old in text.decode()
    assert [m.name for m in cards.read_cards(text.decode())] == ["grey"]
    with pytest.raises(cards.BadCard):
        cards.read_cards(text.decode().replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("facebench = 1", "facebench = 3"),
        ('kind = "model"', 'kind = "space"'),
        ('follows = "main"', 'follows = "$(id)"'),
        ('module = "facebench_grey_hub"', 'module = "a.b"'),
        ('"pyproject.toml" = "', '"pyproject.toml" = "0'),
        ('sha256 = "', 'sha256 = "0'),
        ("pickled = false", "pickled = 0"),
        ("[[pin]]", "[[pin]]\nmore = 1"),
        ("[[pin]]", "[[pins]]"),
        ("[[pin]]", "[[pin]"),
        ("[[pin]]", f"[[pin]]\nfollows{'.a' * 20_000} = 1"),
        ("[[pin]]", f"x = {'[' * 20_000}"),
    ],
)
def test_pins_are_read_strictly_and_quarantined_where_they_are_not(
    hub: LoopbackHub, published: str, said: Said, tmp_path: Path, old: str, new: str
) -> None:
    said("pin", REPO, "--yes")
    place = tmp_path / "pins.toml"
    assert old in place.read_text()
    place.write_text(place.read_text().replace(old, new, 1))
    with pytest.raises(PinBroken, match="pin again"):
        pins.read(place)
    discover.cache_clear()
    status, out, _ = said("list", "plugins")
    assert status == 0 and "in quarantine" in out and "facebench" in out
    with pytest.raises(PluginBroken, match=r"pins\.toml was read"):
        discover().method(REPO)


@pytest.mark.parametrize("code", [[], "x", 5, [["a"]]], ids=str)
def test_hashes_that_are_no_table_are_refused(hub: LoopbackHub, published: str, code: Any, tmp_path: Path) -> None:
    pinning.pin(inspect(REPO), tmp_path / "pins.toml")
    data = tomllib.loads((tmp_path / "pins.toml").read_text())
    data["pin"][0]["code"] = code
    (tmp_path / "pins.toml").write_text(toml.dump(data))
    with pytest.raises(PinBroken, match="code is no table"):
        pins.read(tmp_path / "pins.toml")


def test_a_pin_of_a_branch_is_refused(hub: LoopbackHub, published: str, said: Said, tmp_path: Path) -> None:
    said("pin", REPO, "--yes")
    place = tmp_path / "pins.toml"
    place.write_text(place.read_text().replace(published, "main"))
    with pytest.raises(PinBroken, match="can change under its name"):
        pins.read(place)


def test_a_check_without_a_network_holds_what_is_cached(hub: LoopbackHub, published: str, said: Said) -> None:
    said("pin", REPO, "--yes")
    hub.stop()
    status, out, err = said("pin", "--check", REPO)
    assert status == 0 and "holds" in out and "is not known" in err


def test_a_revision_is_a_plain_name(hub: LoopbackHub, published: str) -> None:
    for revision in ("$(id)", "a b", "../main", "-f", ""):
        with pytest.raises(WrongUse, match="no plain name"):
            inspect(REPO, revision)


def test_a_data_set_is_pinned_without_code(hub: LoopbackHub, said: Said) -> None:
    commit = hub.store.put("dataset", "owner/table", {"data/a.parquet": b"x"})
    assert said("pin", "owner/table", "--kind", "dataset", "--yes")[0] == 0
    (kept,) = pins.read_all()
    assert (kept.pin.kind, kept.pin.revision, kept.methods) == ("dataset", commit, ())
    assert said("pin", "--check")[0] == 0


def test_a_repository_that_is_not_pinned_is_refused_with_the_command(said: Said) -> None:
    status, _, err = said("run", "verification/lfw/view2-arcface112", "--method", "owner/grey", "--data", ".")
    assert status == 2 and "facebench pin owner/grey" in err
    with pytest.raises(Unpinned):
        discover().method("owner/grey@1a2b3c4:flip=on")

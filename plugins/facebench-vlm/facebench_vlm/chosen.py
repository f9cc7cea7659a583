"""A model that the method's name names: ``vlm:model=…`` takes a folder or a pinned repository, and no card.

The name holds which bytes these are, so that a result and a resumed run know them: ``tiny-fer-vlm@`` and twelve digits
of a digest over the folder's files, or ``OWNER/NAME@`` and seven of the pinned commit. Left out, they are filled in
where the folder or the pin is at hand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bench
from bench import pins
from bench.errors import DataDamaged, NeedsInstall, WrongUse
from bench.hub import REPOSITORY
from bench.pins import Pinned
from facebench_vlm.files import DIGITS, digest, is_read

MODELS = "FACEBENCH_MODELS"
SHORT = 7  # digits of a commit, in a method's name


@dataclass(frozen=True, slots=True)
class ModelOption(bench.Option):
    """The option ``model``; what was typed is completed by what the bytes are."""

    def parse(self, text: str, method: str = "") -> str:
        """``text`` with its digits; raises WrongUse, NeedsInstall or DataDamaged where it is not what is at hand."""
        place, _, told = text.partition("@")
        if REPOSITORY.fullmatch(place):
            return f"{place}@{_pinned(text).pin.revision[:SHORT]}"
        if not place or (told and not re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", told, re.ASCII)):
            raise _refusal(
                text, f"A model is a folder below the models root, a whole path, or OWNER/NAME; {self.about}."
            )
        folder = _folder(place, os.environ.get(MODELS))
        if folder is None or not folder.is_dir():
            return text  # the models root is told later; Chosen.find refuses what is not there then
        return f"{place}@{_checked(folder, text)}"


@dataclass(frozen=True, slots=True)
class Chosen(bench.Folder):
    """The weights that the name of a configured method names."""

    def find(self, models: Path | None, asked_by: str) -> Path:
        """The folder on disk, as ``asked_by``, the configured method as it is typed, names it; its bytes checked.

        Raises NeedsInstall where no model is named or it is absent, and DataDamaged where it has other bytes.
        """
        options = dict(item.partition("=")[::2] for item in asked_by.partition(":")[2].split(","))
        if not (text := options.get("model", "")):
            do = "Write vlm:model=NAME of a folder below --models, or take a card: 'facebench list methods'."
            raise NeedsInstall(f"{asked_by} was to be loaded.", "It names no model.", do)
        place, _, told = text.partition("@")
        if REPOSITORY.fullmatch(place):
            found = _pinned(text)
            files = {name: digest for name, digest in found.files.items() if is_read(name)}
            return bench.Repository(place, files, found.pin, found.size).find(models, asked_by)
        folder = _folder(place, models)
        if folder is None or not folder.is_dir():
            do = "Point --models (or FACEBENCH_MODELS) at the folder that holds it, or write its whole path."
            raise NeedsInstall(f"{asked_by} needs the folder {place}.", "It is not there.", do)
        held = _checked(folder, text)
        if not told:
            do = f"Write model={place}@{held}: a result must know which bytes were asked."
            raise NeedsInstall(f"{asked_by} was to be loaded.", f"The name lacks the digits of {place}.", do)
        return folder


def _folder(place: str, models: str | Path | None) -> Path | None:
    path = Path(place).expanduser()
    if path.is_absolute():
        return path
    return Path(models).expanduser().resolve() / path if models else None


def _checked(folder: Path, text: str) -> str:
    """The folder's digest; raises DataDamaged where ``text`` names another."""
    held, told = digest(folder), text.partition("@")[2]
    if told and told != held:
        do = f"Write model={text.partition('@')[0]}@{held} if that is meant."
        raise DataDamaged(f"The model {text} was asked for.", f"{folder} has the digest {held}.", do)
    return held


def _pinned(text: str) -> Pinned:
    repo, _, told = text.partition("@")
    found: Mapping[str, Pinned] = {each.pin.repo: each for each in pins.read_all() if each.pin.kind == "model"}
    if repo not in found:
        raise NeedsInstall(
            f"The model {text} was asked for.", "That repository is not pinned.", f"facebench pin {repo}"
        )
    if told and not found[repo].pin.revision.startswith(told):
        held = found[repo].pin.revision
        raise WrongUse(
            f"The model {text} was asked for.", f"It is pinned at {held}.", f"Write model={repo}@{held[:7]}."
        )
    return found[repo]


def _refusal(text: str, found: str) -> WrongUse:
    return WrongUse(f"The model {text!r} was asked for.", found, "'facebench list methods' has models with a card.")

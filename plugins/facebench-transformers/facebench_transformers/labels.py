"""Label maps: which of a model's classes each label is, by names on both sides; a wrong map is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

# Words of one expression. A map that leads from one family to another is a swapped one.
FAMILIES = (
    {"anger", "angry"},
    {"contempt", "contemptuous"},
    {"disgust", "disgusted"},
    {"fear", "fearful", "afraid", "scared"},
    {"happiness", "happy", "joy", "joyful"},
    {"neutral", "neutrality"},
    {"sadness", "sad"},
    {"surprise", "surprised"},
)


def classes(id2label: Mapping[int, str], label2id: Mapping[str, int], model: str) -> list[str]:
    """A model's class names by position; raises ValueError where they are no names or its two tables disagree."""
    names = [str(id2label[i]) for i in sorted(id2label)]
    if sorted(id2label) != list(range(len(names))):
        raise ValueError(f"{model}: the positions in its id2label are not 0 to {len(names) - 1}: {dict(id2label)}")
    if any(re.fullmatch(r"(label_)?\d+", name.strip(), re.IGNORECASE) for name in names):
        raise ValueError(f"{model}: its classes have numbers for names ({shown(names)}), so none can be told apart")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError(f"{model}: two of its classes have one name: {shown(names)}")
    if dict(label2id) != {name: i for i, name in enumerate(names)}:
        raise ValueError(f"{model}: its id2label and label2id disagree: {dict(id2label)}, {dict(label2id)}")
    return names


def positions(labels: Mapping[str, str], names: list[str], model: str) -> dict[str, int]:
    """The position of each label's class among the model's; raises ValueError showing the model's own classes."""
    own = f"the model's classes are {shown(names)}"
    if not labels:
        lines = ", ".join(f'LABEL = "{name}"' for name in names)
        raise ValueError(
            f"{model}: key 'labels' is missing; {own}. Write the protocol's labels under [labels]: {lines}"
        )
    for label, name in labels.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{model}: key 'labels': {label} = {name!r} is none of its classes; {own}{guess}")
        if better := _better(label, name, names):
            raise ValueError(
                f"{model}: key 'labels': {label} = {name!r}, but it has the class {better!r}: are two swapped? {own}"
            )
    taken: dict[str, str] = {}
    for label, name in labels.items():
        if name in taken:
            raise ValueError(f"{model}: key 'labels': {taken[name]} and {label} are both {name!r}; {own}")
        taken[name] = label
    return {label: names.index(name) for label, name in labels.items()}


def _better(label: str, name: str, names: list[str]) -> str:
    """The class that is called like the label, where ``name`` is another one; "" where there is none."""
    alike = next((family for family in FAMILIES if label.casefold() in family), {label.casefold()})
    found = [other for other in names if other.casefold() in alike]
    return found[0] if found and name not in found else ""


def shown(names: list[str]) -> str:
    """Class names as a message shows them."""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(repr(name[:40]) for name in names[:20]) + more

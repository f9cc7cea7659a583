"""Answers in words and likelihoods of options, as an Answerer is asked for them and they are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.answers import Table
from bench.batches import Batches
from bench.errors import ContractBroken

UNANSWERED = "no answer"
MOST_CHARACTERS = 1 << 20
AGREE = 1e-4  # how far the same option's log-likelihood may lie apart in two batches, or that share of it
DIRECT, SPACE = "direct", "space"
JOINTS = (DIRECT, SPACE)
"""How an option follows the prompt: directly where that ends in white space or in a special token of the template, as
generation prompts do, else after one space; the other one where the prompt's own tokens do not begin the joint
text's."""


def _check_texts(value: Any, count: int) -> Table:
    import numpy as np

    asked = f"answer() was called with {count} questions."
    if not isinstance(value, list) or len(value) != count:
        found = f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
        raise ContractBroken(asked, f"It returned {found}.", "Return a list, one text a question; None is a failure.")
    for text in value:
        if text is not None and not isinstance(text, str):
            raise ContractBroken(asked, f"An answer is a {type(text).__name__}.", "An answer is text, or None.")
        if text is not None and len(text) > MOST_CHARACTERS:
            do = "Bound the tokens that are generated."
            raise ContractBroken(asked, f"An answer has {len(text):,} characters.", do)
    # What cannot be written as UTF-8, half of a surrogate pair, is kept as a question mark.
    texts = [(text or "").encode("utf-8", "replace").decode("utf-8") for text in value]
    return {"text": np.array(texts, object), "said": np.array([text is not None for text in value], bool)}


def _missing_texts(columns: Table) -> list[str]:
    return ["" if said else UNANSWERED for said in columns["said"].tolist()]


def _empty_texts(like: Table, count: int) -> Table:
    import numpy as np

    return {"text": np.array([""] * count, object), "said": np.zeros(count, bool)}


def _same_texts(one: Table, other: Table) -> bool:
    return bool((one["text"] == other["text"]).all() and (one["said"] == other["said"]).all())


ANSWER = Batches("answer", _check_texts, _missing_texts, _empty_texts, _same_texts, shaped=True)


def likelihoods_of(options: Sequence[str]) -> Batches:
    """How an Answerer is asked how likely ``options`` are; its answers are ``sums``, ``tokens`` and ``joint``."""
    size = len(options)

    def check(value: Any, count: int) -> Table:
        import numpy as np

        asked = f"loglik() was called with {count} questions and {size} options."
        do = "Return {'sums': float64 [n, k], 'tokens': int64 [n, k], 'joint': 'direct' or 'space'}."
        if not isinstance(value, Mapping) or set(value) != {"sums", "tokens", "joint"}:
            found = f"the keys {', '.join(map(str, value))}" if isinstance(value, Mapping) else type(value).__name__
            raise ContractBroken(asked, f"It returned {found}.", do)
        for name, dtype in (("sums", np.float64), ("tokens", np.int64)):
            array = value[name]
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != (count, size):
                of = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
                raise ContractBroken(asked, f"Its {name} are {of}.", do)
        if value["joint"] not in JOINTS:
            raise ContractBroken(asked, f"Its joint is {value['joint']!r}.", do)
        sums, tokens = value["sums"], value["tokens"]
        gone = np.isnan(sums).all(axis=1)
        if not np.isfinite(sums[~gone]).all() or (sums[~gone] > AGREE).any():
            found = "A sum is above 0, or a row mixes numbers with NaN or infinity."
            raise ContractBroken(asked, found, "A sum is of logarithms of probabilities; a failure is a row of NaN.")
        if (tokens[~gone] < 1).any():
            raise ContractBroken(asked, "An option has no token.", "Count the end of turn too.")
        return {"sums": sums, "tokens": tokens, "joint": np.array([value["joint"]] * count, object)}

    def empty(like: Table, count: int) -> Table:
        import numpy as np

        none = np.full((count, size), np.nan, np.float64)
        return {"sums": none, "tokens": np.zeros((count, size), np.int64), "joint": np.array([""] * count, object)}

    return Batches("loglik", check, _missing_sums, empty, _same_sums, (list(options),), shaped=True)


def _missing_sums(columns: Table) -> list[str]:
    import numpy as np

    return ["" if finite else UNANSWERED for finite in np.isfinite(columns["sums"]).all(axis=1)]


def _same_sums(one: Table, other: Table) -> bool:
    import numpy as np

    a, b = one["sums"], other["sums"]
    gone = ~np.isfinite(a).all(axis=1)
    if not np.array_equal(gone, ~np.isfinite(b).all(axis=1)) or not np.array_equal(one["tokens"], other["tokens"]):
        return False
    a, b = a[~gone], b[~gone]
    return bool((abs(a - b) <= AGREE * np.maximum(abs(a), 1.0)).all())

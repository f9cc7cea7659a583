"""Log-likelihoods of continuations: one pass over each prompt, then all of its options at once on its cached keys.

The cache's rows are repeated by ``reorder_cache`` with an index that repeats, which also serves caches of convolutions
and other states, where ``batch_repeat_interleave`` does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Inputs = Mapping[str, torch.Tensor]
Tails = Sequence[Sequence[Sequence[int]]]


def shared(model: Any, inputs: Inputs, tails: Tails, pad: int) -> NDArray[np.float64]:
    """float64 [n, k]: of prompt i the log-likelihood of the tokens ``tails[i][j]``.

    ``inputs``: as a processor gives them, padded on either side; ``pad``: fills shorter options. Raises ValueError
    where a padded batch cannot be gone on with.
    """
    mask = inputs["attention_mask"]
    n, k = len(tails), len(tails[0])
    last = mask.shape[1] - 1 - mask.flip(1).argmax(1)  # of each row its last token
    positions = model._prepare_position_ids_for_generation(inputs["input_ids"], dict(inputs))
    keep, places = _kept(model, last)
    given = model.prepare_inputs_for_generation(
        **inputs, position_ids=positions, use_cache=True, is_first_iteration=True, **keep
    )
    told = model(**given)
    cache = told.past_key_values
    _check_padding(cache, mask, last)
    first = told.logits[torch.arange(n, device=mask.device), places].float()
    rows = torch.arange(n, device=mask.device).repeat_interleave(k)
    flat = [tail for of_one in tails for tail in of_one]
    length = max(map(len, flat))
    ids = torch.tensor([[*tail, *[pad] * (length - len(tail))] for tail in flat], device=mask.device)
    there = torch.tensor([[1] * len(tail) + [0] * (length - len(tail)) for tail in flat], device=mask.device)
    cache.reorder_cache(rows)
    after = positions[..., torch.arange(n, device=positions.device), last.to(positions.device)][..., rows, None] + 1
    told = model(
        input_ids=ids[:, :-1],
        attention_mask=torch.cat([mask[rows], there[:, 1:].to(mask.dtype)], 1),
        position_ids=after + torch.arange(length - 1, device=after.device),
        past_key_values=cache,
        use_cache=True,
    )
    sums = _chosen(first[rows, None], ids[:, :1])[:, 0].double()
    sums = sums + (_chosen(told.logits, ids[:, 1:]).double() * there[:, 1:]).sum(1)
    return sums.reshape(n, k).cpu().numpy()


def full(model: Any, inputs: Inputs, tails: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """float64 [k]: the same of one prompt, by a pass of its own over prompt and option for each."""
    size = inputs["input_ids"].shape
    sums = []
    for tail in tails:
        more = torch.tensor([list(tail[:-1])], device=inputs["input_ids"].device)
        whole = dict(inputs)
        for name, value in inputs.items():
            if value.shape == size:  # a value a token: attended to, and text rather than picture
                fill = torch.ones_like if name == "attention_mask" else torch.zeros_like
                whole[name] = torch.cat([value, fill(more).to(value.dtype)], 1)
        whole["input_ids"] = torch.cat([inputs["input_ids"], more], 1)
        whole["position_ids"] = model._prepare_position_ids_for_generation(whole["input_ids"], dict(whole))
        given = model.prepare_inputs_for_generation(**whole, use_cache=False, is_first_iteration=True)
        logits = model(**given).logits[:, size[1] - 1 :]
        sums.append(float(_chosen(logits, torch.tensor([list(tail)], device=more.device)).double().sum()))
    return np.array(sums)


def _kept(model: Any, last: torch.Tensor) -> tuple[dict[str, Any], torch.Tensor]:
    """What makes a model give logits of the last tokens alone, where it can, and their places in what it gives."""
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return {}, last
    unique, places = last.unique(return_inverse=True)
    return {"logits_to_keep": unique}, places


def _check_padding(cache: Any, mask: torch.Tensor, last: torch.Tensor) -> None:
    """Refuse prompts that end in padding where a cache keeps but the end of what it saw."""
    if bool((last == mask.shape[1] - 1).all()):
        return
    for layer in cache.layers:
        window = getattr(layer, "sliding_window", None) if getattr(layer, "is_sliding", False) else None
        if hasattr(layer, "conv_states") or (window is not None and mask.shape[1] >= window):
            raise ValueError("this model keeps a state of its last tokens, which padding would overwrite: padding=left")


def _chosen(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Logarithms of the probabilities of ``ids`` [m, l] under ``logits`` [m, l, v]."""
    logits = logits.float()
    return logits.gather(2, ids[..., None].to(logits.device))[..., 0] - logits.logsumexp(2)

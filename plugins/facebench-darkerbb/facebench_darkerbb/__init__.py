"""Faces from similarity scores, for privacy audits: DarkerBB, its ancestors, floors and a stronger-access bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import bench
from facebench_darkerbb.cards import Card, read_cards

DARKERBB = (
    "Razzhigaev et al., Inverting Black-Box Face Recognition Systems via Zero-Order Optimization in Eigenface Space, "
    "2025, arXiv:2506.09777"
)
SCHEDULES = ("official", "short")
OPTIONS = (
    bench.Option("restarts", 10, "short runs from the mean face, of which the best is gone on with"),
    bench.Option("restart_steps", 500, "steps of each, two queries a step and one for the choice"),
    bench.Option("steps", 15_000, "steps of the main phase, two queries each"),
    bench.Option("momentum", 0.0, "deviation: how much of the last move is kept, in [0, 1)"),
    bench.Option("sign", 0.0, "deviation: above 0, every coordinate moves by this length in the estimate's direction"),
    bench.Option(
        "schedule",
        "official",
        "short: deviation for 5,000 queries, no restarts, six times the rate and falling",
        SCHEDULES,
    ),
)


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The attacks, those with a prior once for each prior; raises ValueError naming the card that is wrong."""
    return [_blobs(), *(method for card in read_cards() for method in _with_prior(card))]


def _method(name: str, load: Callable[[bench.Load], Any], about: str, cite: str, **more: Any) -> bench.Method:
    return bench.Method(
        name=name,
        tasks=frozenset({"inversion"}),
        load=load,
        inputs=frozenset({"arcface-112"}),
        about=about,
        cite=cite,
        needs=("numpy", "safetensors"),
        **more,
    )


def _blobs() -> bench.Method:
    fitness = bench.Option(
        "fitness", "published", "cosine: deviation, without the lengths of embeddings", ("published", "cosine")
    )
    return _method(
        "blobs",
        load_blobs,
        "hill climb with Gaussian blobs, grey; access embedding, similarity with fitness=cosine; 320,000 queries",
        "Black-Box Face Recovery, 2020, arXiv:2007.13635",
        licence="Apache-2.0",
        options=(*_lengths(10, 100, 3000), fitness),
    )


def _with_prior(card: Card) -> list[bench.Method]:
    def made(
        name: str, load: Callable[[bench.Load], Any], about: str, cite: str, *options: bench.Option
    ) -> bench.Method:
        known = {"licence": card.licence, "trained_on": card.trained_on, "withdrawn": card.withdrawn}
        return _method(card.method(name), load, about, cite, weights=card.weights, options=options, **known)

    return [
        made(
            "darkerbb",
            load_darkerbb,
            "zero-order search in eigenface space; access similarity, 40,010 queries",
            DARKERBB,
            *OPTIONS,
        ),
        made(
            "eigenface-climb",
            load_eigenfaces,
            "hill climb with draws of eigenfaces; access similarity, 128,000 queries",
            "Darker than Black-Box, 2021, arXiv:2106.14290",
            *_lengths(10, 100, 1000),
        ),
        made(
            "random-search",
            partial(load_best, own=False),
            "floor: the best of random draws of the prior; access similarity",
            "none: a floor",
            bench.Option("faces", 5000, "how many are drawn, one query each"),
        ),
        made(
            "nearest-prior",
            partial(load_best, own=True),
            "floor: the nearest of the prior's own faces, or of draws like them where it holds none; access similarity",
            "none: a floor",
            bench.Option("faces", 1500, "how many are asked about, one query each"),
        ),
        made(
            "template-recovery",
            load_recovery,
            "bound with stronger access, not to be ranked beside similarity: least-squares template; access embedding",
            "none: least squares over own probes, a bound",
            bench.Option("probes", 2000, "draws of the prior whose embeddings are seen, one query each; then five"),
        ),
    ]


def _lengths(restarts: int, early: int, late: int) -> tuple[bench.Option, ...]:
    return (
        bench.Option("restarts", restarts, "short climbs, of which the best is gone on with"),
        bench.Option("restart_iterations", early, "iterations of each"),
        bench.Option("iterations", late, "iterations after them"),
    )


def load_darkerbb(given: bench.Load) -> Any:
    """Make the attack; numpy is imported here and not before, as in the others."""
    from facebench_darkerbb.zero_order import DarkerBB, chosen

    return DarkerBB(_prior(given), chosen(**given.options), given.seed)


def load_blobs(given: bench.Load) -> Any:
    """Make the climb with blobs; it has no prior."""
    from facebench_darkerbb.climbing import Blobs, Climb, HillClimb

    lengths = {name: value for name, value in given.options.items() if name != "fitness"}
    return HillClimb(Blobs(given.options["fitness"]), Climb(80, **lengths), given.seed)


def load_eigenfaces(given: bench.Load) -> Any:
    """Make the climb with eigenfaces."""
    from facebench_darkerbb.climbing import Climb, Eigenfaces, HillClimb

    return HillClimb(Eigenfaces(_prior(given)), Climb(64, **given.options), given.seed)


def load_best(given: bench.Load, own: bool) -> Any:
    """Make a floor."""
    from facebench_darkerbb.searching import Best

    return Best(_prior(given), own, given.options["faces"], given.seed)


def load_recovery(given: bench.Load) -> Any:
    """Make the bound."""
    from facebench_darkerbb.recovery import TemplateRecovery

    return TemplateRecovery(_prior(given), given.options["probes"], given.seed)


def _prior(given: bench.Load) -> Any:
    from facebench_darkerbb.prior import Prior

    if given.weights is None:
        raise ValueError("it was loaded without weights; it needs the folder of a prior, with model.safetensors")
    return Prior.read(given.weights)

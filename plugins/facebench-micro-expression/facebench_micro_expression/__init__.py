"""Baselines of micro-expression recognition on images of optical flow, fitted on each fold's training split."""

from __future__ import annotations

from typing import Any

import bench

TASKS, INPUTS = frozenset({"micro_expression"}), frozenset({"flow-28"})
LEARNED = ("the training split of each fold",)


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The two methods of this plugin."""
    return [
        bench.Method(
            name="ststnet-size",
            tasks=TASKS,
            inputs=INPUTS,
            load=load_network,
            about="a shallow network of three streams over flow images, 1,651 parameters for three classes",
            licence="Apache-2.0",
            trained_on=LEARNED,
            cite=(
                "after Liong, Gan, See, Khor and Huang, Shallow Triple Stream Three-dimensional CNN (STSTNet) for "
                "Micro-expression Recognition, FG 2019; the training recipe is our own"
            ),
            options=(
                bench.Option("epochs", 200, "steps of Adam, each over the whole training split"),
                bench.Option("every", 20, "epochs between two snapshots"),
                bench.Option("rate", 0.001, "step size of Adam"),
                bench.Option("balance", True, "weigh each class by the inverse of how often it is there"),
            ),
            needs=("numpy", "torch"),
            trainable=True,
        ),
        bench.Method(
            name="flow-logistic",
            tasks=TASKS,
            inputs=INPUTS,
            load=load_logistic,
            about="multinomial logistic regression on means over blocks of 4x4 pixels of flow images",
            licence="Apache-2.0",
            trained_on=LEARNED,
            cite="Boehning, Multinomial logistic regression algorithm, Ann. Inst. Stat. Math. 44(1), 1992",
            options=(
                bench.Option("steps", 500, "steps of accelerated gradient descent over the whole training split"),
                bench.Option("every", 50, "steps between two snapshots"),
                bench.Option("penalty", 0.01, "weight of half the squared coefficients, beside the mean loss"),
                bench.Option("balance", True, "weigh each class by the inverse of how often it is there"),
            ),
            needs=("numpy",),
            trainable=True,
        ),
    ]


def load_network(given: bench.Load) -> Any:
    """Make the network, not yet fitted; torch is imported here and not before."""
    from facebench_micro_expression.network import Network

    return Network(given.seed, given.threads, **given.options)


def load_logistic(given: bench.Load) -> Any:
    """Make the regression, not yet fitted."""
    from facebench_micro_expression.logistic import Logistic

    return Logistic(**given.options)

"""How each kind of question is asked, judged and scored: one file a task, listed once here."""

from __future__ import annotations

from bench.alignment import TASK as ALIGNMENT
from bench.contracts import Aligner, Protection
from bench.method import Method
from bench.protocol import Task
from bench.tasks import (
    encrypted_verification,
    encryption,
    expression,
    identification,
    inversion,
    micro_expression,
    spotting,
    verification,
)
from bench.tasks.reconstructed import PROTECTION

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        verification.TASK,
        identification.TASK,
        expression.TASK,
        micro_expression.TASK,
        spotting.TASK,
        encryption.TASK,
        encrypted_verification.TASK,
        inversion.TASK,
    )
}
# What a method of each task must match. Two are no tasks of their own: alignment prepares the images of others, and a
# protection stands between others.
CONTRACTS: dict[str, type] = {
    **{name: task.roles[0].contract for name, task in TASKS.items()},
    ALIGNMENT: Aligner,
    PROTECTION: Protection,
}


def contract_of(method: Method, task: str) -> type | None:
    """The contract by which a method is asked for a task: the one its card names among the task's, else the first."""
    also = {one.__name__: one for role in TASKS[task].roles for one in role.also} if task in TASKS else {}
    return also.get(method.contract) or CONTRACTS.get(task)

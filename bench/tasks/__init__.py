"""How each kind of question is asked, judged and scored: one file a task, listed once here."""

from __future__ import annotations

from bench.alignment import TASK as ALIGNMENT
from bench.contracts import Aligner
from bench.protocol import Task
from bench.tasks import encryption, identification, micro_expression, spotting, verification

TASKS: dict[str, Task] = {
    task.name: task
    for task in (verification.TASK, identification.TASK, micro_expression.TASK, spotting.TASK, encryption.TASK)
}
# What a method of each task must match. Alignment is no task of its own: it prepares the images of others.
CONTRACTS: dict[str, type] = {**{name: task.roles[0].contract for name, task in TASKS.items()}, ALIGNMENT: Aligner}

"""How each kind of question is asked, judged and scored: one file a task, listed once here."""

from __future__ import annotations

from bench.protocol import Task
from bench.tasks import identification, verification

TASKS: dict[str, Task] = {task.name: task for task in (verification.TASK, identification.TASK)}

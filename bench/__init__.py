"""facebench: one instrument that asks published face-analysis methods the same frozen questions."""

from bench.conformance import checks, parametrize_with_checks
from bench.contracts import Differentiable, Embedder, Trainable
from bench.errors import FacebenchError
from bench.examples import Examples
from bench.hookspecs import hookimpl
from bench.method import Folder, Load, Method, Option
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol, Role, Sample, Task
from bench.records import Clip, Face, Question, Scan, Snapshot
from bench.results import Result, Score
from bench.suite import run

__all__ = [
    "Clip",
    "Content",
    "Data",
    "Differentiable",
    "Embedder",
    "Examples",
    "Face",
    "FacebenchError",
    "Folder",
    "Load",
    "Method",
    "Option",
    "Protocol",
    "Question",
    "Result",
    "Role",
    "Sample",
    "Scan",
    "Score",
    "Snapshot",
    "Task",
    "Trainable",
    "checks",
    "hookimpl",
    "metric",
    "parametrize_with_checks",
    "run",
]

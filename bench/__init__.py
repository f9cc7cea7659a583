"""facebench: one instrument that asks published face-analysis methods the same frozen questions."""

from bench.contracts import Differentiable, Embedder
from bench.errors import FacebenchError
from bench.hookspecs import hookimpl
from bench.method import Folder, Load, Method, Option
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol, Role, Sample, Task
from bench.records import Clip, Face, Question, Scan
from bench.results import Result, Score
from bench.suite import run

__all__ = [
    "Clip",
    "Content",
    "Data",
    "Differentiable",
    "Embedder",
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
    "Task",
    "hookimpl",
    "metric",
    "run",
]

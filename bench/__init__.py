"""facebench: one instrument that asks published face-analysis methods the same frozen questions."""

from bench.conformance import checks, parametrize_with_checks
from bench.contracts import (
    Aligner,
    Answerer,
    Classifier,
    Differentiable,
    Embedder,
    Inverter,
    Matcher,
    Protection,
    Spotter,
    Trainable,
)
from bench.errors import BudgetSpent, FacebenchError
from bench.evaluation import evaluate_metric
from bench.examples import Examples
from bench.hookspecs import hookimpl
from bench.method import Folder, Load, Method, Option, Packaged, Repository, SameCommit
from bench.metrics import metric
from bench.oracle import Oracle
from bench.protocol import Content, Data, Protocol, Role, Sample, Task
from bench.records import Clip, Face, Question, Scan, Snapshot
from bench.results import Result, Score
from bench.suite import run

__all__ = [
    "Aligner",
    "Answerer",
    "BudgetSpent",
    "Classifier",
    "Clip",
    "Content",
    "Data",
    "Differentiable",
    "Embedder",
    "Examples",
    "Face",
    "FacebenchError",
    "Folder",
    "Inverter",
    "Load",
    "Matcher",
    "Method",
    "Option",
    "Oracle",
    "Packaged",
    "Protection",
    "Protocol",
    "Question",
    "Repository",
    "Result",
    "Role",
    "SameCommit",
    "Sample",
    "Scan",
    "Score",
    "Snapshot",
    "Spotter",
    "Task",
    "Trainable",
    "checks",
    "evaluate_metric",
    "hookimpl",
    "metric",
    "parametrize_with_checks",
    "run",
]

"""How long stages of encrypted matching take, over the rounds of one cell, beside a reference in the same rounds.

A figure is the median over rounds; its interval is that of medians of rounds drawn with replacement, the same rounds
for method and reference. Seconds are those of the processor, over all processes of a method, which a busy machine moves
less than the clock on the wall; that stands beside them. A stage that was measured on fewer rows has metrics of other
names (``extrapolated_seconds``), so that it never shares a column with one that was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.measuring import MOST_REPEATS, SHORTEST
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHOD, REFERENCE = "method", "reference"
NOISIEST = 0.10  # quartiles further apart than this share of the median are not published
NOISY = "noisy"
HEADLINES = ("encrypt", "encrypt_total")
# Stages of one probe or key; stages whose name ends with the gallery, as search@plaintext=1000.
OF_ONE = ("encrypt", "encrypt_total", "decrypt", "serialise", "deserialise", "precompute", "pool", "keygen")
OF_GALLERY = ("search", "match", "pack", "open", "answer", "enrol")
LISTED_GALLERIES = ("plaintext=1000", "encrypted=16")
SEARCHES_FOR_PRIMES = ("keygen",)  # its time varies by nature
# Seconds of a call below which no sample is long enough: such a stage, often one that does nothing, has no ratio, and
# its spread is the clock's. Encryption always has one.
TOO_SHORT = SHORTEST / MOST_REPEATS
CITE = "SUPERCOP (bench.cr.yp.to): medians and quartiles; HEBench: stages timed apart"


class Timings:
    """Trials as the metrics take them: a row a round, by role and stage."""

    def __init__(self, trials: dict[str, Any]) -> None:
        import numpy as np

        self.security = {role: int(min(trials["security"][_of(trials["role"], role)])) for role in set(trials["role"])}
        self.rounds = len(np.unique(trials["round"]))
        keys = np.array([f"{role} {stage}" for role, stage in zip(trials["role"], trials["stage"], strict=True)])
        order = np.argsort(trials["round"], kind="stable")
        self.columns = {
            key: {
                name: trials[name][order][keys[order] == key]
                for name in ("seconds", "wall", "bytes", "rows", "measured")
            }
            for key in set(keys.tolist())
        }

    def has(self, role: str, stage: str) -> bool:
        """Whether the stage was measured in every round."""
        return len(self.columns.get(f"{role} {stage}", {"seconds": ()})["seconds"]) == self.rounds

    def column(self, role: str, stage: str, name: str) -> NDArray[Any]:
        """A column of a stage, a round a place."""
        found: NDArray[Any] = self.columns[f"{role} {stage}"][name]
        return found

    def extrapolated(self, role: str, stage: str) -> bool:
        """Whether it was measured on fewer rows than asked in any round."""
        return bool((self.column(role, stage, "measured") < self.column(role, stage, "rows")).any())

    def spread(self, role: str, stage: str) -> float:
        """The distance of the quartiles over the median, of CPU seconds; 0 where it is not judged."""
        import numpy as np

        if stage in SEARCHES_FOR_PRIMES:
            return 0.0
        low, middle, high = np.quantile(self.column(role, stage, "seconds"), [0.25, 0.5, 0.75])
        return float((high - low) / middle) if middle >= TOO_SHORT else 0.0

    def note(self, stage: str, *roles: str) -> str:
        """What a reader must know of a figure: noise first, then rows."""
        noisy, fewer = [], []
        for role in roles:
            if self.spread(role, stage) > NOISIEST:
                noisy.append(f"{NOISY}: {stage} of the {role}, quartiles {self.spread(role, stage):.0%} apart")
            if self.extrapolated(role, stage):
                rows, measured = (int(self.column(role, stage, name).min()) for name in ("rows", "measured"))
                fewer.append(f"{stage} of the {role} is extrapolated from {measured:,} of {rows:,} rows")
        return "; ".join([*noisy, *fewer])


def _of(column: list[str], value: str) -> Any:
    import numpy as np

    return np.array(column) == value


def _median(values: NDArray[Any], draw: NDArray[Any] | None) -> float:
    import numpy as np

    ranked = np.sort(values if draw is None else values[draw])
    middle = len(ranked) // 2
    return float(ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2)


def seconds(stage: str, column: str = "seconds", extrapolated: bool = False) -> Metric:
    """Seconds that a call of the stage takes, of the processor or of the wall; of a measured or an extrapolated one."""

    def compute(timings: Timings, draw: NDArray[Any] | None = None) -> Estimate:
        if not timings.has(METHOD, stage) or timings.extrapolated(METHOD, stage) != extrapolated:
            return Estimate(float("nan"))
        note = "" if draw is not None else timings.note(stage, METHOD)
        return Estimate(_median(timings.column(METHOD, stage, column), draw), note=note)

    name = f"{stage}.{'extrapolated_' * extrapolated}{'wall_' * (column == 'wall')}seconds"
    return Metric(name, "lower", "s", compute, CITE, f"{stage}: {'wall' if column == 'wall' else 'CPU'} seconds a call")


def ratio(stage: str, extrapolated: bool = False) -> Metric:
    """How many times the processor seconds of the method the reference takes for the stage, in the same rounds."""

    def compute(timings: Timings, draw: NDArray[Any] | None = None) -> Estimate:
        roles = (METHOD, REFERENCE)
        if not all(timings.has(role, stage) for role in roles):
            return Estimate(float("nan"))
        if any(timings.extrapolated(role, stage) for role in roles) != extrapolated:
            return Estimate(float("nan"))
        own, other = (_median(timings.column(role, stage, "seconds"), draw) for role in roles)
        note = "" if draw is not None else timings.note(stage, *roles)
        told = own > 0 and (stage in HEADLINES or min(own, other) >= TOO_SHORT)
        return Estimate(other / own if told else float("nan"), note=note)

    name = f"{stage}.{'extrapolated_' * extrapolated}ratio"
    return Metric(name, "higher", "", compute, CITE, f"{stage}: CPU seconds of the reference over those of the method")


def size(stage: str) -> Metric:
    """Bytes of what a stage made."""

    def compute(timings: Timings, draw: NDArray[Any] | None = None) -> Estimate:
        if not timings.has(METHOD, stage):
            return Estimate(float("nan"))
        return Estimate(_median(timings.column(METHOD, stage, "bytes"), draw))

    return Metric(f"bytes.{stage}", "lower", "B", compute, CITE, f"{stage}: bytes")


def _security(timings: Timings, draw: NDArray[Any] | None = None) -> Estimate:
    return Estimate(float(timings.security[METHOD]))


SECURITY_BITS = Metric(
    "security_bits", "higher", "bit", _security, "NIST SP 800-57 part 1: 2048-bit moduli are 112 bits"
)
# What a listing names: of galleries of other sizes, of the wall's clock and of extrapolated stages there are the same.
LISTED = (
    *(
        make(stage)
        for stage in (
            *OF_ONE,
            *(f"{stage}@{gallery}" for stage in OF_GALLERY for gallery in LISTED_GALLERIES),
        )
        if stage != "answer@plaintext=1000"  # an encrypted gallery alone is asked for its most alike row
        for make in (ratio, seconds)
    ),
    size("probe"),
    size("memory"),
    SECURITY_BITS,
)

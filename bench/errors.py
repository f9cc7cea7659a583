"""Everything facebench refuses, drawn as a tree.

::

    FacebenchError
    ├── WrongUse          the command or call is not one we know
    │   ├── UnknownName   no protocol, method, metric, plugin or suite of that name
    │   ├── Mismatch      each name exists, but they do not go together
    │   └── Unpinned      code of a repository at no agreed commit
    ├── DataMissing       a data set is absent or partial
    ├── DataDamaged       a data set is there but cannot be read or trusted
    ├── NeedsInstall      a package or weights that a method needs are absent
    ├── NotFetched        a repository or file of the Hub could not be had
    ├── NotPinnable       a repository holds what a pin does not take
    ├── NotPublished      the Hub did not take what was to be published
    ├── PinBroken         what was fetched is not what was pinned
    ├── PluginBroken      a plugin that failed on import; the rest works
    ├── ContractBroken    a method answered in another shape than its contract says
    ├── BudgetSpent       an attack asked for more queries than it has
    ├── MethodFailed      a method raised, exited, or was ended in its worker
    │   └── OutOfMemory   … for want of memory
    ├── RunDamaged        a file of a run is not what the run wrote
    ├── NotWritten        a file could not be written whole
    ├── NotAResult        a file is not a result of this schema
    └── MixedProtocols    results of different questions on one board

Every message has up to three lines: what was asked, what was found, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FacebenchError(Exception):
    """Base of all errors raised on purpose; ``str`` of it is fit for a person to read."""

    def __init__(self, asked: str, found: str = "", do: str = "") -> None:
        super().__init__(asked, found, do)
        self.asked, self.found, self.do = asked, found, do

    def __str__(self) -> str:
        return "\n".join(line for line in (self.asked, self.found, self.do) if line)


class WrongUse(FacebenchError):
    """The command or call is not one we know."""


class UnknownName(WrongUse):
    """No protocol, method, metric, plugin or suite of that name."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], listing: str) -> UnknownName:
        """Name the nearest of ``known`` and the command ``listing`` that shows them all."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        near = near or [other for other in names if name in other][:3]
        guess = "Did you mean " + " or ".join(repr(n) for n in near) + "?" if near else ""
        return cls(f"Unknown {kind} {name!r}.", guess, f"'{listing}' shows all {len(names)}.")


class Mismatch(WrongUse):
    """Each name exists, but they do not go together."""


class Unpinned(WrongUse):
    """Code of a repository at no agreed commit."""


class DataMissing(FacebenchError):
    """A data set is absent or partial."""


class DataDamaged(FacebenchError):
    """A data set is there but cannot be read or trusted."""


class NeedsInstall(FacebenchError):
    """A package or weights that a method needs are absent."""


class NotFetched(FacebenchError):
    """A repository or file of the Hub could not be had."""


class NotPinnable(FacebenchError):
    """A repository holds what a pin does not take."""


class NotPublished(FacebenchError):
    """The Hub did not take what was to be published."""


class PinBroken(FacebenchError):
    """What was fetched is not what was pinned."""


class PluginBroken(FacebenchError):
    """A plugin that failed on import; the rest works."""


class ContractBroken(FacebenchError):
    """A method answered in another shape than its contract says."""


class BudgetSpent(FacebenchError):
    """An attack asked for more queries than it has; it may show what it has and end."""


class MethodFailed(FacebenchError):
    """A method raised, exited, or was ended in its worker."""


class OutOfMemory(MethodFailed):
    """A method was ended for want of memory."""


class RunDamaged(FacebenchError):
    """A file of a run is not what the run wrote."""


class NotWritten(FacebenchError):
    """A file could not be written whole."""


class NotAResult(FacebenchError):
    """A file is not a result of this schema."""


class MixedProtocols(FacebenchError):
    """Results of different questions on one board."""

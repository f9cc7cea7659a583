"""A fold's training split as a method sees it: records by position, read when asked for, and their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

AT_ONCE = 64


class Examples(Sequence[Any]):
    """Records with labels; they stay in the harness until they are asked for, so a split may be larger than memory.

    ``labels``: int64 [n], from 0, what each means is the task's (verification: an opaque number for the person;
    micro_expression: the place of the class among the labels asked for); of spotting a list of intervals a clip.
    ``fetch(positions)`` gives the records. A slice gives a list; iterating reads 64 records at a time.
    """

    def __init__(self, labels: NDArray[int64], fetch: Callable[[list[int]], list[Any]]) -> None:
        self.labels, self._fetch = labels, fetch

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, which: int) -> Any: ...
    @overload
    def __getitem__(self, which: slice) -> list[Any]: ...
    def __getitem__(self, which: int | slice) -> Any:
        positions = range(len(self))[which]
        return self._fetch([positions])[0] if isinstance(positions, int) else self.take(positions)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), AT_ONCE):
            yield from self[start : start + AT_ONCE]

    def take(self, positions: Sequence[int]) -> list[Any]:
        """The records at some positions, in their order, for instance a shuffled batch."""
        wanted = [int(position) for position in positions]
        blocks = (wanted[i : i + AT_ONCE] for i in range(0, len(wanted), AT_ONCE))
        return [record for block in blocks for record in self._fetch(block)]

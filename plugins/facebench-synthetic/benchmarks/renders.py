"""How many pictures of 112x112 pixels one core draws in a second: of new people, and of the same person again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from facebench_synthetic import EMOTIONS, Expression, Face, Identity, Scene, render


def rate(faces: Sequence[Face]) -> float:
    """Pictures a second over ``faces``, in one thread."""
    start = time.perf_counter()
    for face in faces:
        render(face)
    return len(faces) / (time.perf_counter() - start)


def main() -> None:
    """Prints both rates."""
    emotions = [Expression.emotion(name) for name in EMOTIONS]
    people = [Face(Identity.random(0, i), emotions[i % 7], Scene.random(0, i)) for i in range(200)]
    person = [Face(Identity.random(0, 0), emotions[i % 7], Scene.random(0, i)) for i in range(200)]
    render(Face())  # what is made once a process is made
    print(f"new people: {rate(people):.0f} renders a second")
    print(f"one person: {rate(person):.0f} renders a second")


if __name__ == "__main__":
    main()

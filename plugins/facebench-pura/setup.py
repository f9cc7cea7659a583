"""The optional kernel: compiled where a compiler is, left out where not; ``pyproject.toml`` says all the rest."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "facebench_pura._lanes",
            ["facebench_pura/native/lanes.c"],
            extra_compile_args=["-O3"],
            optional=True,
        )
    ]
)

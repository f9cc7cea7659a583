"""``python -m bench`` is ``facebench``."""

from bench.cli import main

main()

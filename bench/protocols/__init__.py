"""The protocols that come with facebench: one file a data set, its official layout and split."""

from __future__ import annotations

from bench.protocol import Protocol
from bench.protocols import insightface_bin, lfw

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (*lfw.PROTOCOLS, *insightface_bin.PROTOCOLS)}

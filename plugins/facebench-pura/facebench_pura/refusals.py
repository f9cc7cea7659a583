"""What this plugin refuses; no message names a key, a share, a ciphertext or a plaintext."""

from __future__ import annotations

import bench


class KeyRefused(bench.FacebenchError):
    """A key of that size, or a way of splitting it, is not made here."""


class ValueRefused(bench.FacebenchError):
    """A value, a shape or a count lies outside what a protocol can carry."""


class MessageRefused(bench.FacebenchError):
    """A message that is garbage, too long, out of its order, repeated, or not sealed with the role's key."""


class ServerLost(bench.FacebenchError):
    """A server ended, hung up, or did not answer within its time limit."""

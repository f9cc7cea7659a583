"""Text that anyone may have written, as a terminal is shown it."""

from __future__ import annotations

from rich import markup


def escape(text: str) -> str:
    """The text without meaning for rich or the terminal: "?" for what is neither printable nor a new line."""
    return markup.escape("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text))

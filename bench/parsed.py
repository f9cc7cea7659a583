"""What an answer in words says: one of some expressions, or nothing, and why. No model judges it.

The rule, first that fits: (1) the whole answer is a word of the vocabulary; (2) it declines; (3) exactly one
expression is mentioned by a whole word or phrase, mentions under a negation left out. Else nothing is read out of it.
Before that, the text is brought to NFKC and small letters; what stands between think tags is dropped; of an answer
between answer tags only that is read; marks are dropped, so that "**Happy**." is "happy". Words and phrases are data,
in words/synonyms.toml.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RULE = 1  # version of the rule; the table has its own
TABLE = Path(__file__).parent / "words" / "synonyms.toml"
LONGEST = 1 << 16  # characters that are read; a longer answer is none
NEAR, FAR = (3, 8)  # words between a negation and what it takes back; between "cannot" and what cannot be done
EMPTY, REFUSAL, AMBIGUOUS, OUTSIDE = ("empty", "refusal", "ambiguous", "outside the classes")
UNKNOWN, NEGATED, TOO_LONG, NO_YES = "no expression named", "only negated", "too long", "no class was said yes to"
UNPARSED = (EMPTY, REFUSAL, AMBIGUOUS, OUTSIDE, UNKNOWN, NEGATED, TOO_LONG, NO_YES)
THINK = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL | re.IGNORECASE)
ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
LETTER = re.compile(r"(?<![^\W_])([A-Z])(?=[.):,/]|\s+(?:or|and)\b|\s*$)", re.MULTILINE)
TOKEN = re.compile(r"[^\W_]+|[,.;:!?\n]")
BREAK = frozenset(",.;:!?\n")
APOSTROPHES = str.maketrans("", "", "'’ʼ`´")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read out of an answer: a label, or "" and the reason, one of ``UNPARSED``."""

    label: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The versioned table: phrases as tuples of words. ``expressions`` maps each to its label."""

    version: int
    sha256: str
    expressions: Mapping[tuple[str, ...], str]
    negations: frozenset[str]
    turning: frozenset[str]
    cannot: tuple[tuple[str, ...], ...]
    tasks: frozenset[str]
    outright: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"parser {RULE}, synonyms {self.version} ({self.sha256[:12]})"


@functools.cache
def table() -> Table:
    """The table that comes with facebench; its SHA-256 is over the file."""
    raw = TABLE.read_bytes()
    data: dict[str, Any] = tomllib.loads(raw.decode("utf-8"))
    phrases = {tuple(p.split()): label for label, listed in data["expressions"].items() for p in listed}
    refusal = data["refusal"]
    return Table(
        data["version"],
        hashlib.sha256(raw).hexdigest(),
        phrases,
        frozenset(data["negation"]["words"]),
        frozenset(data["negation"]["turning"]),
        tuple(tuple(p.split()) for p in refusal["cannot"]),
        frozenset(refusal["tasks"]),
        tuple(tuple(p.split()) for p in refusal["outright"]),
    )


def parse(text: str, labels: Mapping[str, str]) -> Parsed:
    """Which label an answer names; ``labels`` maps each word that was offered, or may be given, to its label.

    Words of the table that stand for other labels than those are mentions too, of no class here.
    """
    tokens, fault = _tokens(text)
    if fault:
        return Parsed("", fault)
    offered = {tuple(w for w in _split(word) if w not in BREAK): label for word, label in labels.items()}
    known = {**table().expressions, **offered}
    words = tuple(token for token in tokens if token not in BREAK)
    if whole := known.get(words, ""):
        return _of_these(whole, labels)
    if _declines(words):
        return Parsed("", REFUSAL)
    mentions = list(_mentions(tokens, known))
    named = {label for label, negated in mentions if not negated}
    if len(named) == 1:
        return _of_these(named.pop(), labels)
    return Parsed("", AMBIGUOUS if named else NEGATED if mentions else UNKNOWN)


def parse_letter(text: str, letters: Mapping[str, str], words: Mapping[str, str]) -> Parsed:
    """Which label an answer to lettered options names: by one letter, or in words, or by both if they agree.

    ``letters`` and ``words`` map the capital letters and the words that were offered to labels. A letter counts where
    it is the whole answer, or a capital that stands alone before a mark, "or", "and" or a line's end.
    """
    cleaned, fault = _cleaned(text, fold=False)
    if fault:
        return Parsed("", fault)
    bare = cleaned.strip(' \n.,:;!()[]{}"*_#').upper()
    if bare in letters:
        return Parsed(letters[bare])
    marked = LETTER.findall(cleaned)
    lettered = {letters[letter] for letter in marked if letter in letters}
    spoken = parse(re.sub(r"(?<![^\W_])[A-Z](?=[.):])", " ", cleaned), words)
    if len(lettered) > 1 or (lettered and spoken.label and {spoken.label} != lettered):
        return Parsed("", AMBIGUOUS)
    return Parsed(lettered.pop()) if lettered and spoken.reason != REFUSAL else spoken


def parse_yes(text: str) -> Parsed:
    """Whether an answer says yes or no: it begins with that word, or has just one of the two."""
    tokens, fault = _tokens(text)
    if fault:
        return Parsed("", fault)
    words = [token for token in tokens if token not in BREAK]
    if words and words[0] in ("yes", "no"):
        return Parsed(words[0])
    if _declines(tuple(words)):
        return Parsed("", REFUSAL)
    said = {word for word in words if word in ("yes", "no")}
    return Parsed(said.pop()) if len(said) == 1 else Parsed("", AMBIGUOUS if said else UNKNOWN)


def _of_these(label: str, labels: Mapping[str, str]) -> Parsed:
    return Parsed(label) if label in labels.values() else Parsed("", OUTSIDE)


def _cleaned(text: str, fold: bool = True) -> tuple[str, str]:
    """The part of an answer that is read, and why there is none."""
    if len(text) > LONGEST:
        return "", TOO_LONG
    text = unicodedata.normalize("NFKC", text)
    text = THINK.sub(" ", text)
    if tagged := ANSWER.findall(text):
        text = "\n".join(tagged)
    text = text.casefold() if fold else text
    return text, "" if text.strip() else EMPTY


def _split(text: str) -> list[str]:
    """Words and breaks of a text; an apostrophe joins its word."""
    return TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().translate(APOSTROPHES))


def _tokens(text: str) -> tuple[list[str], str]:
    cleaned, fault = _cleaned(text)
    return ([], fault) if fault else (_split(cleaned), "")


def _starts(words: tuple[str, ...], phrase: tuple[str, ...], at: int) -> bool:
    return words[at : at + len(phrase)] == phrase


def _declines(words: tuple[str, ...]) -> bool:
    """Whether a phrase that declines is there."""
    known = table()
    for at in range(len(words)):
        if any(_starts(words, phrase, at) for phrase in known.outright):
            return True
        for phrase in known.cannot:
            end = at + len(phrase)
            if _starts(words, phrase, at) and known.tasks.intersection(words[end : end + FAR]):
                return True
    return False


def _mentions(tokens: list[str], known: Mapping[tuple[str, ...], str]) -> Iterator[tuple[str, bool]]:
    """Each mention of a label, the longest phrase first, with whether a negation takes it back."""
    longest = max(map(len, known))
    negated_for, at, words = 0, 0, tuple(tokens)
    negations, turning = table().negations, table().turning
    while at < len(words):
        phrase = next((p for size in range(longest, 0, -1) if (p := words[at : at + size]) in known), ())
        if phrase:
            yield known[phrase], negated_for > 0
            at += len(phrase)
            negated_for = max(0, negated_for - len(phrase))
            continue
        if words[at] in negations:
            negated_for = NEAR
        elif words[at] in BREAK or words[at] in turning:
            negated_for = 0
        else:
            negated_for = max(0, negated_for - 1)
        at += 1

"""From the graph's outputs to a call, the way `ai/engine` reads them.

Slots are placed one after the other, the surest first; a span begins and ends where words, names and
quotations do, lies on no other slot's words, and is absent where [CLS] scores best, for required
arguments too: then the assistant asks back.
"""

import numpy as np


CONNECTORS = set("-._@#/\\+~=%&*$§:?")
LEADING = set("./\\~@$§*_")
QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "‘": "’", "«": "»", "「": "」"}


def _letter(c: str) -> bool:
    """Part of a word in a script that puts spaces between words."""
    return (c.isalnum() or c == "_") and not "\u2e80" <= c <= "\uffdc" and c < "\U00020000"


def _inside_word(text: str, at: int) -> bool:
    """Whether `at` tears a word or a name (`php8.3-fpm`, `~/a.c`) apart."""
    if not 0 < at < len(text) or text[at - 1].isspace() or text[at].isspace():
        return False
    if _letter(text[at - 1]) and _letter(text[at]):
        return True
    if text[at - 1] in "'’" and at > 1 and _letter(text[at - 2]) and _letter(text[at]):
        return True
    if not all(_letter(c) or c in CONNECTORS for c in text[at - 1 : at + 1]):
        return False
    left = right = at
    while left > 0 and text[left - 1] in CONNECTORS:
        left -= 1
    while right < len(text) and text[right] in CONNECTORS:
        right += 1
    run = text[left:right]
    after = text[right : right + 1]
    if run.endswith(":") and not after.isdigit():
        return False
    if not after or not _letter(after):
        return False
    return (left > 0 and _letter(text[left - 1])) or set(run) <= LEADING


def _quotations(text: str) -> list[tuple[int, int]]:
    """Inner ranges of what stands in quotation marks, unless that is all of the text."""
    found, at = [], 0
    while at < len(text):
        close = None
        if text[at] in QUOTES and (at == 0 or not _letter(text[at - 1])):
            mark = QUOTES[text[at]]
            ends = (n for n in range(at + 2, len(text)) if text[n] == mark and not (n + 1 < len(text) and _letter(text[n + 1])))
            close = next(ends, None)
        if close is None:
            at += 1
        else:
            found.append((at + 1, close))
            at = close + 1
    return [(a, b) for a, b in found if any(map(_letter, text[:a] + text[b:]))]


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def _locate(start, end, begins, ends, taken):
    """(log probability, first, last) of one slot; first and last are None where it is absent."""
    start = _log_softmax(np.where(begins & ~taken, start, -1e9))
    end = _log_softmax(np.where(ends & ~taken, end, -1e9))
    possible = [(float(start[0] + end[0]), None, None)]
    openings: list[int] = []
    for n in range(1, len(start)):
        if taken[n]:
            openings = []
            continue
        if begins[n]:
            openings.append(n)
        if ends[n]:
            possible += [(float(start[first] + end[n]), first, n) for first in openings]
    # Beginning and end are told apart from each other; only ranges that there can be count.
    scores = np.array([score for score, _, _ in possible])
    total = float(scores.max() + np.log(np.exp(scores - scores.max()).sum()))
    score, first, last = possible[int(scores.argmax())]
    return score - total, first, last


def arguments(spec: dict, slots: list[str], start: np.ndarray, end: np.ndarray, offsets: list, text: str) -> tuple[dict[str, str], float]:
    """Words of `text` for each argument that is there, and the product of their probabilities;
    `start` and `end` are [K, S]."""
    quoted = _quotations(text)

    def torn(at: int) -> bool:
        return _inside_word(text, at) or any(a < at < b for a, b in quoted)

    begins = np.array([b > a and not torn(a) for a, b in offsets])
    ends = np.array([b > a and not torn(b) for a, b in offsets])
    special = np.array([a == b for a, b in offsets])
    begins[0] = ends[0] = True
    taken = special.copy()
    taken[0] = False
    found: dict[str, str] = {}
    certainty = 1.0
    waiting = dict(spec)
    while waiting:
        places = {}
        for name, argument in waiting.items():
            k = slots.index(argument["slot"])
            places[name] = _locate(start[k], end[k], begins, ends, taken)
        name = max(places, key=lambda n: places[n][0])
        del waiting[name]
        likelihood, first, last = places[name]
        if first is not None:
            taken[first : last + 1] = True
            found[name] = text[offsets[first][0] : offsets[last][1]]
            certainty *= float(np.exp(likelihood))
    return found, certainty

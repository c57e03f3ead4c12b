"""From the graph's outputs to a call, the way `ai/engine` reads them.

Slots are placed one after the other, the surest first; a span begins and ends where words do, lies
on no other slot's words, and is absent where [CLS] scores best, for required arguments too: then
the assistant asks back.
"""

import numpy as np


def _joined(text: str, at: int) -> bool:
    """Whether `at` tears a word apart."""
    return 0 < at < len(text) and all(c.isalnum() or c == "_" for c in (text[at - 1], text[at]))


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def _locate(start, end, begins, ends, taken):
    """(log probability, first, last) of one slot; first and last are None where it is absent."""
    start = _log_softmax(np.where(begins & ~taken, start, -1e9))
    end = _log_softmax(np.where(ends & ~taken, end, -1e9))
    best = (float(start[0] + end[0]), None, None)
    opening = None
    for n in range(1, len(start)):
        if taken[n]:
            opening = None
            continue
        if begins[n] and (opening is None or start[n] > start[opening]):
            opening = n
        if ends[n] and opening is not None and start[opening] + end[n] > best[0]:
            best = (float(start[opening] + end[n]), opening, n)
    return best


def arguments(spec: dict, slots: list[str], start: np.ndarray, end: np.ndarray, offsets: list, text: str) -> tuple[dict[str, str], float]:
    """Words of `text` for each argument that is there, and the product of their probabilities;
    `start` and `end` are [K, S]."""
    begins = np.array([b > a and not _joined(text, a) for a, b in offsets])
    ends = np.array([b > a and not _joined(text, b) for a, b in offsets])
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

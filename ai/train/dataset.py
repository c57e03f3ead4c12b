"""Turns the phrasings in `data/` into labelled requests.

A phrasing is a line such as `(show|list) the files in {path=folder}`; the file's section says
which tool it means. `Phrasings.sample` draws one, fills it in, and decorates it as people do
(politeness, capitals, typing errors, quotes), remembering where each argument's words lie.
"""

import hashlib
import random
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "data"))

import values  # noqa: E402  (the folder is not a package)

DATA = Path(__file__).parent / "data"

SLOTS = (
    "path to text title query app window unit process agent number percent duration when theme topic sort url switch question next"
).split()
"""The generic slots that the head points at; a tool's arguments are mapped onto them. `next` is no
argument: it points at a second request in the same sentence."""

JOINED = 0.18
"""Share of requests that are two in one sentence."""

SHORTENED = 0.2
"""Of those, the share whose second one goes without the words that both begin with."""

REPEATED = (
    "files.list files.read files.move files.trash apps.launch windows.focus windows.close services.status services.restart "
    "processes.stop web.fetch timer.set reminder.add agents.start agents.stop"
).split()
"""Tools for that. Not those that take free text, where "and" mostly goes on with it."""

SHORT_JOINTS = " and |, | and also | plus | & |, and ".split("|")

JOINTS = " and | and then |, then |; |. |, and | and also | plus |, after that | then |, and then |. then |, also | and after that | & | as well as | and please |, please | followed by ".split("|")


def _arg(slot: str, kind: str, required: bool = True) -> dict:
    return {"slot": slot, "kind": kind, "required": required}


TOOLS: dict[str, dict[str, dict]] = {
    "files.list": {"path": _arg("path", "path")},
    "files.read": {"path": _arg("path", "path"), "max_bytes": _arg("number", "number", False)},
    "files.search": {"query": _arg("query", "text"), "path": _arg("path", "path", False)},
    "files.write": {"path": _arg("path", "path"), "text": _arg("text", "text"), "append": _arg("switch", "boolean", False)},
    "files.move": {"from": _arg("path", "path"), "to": _arg("to", "path")},
    "files.trash": {"path": _arg("path", "path")},
    "notes.add": {"text": _arg("text", "text"), "title": _arg("title", "text", False)},
    "notes.search": {"query": _arg("query", "text")},
    "memory.remember": {"text": _arg("text", "text")},
    "memory.recall": {"query": _arg("query", "text")},
    "memory.forget": {"query": _arg("query", "text")},
    "apps.list": {},
    "apps.launch": {"app": _arg("app", "app"), "args": _arg("text", "text", False)},
    "windows.list": {},
    "windows.focus": {"window": _arg("window", "window")},
    "windows.close": {"window": _arg("window", "window")},
    "workspace.switch": {"number": _arg("number", "number")},
    "screen.capture": {"window": _arg("window", "window", False)},
    "screen.lock": {},
    "theme.set": {"theme": _arg("theme", "theme")},
    "volume.set": {"percent": _arg("percent", "percent")},
    "brightness.set": {"percent": _arg("percent", "percent")},
    "services.list": {},
    "services.status": {"unit": _arg("unit", "unit")},
    "services.restart": {"unit": _arg("unit", "unit")},
    "system.info": {"topic": _arg("topic", "topic", False)},
    "processes.list": {"sort": _arg("sort", "sort", False)},
    "processes.stop": {"process": _arg("process", "process")},
    "network.status": {},
    "network.set": {"enabled": _arg("switch", "boolean")},
    "web.fetch": {"url": _arg("url", "url")},
    "timer.set": {"duration": _arg("duration", "duration"), "label": _arg("title", "text", False)},
    "reminder.add": {"when": _arg("when", "datetime"), "text": _arg("text", "text")},
    "agents.list": {},
    "agents.start": {"agent": _arg("agent", "agent")},
    "agents.stop": {"agent": _arg("agent", "agent")},
    "agents.message": {"agent": _arg("agent", "agent"), "text": _arg("text", "text")},
    "docs.ask": {"question": _arg("question", "text")},
    "power.off": {},
    "power.reboot": {},
    "none": {},
}

SLOT_OF = {"boolean": "switch", "enabled": "switch", "label": "title", "max_bytes": "number"}
"""Names that phrasings use for readability."""

BEFORE = (
    "please |can you |could you |hey, |ok |now |would you please |i'd like you to |steward, |hey steward, |would you |could you please |"
    "can you please |hi, |so |well, |computer, |alright, |kindly |pls |and |also |then |ok, |just |quickly "
).split("|")
AFTER = "| please|, please|?|?|.|.|!| thanks|, thanks| now| for me| pls|...| right now| would you?| if you can| thank you".split("|")
BEFORE_QUESTION = "hey, |ok, |so |steward, |hey steward, |well, |and |tell me, |hi, |please tell me, |quick question: |computer, ".split("|")
QUESTION_WORDS = set("what what's whats which who where when why how is are am do does did can could has have was will".split())
STYLES = ("seen", "unseen", "odd")
"""Which words fill the slots; see data/values.py."""

NONE_WEIGHT = 4
"""Requests that no tool serves are as many as those for four tools: they are the widest class."""

OPEN_ENDED = {"text", "query", "question", "when", "title"}


@dataclass
class Request:
    """One labelled request; spans are character ranges of `text` by slot."""

    text: str
    tool: str
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)


def _parse(line: str) -> list:
    """A line as a list of words, (alternatives) and slots; alternatives hold lists again."""
    position = 0

    def sequence(stop: str) -> list:
        nonlocal position
        parts, literal = [], ""
        while position < len(line) and line[position] not in stop:
            char = line[position]
            if char in "({":
                parts.append(literal)
                literal = ""
                if char == "(":
                    choices = []
                    while line[position] != ")":
                        position += 1
                        choices.append(sequence("|)"))
                        if position >= len(line):
                            raise ValueError(f"missing ')' in: {line}")
                    parts.append(("choice", choices))
                else:
                    end = line.index("}", position)
                    name, _, make = line[position + 1 : end].partition("=")
                    parts.append(("slot", SLOT_OF.get(name, name), make or name))
                    position = end
            else:
                literal += char
            position += 1
        parts.append(literal)
        return [p for p in parts if p != ""]

    return sequence("")


class Phrasings:
    """All phrasings by tool. `fold` chooses "train" or "test" lines (about one in twelve), or "all"."""

    def __init__(self, vocabulary: list[str], fold: str):
        self._values = {style: values.Values(random.Random(0), style, vocabulary) for style in STYLES}
        written: dict[str, list[str]] = {tool: [] for tool in TOOLS}
        for path in sorted((DATA / "phrasings").glob("*.txt")):
            tool = None
            for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                if line.startswith("[") and line.endswith("]"):
                    tool = line[1:-1]
                    if tool not in TOOLS:
                        raise ValueError(f"{path}:{number}: no tool is called {tool}")
                elif tool is None:
                    raise ValueError(f"{path}:{number}: a phrasing before the first [tool]")
                else:
                    written[tool].append(line)
        self.lines: dict[str, list[tuple[str, list]]] = {}
        for tool, lines in written.items():
            ranked = sorted(lines, key=lambda line: hashlib.md5(line.encode()).digest())
            cut = max(2, len(ranked) // 12)
            chosen = {"train": ranked[cut:], "test": ranked[:cut], "all": ranked}[fold]
            self.lines[tool] = [(line, _parse(line.lstrip("!"))) for line in chosen]

    def sample(self, rng: random.Random, style: str, tool: str | None = None) -> Request:
        tool = tool or rng.choices(list(TOOLS), [NONE_WEIGHT if t == "none" else 1 for t in TOOLS])[0]
        line, parts = rng.choice(self.lines[tool])
        make = self._values[style]
        make.rng = rng
        pieces: list[tuple[str, str | None]] = []
        self._fill(rng, parts, make, pieces)
        return _decorate(rng, pieces, plain=line.startswith("!"), typos=style != "unseen", tool=tool)

    def draw(self, rng: random.Random, style: str) -> Request:
        """A request, now and then with a second one behind it."""
        if rng.random() < JOINED * SHORTENED:
            return self._twice(rng, style)
        first = self.sample(rng, style)
        if first.tool == "none" or rng.random() >= JOINED:
            return first
        second = self.sample(rng, style)
        while second.tool == "none":
            second = self.sample(rng, style)
        joint = rng.choice(JOINTS)
        head = first.text.rstrip("?.! ")
        if max((end for _, end in first.spans.values()), default=0) > len(head):
            return first  # what was stripped belongs to a value
        tail = second.text if joint[0] == "." or rng.random() < 0.3 else second.text[0].lower() + second.text[1:]
        text = head + joint + tail
        begin = len(text) - len(tail)
        return Request(text, first.tool, {**first.spans, "next": (begin, len(text.rstrip("?.! ")))})

    def _twice(self, rng: random.Random, style: str) -> Request:
        """One phrasing with other values behind it again: `move a to music and b to videos`."""

        def repeatable(parts: list) -> bool:
            return len(parts) > 1 and isinstance(parts[0], str) and not isinstance(parts[1], str) and parts[1][0] == "slot"

        tool = rng.choice(REPEATED)
        found = [line for line in self.lines[tool] if repeatable(line[1])]
        if not found:
            return self.sample(rng, style)
        line, parts = rng.choice(found)
        make = self._values[style]
        make.rng = rng
        first: list[tuple[str, str | None]] = []
        second: list[tuple[str, str | None]] = []
        self._fill(rng, parts, make, first)
        self._fill(rng, parts[1:], make, second)
        again = ("".join(words for words, _ in second).strip(), "next")
        pieces = [*first, (rng.choice(SHORT_JOINTS), None), again]
        return _decorate(rng, pieces, plain=line.startswith("!"), typos=style != "unseen", tool=tool)

    def _fill(self, rng, parts, make, pieces) -> None:
        for part in parts:
            if isinstance(part, str):
                pieces.append((part, None))
            elif part[0] == "choice":
                self._fill(rng, rng.choice(part[1]), make, pieces)
            else:
                _, slot, source = part
                value = getattr(make, source)() if hasattr(make, source) and "|" not in source else rng.choice(source.split("|"))
                pieces.append((value, slot if slot != "none" else None))


def _typo(rng: random.Random, word: str) -> str:
    """One slip of the fingers."""
    if len(word) < 4:
        return word
    n, kind = rng.randrange(1, len(word) - 1), rng.randrange(4)
    if kind == 0:
        return word[:n] + word[n + 1] + word[n] + word[n + 2 :]
    if kind == 1:
        return word[:n] + word[n + 1 :]
    if kind == 2:
        return word[:n] + word[n] + word[n:]
    return word[:n] + rng.choice("abcdefghijklmnoprstuwy") + word[n + 1 :]


def _decorate(rng: random.Random, pieces, *, tool: str, plain: bool, typos: bool) -> Request:
    first = pieces[0][0].split(" ")[0].lower() if pieces else ""
    open_end = bool(pieces) and pieces[-1][1] in OPEN_ENDED
    before = after = ""
    if not plain and pieces[0][1] is None:
        if rng.random() < 0.3:
            before = rng.choice(BEFORE_QUESTION if first in QUESTION_WORDS else BEFORE)
    if rng.random() < 0.3:
        after = rng.choice("? . !".split() + [""]) if open_end or plain else rng.choice(AFTER)
    if first in QUESTION_WORDS and not after and rng.random() < 0.4:
        after = "?"
    slip = typos and rng.random() < 0.12
    text, spans = before, {}
    for piece, slot in pieces:
        if slot is None:
            if slip and rng.random() < 0.5:
                words = piece.split(" ")
                n = rng.randrange(len(words))
                words[n] = _typo(rng, words[n]) if words[n].isalpha() else words[n]
                piece = " ".join(words)
            text += piece
            continue
        piece = piece.strip()
        quote = rng.choice(['"', "'", "“"]) if slot in ("text", "path", "query", "to", "app", "window", "title") and rng.random() < 0.05 else ""
        quote = "" if text.endswith(('"', "'")) else quote
        text += quote
        spans[slot] = (len(text), len(text) + len(piece))
        text += piece + {"“": "”"}.get(quote, quote)
    text += after
    x = rng.random()
    if x < 0.3 and text:
        text = text[0].upper() + text[1:]
    return Request(text, tool, spans)

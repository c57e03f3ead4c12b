"""Measures the whole planner on requests that were written apart from all training data.

    python measure.py [--misses N] COMMAND...

COMMAND reads requests from standard input, one a line, and answers each with a line of JSON:
`{"calls": [{"tool": ..., "arguments": {...}}, ...]}`; `argos ask --plan --batch --now 2026-03-18T10:30:00`
does. The requests are `evaluation/*.jsonl`, one JSON object a line: `say`, the expected `calls`, other
lists of calls that are as right in `or`, and a `kind`:

plain   an ordinary wording              two    two requests in one sentence
verb    a verb or construction that few  none   no tool does it
        people would think of            ask    the tool is clear, something it needs is missing
odd     odd strings as values            time   a time that takes working out

They were written by hand, by people who had the tools' contract and not the training data; nothing is
generated from them and no phrasing was taken from them. Where two people wrote the same all the same ("ps aux",
"set a timer"), the requests are counted, and the share without them is given as well. `development/*.jsonl` is another set of that kind,
whose mistakes may be read (`--development --misses N`) to see what to teach or to mend. With `--described` the requests are for tools that the model
was not trained on (`evaluation/described/`), beside all that it was. With `--bars` the status is 1 where one is missed
(`BARS`). Needs Python 3 and nothing else.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent

HARMLESS = {
    "files.list", "files.read", "files.search", "notes.search", "memory.recall", "apps.list", "windows.list",
    "services.list", "services.status", "system.info", "processes.list", "network.status", "agents.list", "docs.ask",
}  # fmt: skip
"""Tools that only look. All others have side effects."""

BARS = {"all": 92.0, "verb, a word never trained on": 85.0, "none": 95.0}
"""Least share of right answers to a kind of requests, in percent."""

WRONG_ACTS = 0.5
"""Most requests that may end in a call with side effects that nobody asked for, in percent."""

ADDING = {"notes.add", "memory.remember", "timer.set", "reminder.add"}
"""Tools that only add something, which can be taken away again."""

TYPED = {"percent", "number", "when", "topic", "sort", "url", "enabled", "append", "max_bytes", "theme"}
"""Arguments of the built-in tools that are right or wrong to the letter."""

FREE = {"query", "question", "text", "title", "label", "window", "app", "agent", "unit", "process"}
"""Arguments that are words of the request: case, articles and end punctuation do not count."""


def bare(words: str) -> str:
    words = re.sub(r"\s+", " ", str(words)).strip(" \t.,;:!?…\"'“”").lower()
    while True:
        shorter = re.sub(r"^(the|my|our|a|an|that|to) ", "", words)
        if shorter == words:
            return words
        words = shorter


def seconds(duration: str) -> float:
    """Length of an ISO 8601 duration without months and years: PT48H is P2D."""
    day, _, clock = str(duration).removeprefix("P").partition("T")
    units = {"W": 604800, "D": 86400}, {"H": 3600, "M": 60, "S": 1}
    return sum(
        float(amount) * unit[letter] for part, unit in zip((day, clock), units) for amount, letter in re.findall(r"([\d.]+)([A-Z])", part)
    )


def same_argument(name: str, found, wanted) -> bool:
    if name == "unit":  # services.* take both
        found, wanted = (str(u).removesuffix(".service") for u in (found, wanted))
    if name in FREE:
        return bare(found) == bare(wanted)
    if name == "duration":
        return seconds(found) == seconds(wanted)
    if name in ("path", "from", "to") and isinstance(found, str):
        return found.rstrip("/") == str(wanted).rstrip("/")
    if name not in TYPED and isinstance(wanted, str):
        return bare(found) == bare(wanted)
    return found == wanted


def same_calls(found: list, wanted: list) -> bool:
    return len(found) == len(wanted) and all(
        f["tool"] == w["tool"]
        and set(f["arguments"]) == set(w["arguments"])
        and all(same_argument(k, f["arguments"][k], v) for k, v in w["arguments"].items())
        for f, w in zip(found, wanted)
    )


def phrasings() -> list[str]:
    """Every training phrasing, as it is written."""
    return [
        line
        for path in (HERE / "data" / "phrasings").glob("*.txt")
        for line in path.read_text(encoding="utf8").splitlines()
        if line and line[0] not in "#["
    ]


def words(phrasing: str) -> set[str]:
    """Every word of a phrasing that stands outside of values."""
    return set(re.findall(r"[a-z']+", re.sub(r"\{[^}]*\}", " ", phrasing.lower())))


def same_words(line: str) -> str:
    """What two people wrote alike but for case, spaces and punctuation at the end."""
    return re.sub(r"\s+", " ", line).strip(" \t.,;:!?…").lower()


def outside_values(entry: dict) -> set[str]:
    """Words of a request that are no part of an argument."""
    text = entry["say"].lower()
    for calls in [entry["calls"], *entry.get("or", [])]:
        for call in calls:
            for value in call["arguments"].values():
                text = text.replace(str(value).lower(), " ")
                text = text.replace(str(value).lower().removeprefix("~/"), " ")
    return set(re.findall(r"[a-z']{3,}", text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", type=int, default=0, help="print that many mistakes of each kind")
    parser.add_argument("--described", action="store_true", help="requests for tools known by their description alone")
    parser.add_argument("--development", action="store_true", help="the set that mistakes are read of, instead of the one that counts")
    parser.add_argument("--bars", action="store_true", help="fail where a bar is missed")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    folder, command = HERE / ("development" if arguments.development else "evaluation"), arguments.command
    if arguments.described:
        folder = folder / "described"
        command = [*command, "--described", str(folder / "tools.json")]
    entries = [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf8").splitlines()
        if line.strip()
    ]
    said = "".join(entry["say"].replace("\n", " ") + "\n" for entry in entries)
    run = subprocess.run(command, input=said, stdout=subprocess.PIPE, text=True, check=False)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or len(answers) != len(entries):
        sys.exit(f"{arguments.command[0]}: status {run.returncode}, {len(answers)} answers to {len(entries)} requests")

    trained = phrasings()
    known = set().union(*map(words, trained))
    lines = set(map(same_words, trained))
    kinds: dict[str, list[bool]] = defaultdict(list)
    wrong_acts = wrong_tools = 0
    tools: dict[str, list[bool]] = defaultdict(list)
    shown: dict[str, int] = defaultdict(int)
    for entry, answer in zip(entries, answers):
        calls = answer["calls"]
        right = any(same_calls(calls, wanted) for wanted in [entry["calls"], *entry.get("or", [])])
        kind = entry["kind"]
        kinds[kind].append(right)
        if entry["calls"]:
            kinds["all with calls"].append(right)
            tools[entry["calls"][0]["tool"]].append(right)
            if kind == "verb":
                if outside_values(entry) - known:
                    kinds["verb, a word never trained on"].append(right)
        kinds["all"].append(right)
        if same_words(entry["say"]) not in lines:
            kinds["all but those that stand in training as well"].append(right)
        wanted = [c for calls_ in [entry["calls"], *entry.get("or", [])] for c in calls_]
        acts = [c for c in calls if c["tool"] not in HARMLESS]
        wrong_tools += any(all(c["tool"] != w["tool"] for w in wanted) for c in acts)
        wrong_acts += any(not any(same_calls([c], [w]) for w in wanted) for c in acts)
        if not right and shown[kind] < arguments.misses:
            shown[kind] += 1
            print(f"  {kind}: {entry['say']!r}\n     {json.dumps(entry['calls'], ensure_ascii=False)}\n  <- {json.dumps(answer, ensure_ascii=False)}")
    shares = {kind: 100 * sum(rights) / len(rights) for kind, rights in kinds.items()}
    print("| requests | n | exact, % |\n|---|---|---|")
    for kind in sorted(kinds):
        print(f"| {kind} | {len(kinds[kind])} | {shares[kind]:.1f} |")
    weakest = sorted(tools, key=lambda t: sum(tools[t]) / len(tools[t]))[:8]
    print("weakest:", ", ".join(f"{t} {100 * sum(tools[t]) / len(tools[t]):.0f}" for t in weakest))
    print(f"calls with side effects that nobody asked for: {100 * wrong_acts / len(entries):.2f} % of all requests")
    print(f"  of them, another tool than any that was meant: {100 * wrong_tools / len(entries):.2f} %")
    if arguments.bars:
        missed = [f"{kind}: {shares.get(kind, 0):.1f} % of {bar} %" for kind, bar in BARS.items() if shares.get(kind, 0) < bar]
        if 100 * wrong_acts / len(entries) > WRONG_ACTS:
            missed.append(f"acts that nobody asked for: more than {WRONG_ACTS} %")
        if missed:
            sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()

"""Measures a model folder as it is shipped: requests in, calls out, through `model.onnx`.

    python evaluate.py DIR [--misses N]

prints the table of README.md. Three groups are generated (data/), the fourth is heldout.yaml,
which was written by hand before any phrasing and is never trained on.
"""

import argparse
import json
import random
import re
import time
from pathlib import Path

import numpy as np
import onnxruntime
import yaml
from tokenizers import Tokenizer

import build
import dataset
import decode

NONE = "none"


class Example:
    """One labelled request in tokens; `spans` are (first, last) token by slot number."""

    __slots__ = ("request", "ids", "offsets", "spans", "tokens", "pooled")

    def __init__(self, request: dataset.Request, ids: list[int], offsets: list, spans: dict):
        self.request, self.ids, self.offsets, self.spans = request, ids, offsets, spans
        # The encoder's features, where they are needed (training).
        self.tokens = self.pooled = None


class HeldOut(dataset.Request):
    """A request of heldout.yaml: arguments by name, several wordings may be right."""

    def __init__(self, entry: dict):
        super().__init__(entry["say"], entry["tool"], {})
        self.arguments = {k: v if isinstance(v, list) else [v] for k, v in entry["args"].items()}


class Labeller:
    """Requests with their tokens."""

    def __init__(self):
        folder = build.wheel_model()
        self.tokenizer = Tokenizer.from_str(build.tokenizer_without_limits(folder / "tokenizer.json"))
        self.vocabulary = dataset.values.read_vocabulary(folder / "vocab.txt")

    def label(self, request: dataset.Request) -> Example | None:
        """None where the request is too long or a span falls between tokens."""
        encoded = self.tokenizer.encode(request.text)
        if len(encoded.ids) > build.MAX_TOKENS:
            return None
        spans = {}
        for slot, (begin, end) in request.spans.items():
            inside = [n for n, (a, b) in enumerate(encoded.offsets) if b > a and a >= begin and b <= end]
            if not inside:
                return None
            spans[dataset.SLOTS.index(slot)] = (inside[0], inside[-1])
        return Example(request, encoded.ids, encoded.offsets, spans)

    def generate(self, fold: str, styles: dict[str, float], count: int, seed: int, joined: bool = False) -> list[Example]:
        rng = random.Random(seed)
        phrasings = dataset.Phrasings(self.vocabulary, fold)
        found: list[Example] = []
        while len(found) < count:
            style = rng.choices(list(styles), list(styles.values()))[0]
            example = self.label(phrasings.draw(rng, style) if joined else phrasings.sample(rng, style))
            if example:
                found.append(example)
        return found

    def groups(self) -> dict[str, list[Example]]:
        """What is measured, by name."""
        entries = yaml.safe_load((dataset.DATA / "heldout.yaml").read_text(encoding="utf8"))
        return {
            "seen phrasings, new values": self.generate("train", {"unseen": 1}, 1000, 11),
            "unseen phrasings": self.generate("test", {"unseen": 1}, 1500, 12),
            "unseen phrasings, odd strings": self.generate("test", {"odd": 1}, 1000, 13),
            "hand-written, never trained on": [self.label(HeldOut(entry)) for entry in entries],
        }


class Model:
    """A model folder on one thread, as the AI service runs it."""

    def __init__(self, folder: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self.planner = json.loads((folder / "planner.json").read_text(encoding="utf8"))

    def predict(self, examples: list[Example]) -> list[tuple[np.ndarray, dict[str, str], float]]:
        """Tool logits; words of the likeliest tool's arguments; how sure those are."""
        results = []
        for example in examples:
            ids = np.array([example.ids])
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            logits, start, end = (x[0] for x in self.session.run(build.OUTPUTS[1:], feed))
            tool = self.planner["tools"][int(logits.argmax())]
            spec = self.planner["tool_slots"].get(tool, {})
            found = decode.arguments(spec, self.planner["slots"], start, end, example.offsets, example.request.text)
            results.append((logits, *found))
        return results


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    x = logits / temperature
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def expected(example: Example) -> dict[str, list[str]]:
    """Accepted words by argument."""
    request = example.request
    if isinstance(request, HeldOut):
        return request.arguments
    return {
        name: [request.text[slice(*request.spans[argument["slot"]])]]
        for name, argument in dataset.TOOLS[request.tool].items()
        if argument["slot"] in request.spans
    }


def same(found: str, wanted: list[str]) -> bool:
    """Articles and possessives at the beginning do not count: the engine and the tools ignore them."""

    def bare(words: str) -> str:
        return re.sub(r"^((the|my|our|a|an) )+", "", words.lower())

    return bare(found) in [bare(w) for w in wanted]


def correct(example: Example, logits: np.ndarray, arguments: dict[str, str], tools: list[str]) -> bool:
    """Whether tool and all arguments are right."""
    wanted = expected(example)
    return (
        tools[int(logits.argmax())] == example.request.tool
        and set(arguments) == set(wanted)
        and all(same(arguments[k], wanted[k]) for k in wanted)
    )


def act_threshold(planner: dict, tool: str) -> float:
    """From which confidence on a tool is called."""
    effects = planner["effects"]
    if tool in effects["harmless"]:
        return planner["act_threshold"]
    return (effects["adding"] if tool in effects["adding"]["tools"] else effects)["act_threshold"]


def report(name: str, examples: list[Example], results: list, planner: dict, misses: int = 0) -> str:
    """A row of the table, and the first mistakes."""
    tools = planner["tools"]
    count = dict.fromkeys(["tool", "exact", "act", "ask", "wrong tool", "wrong words", "none", "none kept"], 0)
    for example, (logits, arguments, certainty) in zip(examples, results):
        tool = tools[int(logits.argmax())]
        confidence = float(probabilities(logits, planner["temperature"]).max())
        tool_ok = tool == example.request.tool
        exact_ok = correct(example, logits, arguments, tools)
        complete = all(k in arguments for k, a in dataset.TOOLS[tool].items() if a["required"])
        act = tool != NONE and complete and confidence * certainty >= act_threshold(planner, tool)
        count["tool"] += tool_ok
        count["exact"] += exact_ok
        count["act"] += act
        count["ask"] += tool != NONE and not act and confidence >= planner["ask_threshold"]
        count["wrong tool"] += act and not tool_ok
        count["wrong words"] += act and tool_ok and not exact_ok
        count["none"] += example.request.tool == NONE
        count["none kept"] += example.request.tool == NONE and not act
        if not exact_ok and misses > 0:
            misses -= 1
            sureness = f"{confidence:.2f} {certainty:.2f}"
            print(f"    {example.request.text!r}: {example.request.tool} {expected(example)} <- {tool} {sureness} {arguments}")
    columns = [count[k] / len(examples) for k in ("tool", "exact", "act", "ask", "wrong tool", "wrong words")]
    columns.append(count["none kept"] / max(count["none"], 1))
    return f"| {name} | {len(examples)} | " + " | ".join(f"{100 * share:.1f}" for share in columns) + " |"


HEADER = (
    "| % of requests | n | tool right | exact call | acted | asked back | acted, wrong tool | acted, wrong words "
    "| of `none`: not acted |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--misses", type=int, default=0, help="print that many mistakes of each group")
    arguments = parser.parse_args()
    model = Model(arguments.folder)
    rows, count, seconds = [], 0, 0.0
    for name, examples in Labeller().groups().items():
        began = time.perf_counter()
        results = model.predict(examples)
        seconds += time.perf_counter() - began
        count += len(examples)
        rows.append(report(name, examples, results, model.planner, arguments.misses))
    print(HEADER, *rows, sep="\n")
    print(f"{1000 * seconds / count:.1f} ms a request on one thread")


if __name__ == "__main__":
    main()

"""Trains the heads on the frozen, quantised encoder and writes `head.safetensors`.

    python train.py [--heads 1] [--requests 66000] [--epochs 5] [--fold train|all] [--out head.safetensors]

Each head starts from other random numbers and sees other requests out of the same phrasings. The
encoder's features are computed with the very graph that is shipped (int8), so the heads
learn on what they will see. `--fold train` keeps one phrasing in twelve away from training and
calibrates on it: how sure must it be to act, how sure to ask back. README.md has the whole recipe.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=1, help="how many heads vote")
    parser.add_argument("--requests", type=int, default=66000, help="generated requests for each head")
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--fold", choices=["train", "all"], default="train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.2e-3, help="peak learning rate")
    parser.add_argument("--join", type=Path, nargs="+", help="train nothing: the heads of these files, their thresholds measured again")
    parser.add_argument("--thresholds", type=Path, help="take the calibration from this head (for --fold all)")
    parser.add_argument("--out", type=Path, default=HERE / "head.safetensors")
    return parser.parse_args()


ARGS = parse_arguments() if __name__ == "__main__" else None
if ARGS:
    os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if ARGS.threads > 1 else 'false'}")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import onnxruntime  # noqa: E402

import build  # noqa: E402
import dataset  # noqa: E402
import graph  # noqa: E402
import head as head_model  # noqa: E402
import tensors  # noqa: E402
from measure import ADDING, HARMLESS  # noqa: E402
from evaluate import Example, Labeller, Model, correct, probabilities  # noqa: E402

TOOL_NAMES = list(dataset.TOOLS)


WRONG_LOOK = 0.025
WRONG_ADD = 0.013
WRONG_ACT = 0.017
"""Share of all requests that may end in a call that was not meant, of tools that only look, of those that add
something and of the others; see `calibrate`."""


class Features:
    """The shipped encoder, as what the head sees."""

    def __init__(self, threads: int):
        weights, _ = tensors.load(build.wheel_model() / "model.safetensors")
        model = graph.build(weights, [], taps=head_model.TAPS, head_heads=head_model.HEADS, quantised=True, features=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(graph.quantise(model).SerializeToString(), options)

    def fill(self, examples: list[Example]) -> None:
        """Sets `tokens` and `pooled`. Small batches of one length: as when one person asks."""
        order = sorted(range(len(examples)), key=lambda n: len(examples[n].ids))
        begin = 0
        while begin < len(order):
            length = len(examples[order[begin]].ids)
            group = [n for n in order[begin : begin + 16] if len(examples[n].ids) == length]
            begin += len(group)
            ids = np.array([examples[n].ids for n in group])
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            tokens, pooled = self.session.run(["tokens", "pooled"], feed)
            for row, n in enumerate(group):
                examples[n].tokens = tokens[row].astype(np.float16)
                examples[n].pooled = pooled[row]


def collate(examples: list[Example], length: int):
    """Arrays for one step. Slots of other tools carry no loss: what they should say is unknown."""
    count, slots = len(examples), len(dataset.SLOTS)
    tokens = np.zeros((count, length, head_model.ENCODER_WIDTH * len(head_model.TAPS)), np.float16)
    mask = np.zeros((count, length), np.float32)
    spans = np.zeros((count, slots, 2), np.int32)
    weight = np.zeros((count, slots), np.float32)
    for n, example in enumerate(examples):
        tokens[n, : len(example.ids)] = example.tokens
        mask[n, : len(example.ids)] = 1
        for slot in ["next", *(a["slot"] for a in dataset.TOOLS[example.request.tool].values())]:
            k = dataset.SLOTS.index(slot)
            weight[n, k] = 1
            spans[n, k] = example.spans.get(k, (0, 0))
    pooled = np.stack([e.pooled for e in examples])
    tool = np.array([TOOL_NAMES.index(e.request.tool) for e in examples], np.int32)
    return tokens, pooled, mask, tool, spans, weight


def loss(params, batch, noise):
    tokens, pooled, mask, tool, spans, weight = batch
    logits, start, end = head_model.apply(params, tokens.astype(jnp.float32), pooled, mask, noise)
    # A little label smoothing keeps the confidence usable as one.
    target = jax.nn.one_hot(tool, logits.shape[-1]) * 0.98 + 0.02 / logits.shape[-1]
    tool_loss = -(target * jax.nn.log_softmax(logits)).sum(-1).mean()
    point = 0.0
    for scores, where in ((start, spans[..., 0]), (end, spans[..., 1])):
        picked = jnp.take_along_axis(jax.nn.log_softmax(scores, -1), where[..., None], -1)[..., 0]
        point = point - (picked * weight).sum() / mask.shape[0]
    return tool_loss + 0.5 * point


def train(params, examples: list[Example], epochs: float, batch: int, rate: float, seed: int):
    """AdamW with a short warm-up and a cosine decay; lengths are bucketed to save padding."""
    params = {k: jnp.asarray(v) for k, v in params.items()}
    moments = ({k: jnp.zeros_like(v) for k, v in params.items()}, {k: jnp.zeros_like(v) for k, v in params.items()})
    total = int(len(examples) * epochs / batch)

    @jax.jit
    def step(params, moments, count, data, noise):
        value, gradient = jax.value_and_grad(loss)(params, data, noise)
        norm = jnp.sqrt(sum((g * g).sum() for g in gradient.values()))
        scale = jnp.minimum(1.0, 1.0 / (norm + 1e-9))
        speed = rate * jnp.minimum(1.0, (count + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + jnp.cos(jnp.pi * count / total)))
        first, second, updated = {}, {}, {}
        for name, g in gradient.items():
            g = g * scale
            first[name] = 0.9 * moments[0][name] + 0.1 * g
            second[name] = 0.98 * moments[1][name] + 0.02 * g * g
            m = first[name] / (1 - 0.9 ** (count + 1))
            v = second[name] / (1 - 0.98 ** (count + 1))
            decay = 0.02 if name.endswith("weight") and "norm" not in name else 0.0
            updated[name] = params[name] - speed * (m / (jnp.sqrt(v) + 1e-8) + decay * params[name])
        return updated, (first, second), value

    rng, dropout = random.Random(seed), np.random.default_rng(seed)
    buckets: dict[int, list[Example]] = {}
    for example in examples:
        buckets.setdefault(-(-len(example.ids) // 4) * 4, []).append(example)
    queue: list[tuple[int, list[Example]]] = []
    average, began = None, time.time()
    for count in range(total):
        if not queue:
            for length, bucket in buckets.items():
                rng.shuffle(bucket)
                queue += [(length, bucket[n : n + batch]) for n in range(0, len(bucket) - batch + 1, batch)]
            rng.shuffle(queue)
        length, chosen = queue.pop()
        tokens, *others = collate(chosen, length)
        data = (head_model.drop_features(dropout, tokens), *others)
        params, moments, value = step(params, moments, count, data, head_model.noise(dropout, *tokens.shape[:2]))
        if count % 20 == 0:
            average = float(value) if average is None else 0.8 * average + 0.2 * float(value)
        if count % 100 == 0:
            print(f"  step {count} of {total}, loss {average:.3f}, {time.time() - began:.0f} s", flush=True)
    return {k: np.asarray(v) for k, v in params.items()}


def calibrate(examples: list[Example], results: list) -> dict:
    """When to act, when to ask back, measured on phrasings that training has not seen.

    The temperature makes the right tool likeliest. Then the thresholds are the lowest that keep their promise:
    at most `WRONG_LOOK`, `WRONG_ADD` and `WRONG_ACT` of all requests end in a call with a wrong tool or argument;
    a question "did you mean ...?" is apt at least every second time."""
    logits = np.stack([r[0] for r in results])
    words = np.array([r[2] for r in results])
    truth = np.array([TOOL_NAMES.index(e.request.tool) for e in examples])
    right = np.array([correct(e, *r[:2], TOOL_NAMES) for e, r in zip(examples, results)])
    rows = np.arange(len(truth))

    def likelihood(t: float) -> float:
        return float(np.log(probabilities(logits, t)[rows, truth] + 1e-12).mean())

    temperature = float(max(np.exp(np.linspace(np.log(0.3), np.log(4), 60)), key=likelihood))
    p = probabilities(logits, temperature)
    best, confidence = p.argmax(-1), p.max(-1)
    tool = best != TOOL_NAMES.index("none")

    def lowest(candidates, promise) -> float:
        kept = (float(c) for c in candidates if promise(c))
        return round(next(kept, float(candidates[-1])), 3)

    harmless, adding = (np.isin(best, [TOOL_NAMES.index(t) for t in tools]) for tools in (HARMLESS, ADDING))
    sure = confidence * words
    steps = np.linspace(0.1, 0.99, 179)

    def wrong(group: np.ndarray, threshold: float) -> float:
        return (tool & group & (sure >= threshold) & ~right).mean()

    act = lowest(steps, lambda c: wrong(harmless, c) <= WRONG_LOOK)
    add = lowest(steps, lambda c: wrong(adding, c) <= WRONG_ADD)
    careful = lowest(steps, lambda c: wrong(~harmless & ~adding, c) <= WRONG_ACT)

    def apt(c: float) -> bool:
        asked = tool & (confidence >= c) & (sure < np.where(harmless, act, np.where(adding, add, careful)))
        return not asked.any() or (best[asked] == truth[asked]).mean() >= 0.5

    return {
        "temperature": round(temperature, 3),
        "act_threshold": act,
        "ask_threshold": lowest(np.linspace(0.1, 0.9, 81), apt),
        "effects": {
            "harmless": sorted(HARMLESS),
            "act_threshold": careful,
            "adding": {"tools": sorted(ADDING), "act_threshold": add},
        },
    }


def agree(heads: list[dict], features: Features, examples: list[Example], results: list) -> None:
    """The graph must compute what was trained: compares the likely tools' logits with the heads in JAX."""
    for example, (logits, *_) in zip(examples, results):
        features.fill([example])  # alone: in 8 bits a batch rounds differently
        tokens, pooled, mask, *_ = collate([example], len(example.ids))
        scores = [head_model.apply(params, tokens.astype(np.float32), pooled, mask)[0][0] for params in heads]
        trained = np.log(np.mean([probabilities(np.asarray(s), 1.0) for s in scores], 0) + graph.LEAST)
        worst = float(np.abs(trained - logits)[trained > np.log(0.01)].max())
        if worst > 0.1:  # features are kept in half precision
            sys.exit(f"graph.py and head.py disagree by {worst:.2f} on {example.request.text!r}")


def rounded(params: dict) -> dict[str, np.ndarray]:
    """As it is committed: matrices in 8 bits with a scale for each column, the rest in half precision."""
    stored = {}
    for name, value in params.items():
        if value.ndim == 2:
            scale = np.maximum(np.abs(value).max(0, keepdims=True) / 127, 1e-7).astype(np.float16)
            stored[name] = np.clip(np.rint(value / scale.astype(np.float32)), -127, 127).astype(np.int8)
            stored[name + build.SCALE] = scale
        else:
            stored[name] = value.astype(np.float16)
    return stored


def save(path: Path, heads: list[dict], calibration: dict) -> None:
    planner = {
        "tools": TOOL_NAMES,
        "slots": dataset.SLOTS,
        "tool_slots": {tool: arguments for tool, arguments in dataset.TOOLS.items() if tool != "none"},
        "max_tokens": build.MAX_TOKENS,
        **calibration,
    }
    metadata = {"planner": json.dumps(planner), "taps": json.dumps(head_model.TAPS), "heads": str(head_model.HEADS)}
    stored = {f"{n}/{name}": value for n, head in enumerate(heads) for name, value in rounded(head).items()}
    tensors.save(path, stored, metadata)


def set_thresholds(out: Path, heads: list[dict], labeller: Labeller) -> list:
    """Writes the heads with thresholds measured on their own graph; returns what that graph said."""
    effects = {"harmless": [], "act_threshold": 1.0, "adding": {"tools": [], "act_threshold": 1.0}}
    unset = {"temperature": 1.0, "act_threshold": 1.0, "ask_threshold": 1.0, "effects": effects}
    save(out, heads, unset)
    with tempfile.TemporaryDirectory() as folder:
        build.build(Path(folder) / "model", out)
        model = Model(Path(folder) / "model")
    held = labeller.groups()["unseen phrasings"]
    results = model.predict(held)
    calibration = calibrate(held, results)
    print(calibration)
    save(out, heads, calibration)
    return [held, results]


def train_head(features: Features, labeller: Labeller, seed: int) -> dict[str, np.ndarray]:
    """One head, on requests and from numbers of its own."""
    began = time.time()
    examples = labeller.generate(ARGS.fold, {"seen": 0.65, "odd": 0.35}, ARGS.requests, seed, joined=True)
    features.fill(examples)
    print(f"{len(examples)} requests, features in {time.time() - began:.0f} s", flush=True)
    params = head_model.init(seed, len(TOOL_NAMES), len(dataset.SLOTS))
    print(f"{sum(v.size for v in params.values()) / 1e6:.2f} million parameters", flush=True)
    return train(params, examples, ARGS.epochs, ARGS.batch, ARGS.rate, seed)


def main() -> None:
    began = time.time()
    labeller = Labeller()
    features = Features(ARGS.threads)
    if ARGS.join:
        heads = [build.unpacked(head) for path in ARGS.join for head in build.load_heads(path)[0]]
    else:
        heads = [train_head(features, labeller, ARGS.seed + n) for n in range(ARGS.heads)]
    if ARGS.thresholds:
        planner = json.loads(tensors.load(ARGS.thresholds)[1]["planner"])
        names = ("temperature", "act_threshold", "ask_threshold", "effects")
        save(ARGS.out, heads, {name: planner[name] for name in names})
    else:
        held, results = set_thresholds(ARGS.out, heads, labeller)
        agree([build.unpacked(head) for head in build.load_heads(ARGS.out)[0]], features, held[:50], results[:50])
    print(f"{ARGS.out}: {ARGS.out.stat().st_size / 1e6:.2f} MB, {time.time() - began:.0f} s in all")
    print("now: python build.py --out DIR && python evaluate.py DIR")


if __name__ == "__main__":
    main()

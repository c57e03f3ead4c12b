"""Writes the planner as one ONNX graph: sentence encoder, pooling, tool and argument head.

The encoder is BERT as Devlin et al. (2018) describe it (post-norm, learned positions, GELU);
its weights come from the sentence-transformers model all-MiniLM-L6-v2. The head is ours:

    features   two encoder layers side by side, projected to a narrower width
    context    a few pre-norm transformer blocks over all words of the request
    tool       from the mean of the words, an attention-weighted mean, and the encoder's mean
    arguments  per generic slot a score for "begins here" and "ends here" on each token,
               given the words and the tools that the request probably means

Several heads that learned from different requests vote: the outputs are the logarithms of their
mean probabilities. They are wrong about different things, so that where they agree they can be
believed (Lakshminarayanan et al., 2017).

`head.py` is the same head in JAX, for training. `build.py --check` compares the encoder with values
from an independent implementation, `train.py` the heads with their twins in JAX at its end.
"""

import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
"""First opset with Gelu; LayerNormalization came with 17."""

RUNTIME = "com.microsoft"
"""Domain of the operators that ONNX Runtime has beside the standard's."""

EPSILON = 1e-12
"""Layer norm of the encoder (config.json of the model)."""

HEAD_EPSILON = 1e-5

LEAST = 1e-12
"""The smallest probability whose logarithm is taken."""

PADDING = -1e4
"""Added to scores of padding: small enough to vanish, large enough for half precision."""


@dataclass(frozen=True)
class Encoder:
    """Shape of the encoder; the defaults are those of all-MiniLM-L6-v2."""

    layers: int = 6
    width: int = 384
    heads: int = 12


@dataclass(frozen=True)
class Packed:
    """A matrix in 8 bits: `values` [in, out] and for each column what they are multiplied with.

    The graph holds it like this and ONNX Runtime unpacks it once, when it loads the graph."""

    values: np.ndarray
    scale: np.ndarray

    def whole(self) -> np.ndarray:
        return self.values.astype(np.float32) * self.scale.astype(np.float32)


@dataclass
class _Graph:
    """Collects nodes and constants; each method returns the name of its result."""

    nodes: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    scope: str = ""

    def const(self, name: str, value: np.ndarray) -> str:
        name = self.scope + name
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def ints(self, *values: int) -> str:
        name = "ints_" + "_".join(str(v) for v in values)
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def scalar(self, value: float) -> str:
        name = f"scalar_{value!r}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(value, np.float32), name)
        return name

    def op(self, kind: str, *inputs: str, name: str = "", **attributes) -> str:
        out = self.scope + (name or f"{kind.lower()}_{len(self.nodes)}")
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out + "/op", **attributes))
        return out

    def matrix(self, name: str, weight: np.ndarray | Packed) -> str:
        if not isinstance(weight, Packed):
            return self.const(name, weight)
        values = self.op("Cast", self.const(name + ".values", weight.values), to=TensorProto.FLOAT)
        return self.op("Mul", values, self.const(name + ".scale", weight.scale.astype(np.float32)), name=name)

    def linear(self, x: str, name: str, weight: np.ndarray | Packed, bias: np.ndarray | None) -> str:
        """`x @ weight + bias`; weight is [in, out]."""
        y = self.op("MatMul", x, self.matrix(name + ".weight", weight), name=name + ".matmul")
        return y if bias is None else self.op("Add", y, self.const(name + ".bias", bias), name=name + ".out")

    def norm(self, x: str, name: str, weight: np.ndarray, bias: np.ndarray, epsilon: float) -> str:
        return self.op(
            "LayerNormalization",
            x,
            self.const(name + ".weight", weight),
            self.const(name + ".bias", bias),
            axis=-1,
            epsilon=epsilon,
            name=name + ".out",
        )

    def attention(self, x: str, mask: str, heads: int, qkv: tuple, out: tuple) -> str:
        """Self-attention over [B, S, width]; `mask` [B, S] is 0 where there is padding.

        Between the projections it is one node of ONNX Runtime's own: a request has a dozen words, and as
        a dozen small nodes it took a tenth longer altogether."""
        y = self.linear(x, "qkv", *qkv)
        parts = [f"{self.scope}{n}" for n in ("q", "k", "v")]
        self.nodes.append(
            helper.make_node("Split", [y], parts, axis=-1, num_outputs=3, name=self.scope + "split/op")
        )
        mixed = self.op("MultiHeadAttention", *parts, "", mask, domain=RUNTIME, num_heads=heads, mask_filter_value=PADDING)
        return self.linear(mixed, "attention", *out)


@dataclass(frozen=True)
class _Words:
    """Which of the words are none but padding, in the forms that are needed."""

    whole: str
    """[B, S] int32: 1 for a word."""
    column: str
    """[B, S, 1]: the same in 32 bits of floating point."""
    hide: str
    """[B, S, 1]: 0 for a word, `PADDING` for what is none."""


def _words(g: _Graph) -> _Words:
    column = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.ints(2))
    hide = g.op("Mul", g.op("Sub", column, g.scalar(1.0)), g.scalar(-PADDING))
    return _Words(g.op("Cast", "attention_mask", to=TensorProto.INT32), column, hide)


def _embeddings(g: _Graph, w: dict[str, np.ndarray], quantised: bool) -> str:
    """Words + positions. In the quantised graph each word's row is int8 with a scale of its own:
    the table is half of the model and one scale for all of it would cost accuracy."""
    table = w["embeddings.word_embeddings.weight"]
    if quantised:
        scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
        rows = g.op("Gather", g.const("words", np.rint(table / scale).astype(np.int8)), "input_ids")
        scales = g.op("Gather", g.const("words.scale", scale), "input_ids")
        words = g.op("Mul", g.op("Cast", rows, to=TensorProto.FLOAT), scales)
    else:
        words = g.op("Gather", g.const("words", table), "input_ids")
    # Every token has type 0, so that row is part of the positions.
    positions = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    length = g.op("Slice", g.op("Shape", "input_ids"), g.ints(1), g.ints(2))
    here = g.op("Slice", g.const("positions", positions), g.ints(0), length, g.ints(0))
    return g.norm(
        g.op("Add", words, here),
        "embeddings",
        w["embeddings.LayerNorm.weight"],
        w["embeddings.LayerNorm.bias"],
        EPSILON,
    )


def _encoder(g: _Graph, w: dict[str, np.ndarray], shape: Encoder, words: _Words, quantised: bool) -> list[str]:
    """Output of the embeddings and of each layer, [B, S, width]."""
    g.scope = "encoder/"
    x = _embeddings(g, w, quantised)
    states = [x]
    for n in range(shape.layers):
        g.scope = f"encoder/{n}/"
        at = f"encoder.layer.{n}."

        def dense(name: str) -> tuple[np.ndarray, np.ndarray]:
            return w[at + name + ".weight"].T, w[at + name + ".bias"]

        qkv = [dense("attention.self." + part) for part in ("query", "key", "value")]
        qkv = (np.concatenate([m for m, _ in qkv], 1), np.concatenate([b for _, b in qkv]))
        y = g.attention(x, words.whole, shape.heads, qkv, dense("attention.output.dense"))
        norm = "attention.output.LayerNorm"
        x = g.norm(g.op("Add", x, y), "norm1", w[at + norm + ".weight"], w[at + norm + ".bias"], EPSILON)
        y = g.op("Gelu", g.linear(x, "up", *dense("intermediate.dense")))
        y = g.linear(y, "down", *dense("output.dense"))
        norm = "output.LayerNorm"
        x = g.norm(g.op("Add", x, y), "norm2", w[at + norm + ".weight"], w[at + norm + ".bias"], EPSILON)
        states.append(x)
    return states


def _head(g: _Graph, scope: str, w: dict[str, np.ndarray | Packed], tokens: str, pooled: str, words: _Words, heads: int):
    """One head: its scores of the tools [B, T] and of the arguments' first and last words [B, 2K, S]."""
    g.scope = scope
    x = g.linear(tokens, "in", w["in.weight"], w["in.bias"])
    n = 0
    while f"{n}.qkv.weight" in w:
        g.scope = f"{scope}{n}/"

        def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
            return w[f"{n}.{name}.weight"], w[f"{n}.{name}.bias"]

        y = g.norm(x, "norm1", *pair("norm1"), HEAD_EPSILON)
        x = g.op("Add", x, g.attention(y, words.whole, heads, pair("qkv"), pair("attention")))
        y = g.norm(x, "norm2", *pair("norm2"), HEAD_EPSILON)
        y = g.linear(g.op("Gelu", g.linear(y, "up", *pair("up"))), "down", *pair("down"))
        x = g.op("Add", x, y)
        n += 1
    g.scope = scope
    x = g.norm(x, "norm", w["norm.weight"], w["norm.bias"], HEAD_EPSILON)

    score = g.op("Add", g.linear(x, "attend", w["attend.weight"], None), words.hide)
    attended = g.op("ReduceSum", g.op("Mul", x, g.op("Softmax", score, axis=1)), g.ints(1), keepdims=0)
    features = g.op("Concat", _mean(g, x, words), attended, pooled, axis=-1)
    hidden = g.op("Gelu", g.linear(features, "tool", w["tool.weight"], w["tool.bias"]))
    logits = g.linear(hidden, "tools", w["tools.weight"], w["tools.bias"])

    probable = g.linear(g.op("Softmax", logits, axis=-1), "meant", w["meant.weight"], None)
    y = g.linear(x, "slot", w["slot.weight"], w["slot.bias"])
    y = g.op("Gelu", g.op("Add", y, g.op("Unsqueeze", probable, g.ints(1))))
    y = g.op("Add", g.linear(y, "slots", w["slots.weight"], w["slots.bias"]), words.hide)
    return logits, g.op("Transpose", y, perm=[0, 2, 1])


def _vote(g: _Graph, scores: list[str], name: str) -> str:
    """Logarithm of the mean of the probabilities over the last axis that each of `scores` stands for."""
    total = g.op("Sum", *(g.op("Softmax", s, axis=-1) for s in scores))
    mean = g.op("Mul", total, g.scalar(1.0 / len(scores)))
    return g.op("Log", g.op("Max", mean, g.scalar(LEAST)), name=name)


def _heads(g: _Graph, heads: list[dict[str, np.ndarray | Packed]], *arguments):
    """Adds `tool_logits`, `slot_start` and `slot_end`."""
    tools, slots = zip(*(_head(g, f"heads/{n}/", w, *arguments) for n, w in enumerate(heads)))
    g.scope = ""
    _vote(g, tools, "tool_logits")
    g.nodes.append(
        helper.make_node("Split", [_vote(g, slots, "slots")], ["slot_start", "slot_end"], axis=1, num_outputs=2, name="slots/op/split")
    )


def _mean(g: _Graph, x: str, words: _Words) -> str:
    """Mean over the words that are not padding: [B, S, N] -> [B, N]."""
    total = g.op("ReduceSum", g.op("Mul", x, words.column), g.ints(1), keepdims=0)
    count = g.op("Max", g.op("ReduceSum", words.column, g.ints(1), keepdims=0), g.scalar(1.0))
    return g.op("Div", total, count)


def build(
    encoder: dict[str, np.ndarray],
    heads: list[dict[str, np.ndarray | Packed]],
    *,
    taps: list[int],
    head_heads: int,
    shape: Encoder = Encoder(),
    quantised: bool = False,
    features: bool = False,
) -> onnx.ModelProto:
    """The graph with inputs `input_ids`, `attention_mask` (int64 [B, S]) and the output
    `embedding` [B, width]; with heads also `tool_logits` [B, T], `slot_start` and `slot_end`
    [B, K, S]; with `features` also what the head is trained on: `tokens` [B, S, taps * width] and
    `pooled` [B, width]. `taps` are the encoder layers that the head reads (0: the embeddings)."""
    g = _Graph()
    words = _words(g)
    states = _encoder(g, encoder, shape, words, quantised)
    g.scope = ""
    pooled = _mean(g, states[-1], words)
    g.op("LpNormalization", pooled, axis=-1, p=2, name="embedding")
    outputs = {"embedding": ["batch", shape.width]}
    if features or heads:
        tokens = g.op("Concat", *(states[n] for n in taps), axis=-1, name="tokens")
    if features:
        g.op("Identity", pooled, name="pooled")
        outputs["tokens"] = ["batch", "sequence", shape.width * len(taps)]
        outputs["pooled"] = ["batch", shape.width]
    if heads:
        _heads(g, heads, tokens, pooled, words, head_heads)
        outputs["tool_logits"] = ["batch", heads[0]["tools.bias"].shape[0]]
        slots = heads[0]["slots.bias"].shape[0] // 2
        outputs["slot_start"] = outputs["slot_end"] = ["batch", slots, "sequence"]

    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    outs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()]
    graph = helper.make_graph(g.nodes, "argos-planner", ids, outs, list(g.constants.values()))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, 1)], ir_version=9, producer_name="argos"
    )
    onnx.checker.check_model(model)
    return model


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """The encoder's matrices in int8, activations quantised while running.

    Seven bits per weight (`reduce_range`): CPUs with AVX2 but no VNNI add two products in 16 bits
    that would saturate otherwise. The head stays in 32 bits: it is small, and it decides."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises a preparation step that graphs from other tools need.
    logging.getLogger().setLevel(logging.ERROR)
    keep = [node.name for node in model.graph.node if not node.name.startswith("encoder/")]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=keep,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            # Behind an operator that is not of the standard the types are not known.
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
        return onnx.load(target)

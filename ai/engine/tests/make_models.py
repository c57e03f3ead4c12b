"""Makes the tiny models beside this script (models/*).

Random causal language models. They say nothing sensible, but they are real graphs with real attention over a KV cache, in the
shapes that exist in the wild:

* lm:       fp32, position_ids as an input, logits of all tokens (as Optimum exports)
* lm-fp16:  fp16 weights, cache and logits, no position_ids, logits of the last token only
* lm-gqa:   fp32, GroupQueryAttention with rotary embedding, which appends to its cache in place, logits
            of the last token only (as onnxruntime-genai's builder makes them)
* lm-int4:  the same with weights in int4 (MatMulNBits), cache and logits in fp16, and names of its own for inputs and
            outputs, which genai_config.json tells
* lm-int8:  the weights of lm in seven bits of int8, activations quantised by the largest number of a pass (as quantize_dynamic
            makes them), logits of as many last tokens as num_logits_to_keep says
* lm-merged: lm as two branches in one graph, by use_cache_branch (as Optimum made them and transformers.js 2 takes them)

And graphs whose right answers are known because they are written down here:

* embedding:        a table of vectors, one a word, without a mask: pooling is up to who reads them
* embedding-pooled: the same with a masked mean in the graph
* mapped:           a table of vectors in a file of its own, a gibibyte of it, which the test makes (all but the first rows
                    are nothing on the disk)
* reranker:         counts the words of the document that are in the query
* colours:          an image classifier by mean colour
* tones, tones-mel: speech recognisers; which of four tones is loudest, from samples and from mel bands
* stripes:          a text recogniser; a letter is which half of a cell is white

Needs numpy and onnx (made with 2.5.5 and 1.23.2). The result is committed; run it again only to change it.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "models"
LAYERS, HEADS, WIDTH, CONTEXT = 2, 2, 8, 96
LONG_CONTEXT = 512
BLOCK = 32
HIDDEN = HEADS * WIDTH
SPECIAL = ["<|im_start|>", "<|im_end|>"]
# The printable characters of ASCII as byte-level BPE writes them; every token is a whole character.
CHARACTERS = [chr(c) for c in range(33, 127)] + ["\u0120", "\u010a"]
VOCABULARY = SPECIAL + CHARACTERS
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def graph(half, int8=False):
    rng = np.random.default_rng(7)
    real = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    kind = np.float16 if half else np.float32
    weights, nodes, inputs, outputs = [], [], [], []

    def constant(name, array):
        weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(name, *shape):
        return constant(name, rng.normal(0, 1.0 / np.sqrt(shape[0]), shape).astype(kind))

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def project(values, name, rows, columns, output):
        """A matrix product with a weight."""
        if not int8:
            return op("MatMul", [values, weight(name, rows, columns)], output)
        whole = rng.normal(0, 1.0 / np.sqrt(rows), (rows, columns)).astype(kind)
        # Seven bits: processors that multiply bytes in pairs of 16 bits (AVX2 without VNNI) cut larger sums off.
        step = np.abs(whole).max() / 63
        scale = constant(f"{name}_scale", kind(step))
        packed = constant(f"{name}_quantized", np.clip(np.round(whole / step), -63, 63).astype(np.int8))
        parts = [f"{output}_{part}" for part in ("bytes", "step", "zero")]
        nodes.append(helper.make_node("DynamicQuantizeLinear", [values], parts, name=f"{output}_quantize"))
        product = op("MatMulInteger", [parts[0], packed, parts[2], constant(f"{name}_zero", np.int8(0))], f"{output}_integer")
        steps = op("Mul", [parts[1], scale], f"{output}_steps")
        return op("Mul", [op("Cast", [product], f"{output}_number", to=real), steps], output)

    inputs.append(helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"]))
    inputs.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"]))
    if int8:
        inputs.append(helper.make_tensor_value_info("num_logits_to_keep", TensorProto.INT64, []))
    total = op("Gather", [op("Shape", ["attention_mask"], "mask_shape"), constant("one", np.int64(1))], "total_length")
    tokens = op("Gather", [op("Shape", ["input_ids"], "ids_shape"), "one"], "tokens_length")
    keys = op("Range", [constant("zero", np.int64(0)), total, "one"], "key_positions")
    if half:
        first = op("Sub", [total, tokens], "past_length")
        row = op("Range", [first, total, "one"], "query_row")
        queries = op("Unsqueeze", [row, constant("axis0", np.array([0]))], "query_positions")
    else:
        inputs.append(helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["batch", "tokens"]))
        queries = "position_ids"
        # Columns that the mask hides have no position: the first one that counts is position 0.
        keys = op("Sub", [op("CumSum", ["attention_mask", "one"], "counted"), "one"], "key_places")
        keys = op("Unsqueeze", [keys, constant("axis_row", np.array([1]))], "key_row")
    seen = op("LessOrEqual", [keys, op("Unsqueeze", [queries, constant("axis_last", np.array([-1]))], "query_column")], "seen")
    if not half:
        mask = op("Cast", ["attention_mask"], "mask_bool", to=TensorProto.BOOL)
        seen = op("And", [seen, op("Unsqueeze", [mask, "axis_row"], "mask_row")], "seen_and_there")
    seen = op("Unsqueeze", [seen, constant("axis1", np.array([1]))], "seen_by_head")

    embedding = constant("embedding", rng.normal(0, 1, (len(VOCABULARY), HIDDEN)).astype(kind))
    place = constant("place", rng.normal(0, 1, (CONTEXT, HIDDEN)).astype(kind))
    hidden = op("Add", [op("Gather", [embedding, "input_ids"], "embedded"), op("Gather", [place, queries], "placed")], "hidden0")
    split = constant("split", np.array([0, 0, HEADS, WIDTH]))
    join = constant("join", np.array([0, 0, HIDDEN]))
    scale = constant("scale", kind(1 / np.sqrt(WIDTH)))
    never = constant("never", kind(-1e4))

    for layer in range(LAYERS):
        def heads(name):
            flat = project(hidden, f"w{name}{layer}", HIDDEN, HIDDEN, f"{name}_flat{layer}")
            return op("Transpose", [op("Reshape", [flat, split], f"{name}_split{layer}")], f"{name}{layer}", perm=[0, 2, 1, 3])

        query = heads("q")
        cached = {}
        for name, half_name in (("k", "key"), ("v", "value")):
            past, present = f"past_key_values.{layer}.{half_name}", f"present.{layer}.{half_name}"
            inputs.append(helper.make_tensor_value_info(past, real, ["batch", HEADS, "past", WIDTH]))
            outputs.append(helper.make_tensor_value_info(present, real, ["batch", HEADS, "total", WIDTH]))
            cached[name] = op("Concat", [past, heads(name)], present, axis=2)
        turned = op("Transpose", [cached["k"]], f"k_turned{layer}", perm=[0, 1, 3, 2])
        scores = op("Mul", [op("MatMul", [query, turned], f"raw{layer}"), scale], f"scores{layer}")
        share = op("Softmax", [op("Where", [seen, scores, never], f"masked{layer}")], f"share{layer}", axis=-1)
        mixed = op("Transpose", [op("MatMul", [share, cached["v"]], f"mixed{layer}")], f"turned{layer}", perm=[0, 2, 1, 3])
        flat = op("Reshape", [mixed, join], f"joined{layer}")
        hidden = op("Add", [hidden, project(flat, f"wo{layer}", HIDDEN, HIDDEN, f"attended{layer}")], f"hidden{layer + 1}")

    length = "tokens"
    if half:
        hidden = op("Slice", [hidden, constant("last", np.array([-1])), constant("end", np.array([2**31])), "axis1"], "last_hidden")
        length = 1
    if int8:
        first = op("Neg", [op("Unsqueeze", ["num_logits_to_keep", constant("axis0", np.array([0]))], "kept")], "first_kept")
        end = constant("end", np.array([2**31]))
        hidden = op("Slice", [hidden, first, end, "axis1"], "last_hidden")
        length = "num_logits_to_keep"
    project(hidden, "head", HIDDEN, len(VOCABULARY), "logits")
    outputs.append(helper.make_tensor_value_info("logits", real, ["batch", length, len(VOCABULARY)]))
    made = helper.make_graph(nodes, "lm", inputs, outputs, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def int4(weights):
    """A matrix as MatMulNBits takes it: for each column blocks of its rows, two numbers a byte, and each block's scale."""
    rows, columns = weights.shape
    blocks = weights.T.reshape(columns, rows // BLOCK, BLOCK)
    scales = np.abs(blocks).max(axis=-1) / 7
    numbers = np.clip(np.round(blocks / scales[..., None]) + 8, 0, 15).astype(np.uint8)
    return numbers[..., 0::2] | numbers[..., 1::2] << 4, scales


USUAL = {
    "inputs": {
        "input_ids": "input_ids", "attention_mask": "attention_mask",
        "past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value",
    },
    "outputs": {"logits": "logits", "present_key_names": "present.%d.key", "present_value_names": "present.%d.value"},
}
OWN = {
    "inputs": {
        "input_ids": "tokens_in", "attention_mask": "mask_in",
        "past_key_names": "k_%d_in", "past_value_names": "v_%d_in",
    },
    "outputs": {"logits": "scores_out", "present_key_names": "k_%d_out", "present_value_names": "v_%d_out"},
}


def gqa_graph(context, half=False, names=USUAL):
    rng = np.random.default_rng(8)
    heads, kv_heads, width, layers = 4, 2, 16, 2
    hidden_width = heads * width
    real = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    kind = np.float16 if half else np.float32
    weights, nodes, inputs, outputs = [], [], [], []

    def constant(name, array):
        weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(name, *shape):
        return constant(name, rng.normal(0, 1.0 / np.sqrt(shape[0]), shape).astype(np.float32))

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def project(values, name, columns, output):
        """A matrix product with a weight."""
        if not half:
            return op("MatMul", [values, weight(name, hidden_width, columns)], output)
        whole = rng.normal(0, 1.0 / np.sqrt(hidden_width), (hidden_width, columns))
        packed, scales = int4(whole)
        packed, scales = constant(f"{name}_packed", packed), constant(f"{name}_scales", scales.astype(kind))
        sizes = {"K": hidden_width, "N": columns, "bits": 4, "block_size": BLOCK, "accuracy_level": 4}
        return op("MatMulNBits", [values, packed, scales], output, domain="com.microsoft", **sizes)

    ids, mask = names["inputs"]["input_ids"], names["inputs"]["attention_mask"]
    for name, columns in ((ids, "tokens"), (mask, "total")):
        inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", columns]))
    one = constant("one", np.int64(1))
    counted = op("ReduceSum", [mask, constant("axis1", np.array([1]))], "counted", keepdims=0)
    lengths = op("Cast", [op("Sub", [counted, one], "counted_before")], "seqlens_k", to=TensorProto.INT32)
    total = op("Gather", [op("Shape", [mask], "mask_shape"), one], "total_length")
    total = op("Cast", [total], "total_sequence_length", to=TensorProto.INT32)
    angles = np.outer(np.arange(context), 100.0 ** -(np.arange(width // 2) * 2.0 / width)).astype(np.float32)
    cos, sin = constant("cos_cache", np.cos(angles).astype(kind)), constant("sin_cache", np.sin(angles).astype(kind))

    embedding = constant("embedding", rng.normal(0, 1, (len(VOCABULARY), hidden_width)).astype(kind))
    hidden = op("Gather", [embedding, ids], "hidden0")
    for layer in range(layers):
        query = project(hidden, f"wq{layer}", hidden_width, f"q{layer}")
        parts = [query]
        past, present = [], []
        for name, half_name in (("k", "key"), ("v", "value")):
            parts.append(project(hidden, f"w{name}{layer}", kv_heads * width, f"{name}{layer}"))
            past.append(names["inputs"][f"past_{half_name}_names"] % layer)
            present.append(names["outputs"][f"present_{half_name}_names"] % layer)
            shape = ["batch", kv_heads, "past", width]
            inputs.append(helper.make_tensor_value_info(past[-1], real, shape))
            outputs.append(helper.make_tensor_value_info(present[-1], real, ["batch", kv_heads, "all", width]))
        nodes.append(helper.make_node(
            "GroupQueryAttention", [*parts, *past, lengths, total, cos, sin], [f"mixed{layer}", *present],
            name=f"attention{layer}", domain="com.microsoft",
            num_heads=heads, kv_num_heads=kv_heads, do_rotary=1, rotary_interleaved=0, scale=float(width**-0.5),
        ))
        attended = project(f"mixed{layer}", f"wo{layer}", hidden_width, f"attended{layer}")
        hidden = op("Add", [hidden, attended], f"hidden{layer + 1}")
    last = op("Slice", [hidden, constant("last", np.array([-1])), constant("end", np.array([2**31])), "axis1"], "last_hidden")
    logits = project(last, "head", len(VOCABULARY), names["outputs"]["logits"])
    outputs.append(helper.make_tensor_value_info(logits, real, ["batch", 1, len(VOCABULARY)]))
    made = helper.make_graph(nodes, "lm", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def write(folder, name, value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


tokenizer = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, t in enumerate(SPECIAL)
    ],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": None,
    "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(VOCABULARY)}, "merges": []},
}

def merged(model):
    """Two branches: the first without a cache, the other one for what goes on."""
    graph = model.graph
    choose = "use_cache_branch"
    caches = [i.name for i in graph.input if i.name.startswith("past_key_values.")]

    def branch(name, cached):
        nodes = []
        made = {output for node in graph.node for output in node.output}
        for node in graph.node:
            node = onnx.NodeProto.FromString(node.SerializeToString())
            if not cached and node.op_type == "Concat" and node.input[0] in caches:
                node = helper.make_node("Identity", [node.input[1]], list(node.output), name=node.name)
            for at, value in enumerate(node.input):
                node.input[at] = f"{name}/{value}" if value in made else value
            for at, value in enumerate(node.output):
                node.output[at] = f"{name}/{value}"
            node.name = f"{name}/{node.name}"
            nodes.append(node)
        if cached:
            # It wants a cache that is there, as those that were traced with one do.
            nodes.insert(0, helper.make_node("Gather", [caches[0], "zero"], [f"{name}/first_key"], name=f"{name}/first_key", axis=2))
            nothing = helper.make_node("Slice", [f"{name}/first_key", "none", "none", "axis_row"], [f"{name}/nothing"], name=f"{name}/nothing")
            summed = helper.make_node("ReduceSum", [f"{name}/nothing"], [f"{name}/sum"], name=f"{name}/sum", keepdims=0)
            nodes[1:1] = [nothing, summed]
            last = next(node for node in nodes if node.output[0] == f"{name}/logits")
            last.output[0] = f"{name}/bare_logits"
            nodes.append(helper.make_node("Add", [f"{name}/bare_logits", f"{name}/sum"], [f"{name}/logits"], name=f"{name}/logits_and_nothing"))
        outputs = []
        for output in graph.output:
            output = onnx.ValueInfoProto.FromString(output.SerializeToString())
            output.name = f"{name}/{output.name}"
            outputs.append(output)
        return helper.make_graph(nodes, name, [], outputs)

    weights = [*graph.initializer, numpy_helper.from_array(np.array([0]), "none")]
    node = helper.make_node(
        "If", [choose], [o.name for o in graph.output], name="branches",
        then_branch=branch("cached", True), else_branch=branch("first", False),
    )
    inputs = [*graph.input, helper.make_tensor_value_info(choose, TensorProto.BOOL, [1])]
    whole = helper.make_graph([node], "lm", inputs, graph.output, weights)
    made = helper.make_model(whole, opset_imports=model.opset_import, ir_version=8)
    onnx.checker.check_model(made)
    return made


def genai(name, model, context, names=None):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "decoder.onnx")
    write(folder, "genai_config.json", {
        "model": {"context_length": context, "eos_token_id": 1, "decoder": {"filename": "decoder.onnx", **(names or {})}},
        "search": {"do_sample": False},
    })


genai("lm-fp16", graph(True), CONTEXT)
genai("lm-gqa", gqa_graph(LONG_CONTEXT), LONG_CONTEXT)
genai("lm-int4", gqa_graph(LONG_CONTEXT, True, OWN), LONG_CONTEXT, OWN)
for name, file, model in (
    ("lm", "model.onnx", graph(False)),
    ("lm-int8", "model_quantized.onnx", graph(False, True)),
    ("lm-merged", "decoder_model_merged.onnx", merged(graph(False))),
):
    (HERE / name).mkdir(parents=True, exist_ok=True)
    onnx.save(model, HERE / name / file)
    write(HERE / name, "config.json", {"max_position_embeddings": CONTEXT, "eos_token_id": 1})
for name in ("lm", "lm-fp16", "lm-gqa", "lm-int4", "lm-int8", "lm-merged"):
    folder = HERE / name
    write(folder, "tokenizer.json", tokenizer)
    write(folder, "tokenizer_config.json", {"chat_template": TEMPLATE, "eos_token": "<|im_end|>"})


class Known:
    """A graph that is written down."""

    def __init__(self, name):
        self.folder, self.name = HERE / name, name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weights, self.nodes, self.inputs, self.outputs = [], [], [], []

    def input(self, name, shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, name, array):
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def output(self, name, shape):
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def save(self, check=True):
        made = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if check:
            onnx.checker.check_model(model, full_check=True)
        (self.folder / "model.onnx").write_bytes(model.SerializeToString())


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "rose", "grass", "sky", "query", ":"]
special = [
    {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    for i, t in enumerate(WORDS[:4])
]
words = {
    "version": "1.0",
    # What the files say about padding and cutting is not for the engine.
    "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
    "padding": None,
    "added_tokens": special,
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
        ],
        "pair": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
        ],
        "special_tokens": {
            t: {"id": t, "ids": [WORDS.index(t)], "tokens": [t]} for t in ("[CLS]", "[SEP]")
        },
    },
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {t: i for i, t in enumerate(WORDS)}, "unk_token": "[UNK]"},
}

# Red, green, blue, anything else; what counts for nothing is loud where padding is not left out.
VECTORS = np.array(
    [
        [50, -50, 50, -50], [0, 0, 0, 1], [0, 0, 0, 0.5], [0, 0, 0, 0.25], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0],
        [0.8, 0.2, 0, 0], [0, 0.9, 0, 0.1], [0, 0, 0.7, 0.3], [0, 0, 0, 2], [0, 0, 0, 0],
    ],
    dtype=np.float32,
)
for name in ("embedding", "embedding-pooled"):
    graph = Known(name)
    for column in ("input_ids", "attention_mask", "token_type_ids"):
        graph.input(column, ["batch", "tokens"], TensorProto.INT64)
    by_word = graph.op("Gather", [graph.constant("vectors", VECTORS), "input_ids"], "by_word")
    kinds = graph.constant("kinds", np.array([[0, 0, 0, 0], [9, 9, 9, 9]], dtype=np.float32))
    hidden = graph.op("Add", [by_word, graph.op("Gather", [kinds, "token_type_ids"], "by_kind")], "last_hidden_state")
    if name == "embedding":
        graph.output("last_hidden_state", ["batch", "tokens", 4])
        write(graph.folder, "modules.json", [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ])
        (graph.folder / "1_Pooling").mkdir(exist_ok=True)
        write(graph.folder / "1_Pooling", "config.json", {
            "word_embedding_dimension": 4, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        })
        write(graph.folder, "sentence_bert_config.json", {"max_seq_length": 8, "do_lower_case": False})
        write(graph.folder, "config_sentence_transformers.json", {"prompts": {"query": "query: "}})
    else:
        one = graph.constant("one", np.array([1]))
        mask = graph.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
        mask = graph.op("Unsqueeze", [mask, graph.constant("last", np.array([-1]))], "mask_column")
        total = graph.op("ReduceSum", [graph.op("Mul", [hidden, mask], "counted"), one], "total", keepdims=0)
        graph.op("Div", [total, graph.op("ReduceSum", [mask, one], "count", keepdims=0)], "sentence_embedding")
        graph.output("sentence_embedding", ["batch", 4])
    write(graph.folder, "tokenizer.json", words)
    write(graph.folder, "config.json", {"model_type": "bert", "max_position_embeddings": 16, "pad_token_id": 0})
    graph.save()

ROWS, NUMBERS = 1 << 22, 64
graph = Known("mapped")
graph.input("input_ids", ["batch", "tokens"], TensorProto.INT64)
table = onnx.TensorProto(name="vectors", dims=[ROWS, NUMBERS], data_type=TensorProto.FLOAT)
table.data_location = onnx.TensorProto.EXTERNAL
table.external_data.add(key="location", value="vectors.bin")
table.external_data.add(key="length", value=str(ROWS * NUMBERS * 4))
graph.weights.append(table)
graph.op("Gather", ["vectors", "input_ids"], "last_hidden_state")
graph.output("last_hidden_state", ["batch", "tokens", NUMBERS])
write(graph.folder, "tokenizer.json", words)
write(graph.folder, "model.yaml", "kind: embedding\npooling: mean\nmax-tokens: 16")
graph.save(check=False)

graph = Known("reranker")
for column in ("input_ids", "attention_mask", "token_type_ids"):
    graph.input(column, ["batch", "tokens"], TensorProto.INT64)
across, down = graph.constant("across", np.array([1])), graph.constant("down", np.array([2]))
in_document = graph.op("Equal", ["token_type_ids", graph.constant("second", np.int64(1))], "in_document")
in_query = graph.op("Not", [in_document], "in_query")
word = graph.op("Greater", ["input_ids", graph.constant("specials", np.int64(3))], "word")
same = graph.op("Equal", [graph.op("Unsqueeze", ["input_ids", down], "rows"), graph.op("Unsqueeze", ["input_ids", across], "columns")], "same")
asked = graph.op("Unsqueeze", [graph.op("And", [in_query, word], "asked"), down], "asked_rows")
told = graph.op("Unsqueeze", [graph.op("And", [in_document, word], "told"), across], "told_columns")
both = graph.op("And", [graph.op("And", [same, asked], "same_asked"), told], "both")
found = graph.op("ReduceMax", [graph.op("Cast", [both], "both_numbers", to=TensorProto.FLOAT)], "found", axes=[1], keepdims=0)
overlap = graph.op("ReduceSum", [found, across], "overlap", keepdims=1)
graph.op("Sub", [overlap, graph.constant("middle", np.float32(1.5))], "logits")
graph.output("logits", ["batch", 1])
write(graph.folder, "tokenizer.json", words)
write(graph.folder, "tokenizer_config.json", {"model_max_length": 12})
write(graph.folder, "config.json", {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}})
graph.save()

graph = Known("colours")
graph.input("pixels", ["batch", 3, 8, 8])
pooled = graph.op("GlobalAveragePool", ["pixels"], "mean_colour")
flat = graph.op("Flatten", [pooled], "flat", axis=1)
graph.op("MatMul", [flat, graph.constant("weight", np.eye(3, dtype=np.float32) * 4)], "logits")
graph.output("logits", ["batch", 3])
write(graph.folder, "labels.txt", "red\ngreen\nblue")
write(graph.folder, "model.yaml", """kind: image-classification
labels: labels.txt
image: {width: 8, height: 8, edge: 10, mean: [0.5], std: [0.5]}""")
graph.save()

TONES, STEP = (400, 800, 1600, 3200), 160
LETTERS = "-\na\nb\nc\n|"
graph = Known("tones")
graph.input("samples", ["batch", "samples"])
times = np.arange(STEP) / 16000 * 2 * np.pi
waves = np.array([[wave(times * hertz)] for hertz in TONES for wave in (np.sin, np.cos)]).astype(np.float32) / (STEP / 2)
line = graph.op("Unsqueeze", ["samples", graph.constant("across", np.array([1]))], "line")
parts = graph.op("Conv", [line, graph.constant("waves", waves)], "parts", strides=[STEP], kernel_shape=[STEP])
turned = graph.op("Transpose", [graph.op("Mul", [parts, parts], "powers")], "turned", perm=[0, 2, 1])
columns = np.zeros((8, 5), dtype=np.float32)
for tone in range(4):
    columns[2 * tone : 2 * tone + 2, tone + 1] = 1
loud = graph.op("MatMul", [turned, graph.constant("columns", columns)], "loud")
graph.op("Add", [loud, graph.constant("quiet", np.array([0.1, 0, 0, 0, 0], dtype=np.float32))], "logits")
graph.output("logits", ["batch", "frames", 5])
write(graph.folder, "labels.txt", LETTERS)
write(graph.folder, "model.yaml", "kind: speech-recognition\nlabels: labels.txt\nctc: {blank: 0, separator: '|'}")
graph.save()

graph = Known("tones-mel")
graph.input("features", ["batch", 16, "frames"])
turned = graph.op("Transpose", ["features"], "turned", perm=[0, 2, 1])
columns = np.zeros((16, 5), dtype=np.float32)
# On HTK's scale up to 4 kHz the peak of band n is at (n + 1) * 126.24 mels: the tones are at 509, 859, 1345, 1954.
for tone, band in enumerate((3, 6, 10, 14)):
    columns[band, tone + 1] = 1
loud = graph.op("MatMul", [turned, graph.constant("columns", columns)], "loud")
graph.op("Add", [loud, graph.constant("quiet", np.array([0, 0, 0, 0, 0], dtype=np.float32))], "logits")
graph.output("logits", ["batch", "frames", 5])
write(graph.folder, "labels.txt", LETTERS)
write(graph.folder, "model.yaml", """kind: speech-recognition
labels: labels.txt
speech:
  mel: {n-fft: 512, window-length: 400, hop: 160, n-mels: 16, f-max: 4000, scale: htk, equal-area: false}
ctc: {blank: 0, separator: '|'}""")
graph.save()

graph = Known("stripes")
graph.input("line", ["batch", 1, 8, "width"])
halves = graph.op("AveragePool", ["line"], "halves", kernel_shape=[4, 4], strides=[4, 4])
squeezed = graph.op("Squeeze", [halves, graph.constant("across", np.array([1]))], "squeezed")
turned = graph.op("Transpose", [squeezed], "turned", perm=[0, 2, 1])
# Columns: nothing, upper half, lower half, both.
weight = graph.constant("weight", np.array([[-1, 1, -1, 1.5], [-1, -1, 1, 1.5]], dtype=np.float32))
bias = graph.constant("bias", np.array([0.5, 0, 0, -1.6], dtype=np.float32))
graph.op("Add", [graph.op("MatMul", [turned, weight], "weighed"), bias], "logits")
graph.output("logits", ["batch", "cells", 4])
write(graph.folder, "labels.txt", "-\na\nb\nc")
write(graph.folder, "model.yaml", """kind: text-recognition
labels: labels.txt
image: {width: 400, height: 8, resize: fit-height, channels: grey, interpolation: nearest}""")
graph.save()

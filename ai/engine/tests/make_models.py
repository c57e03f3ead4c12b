"""Makes the tiny random causal language models beside this script (models/lm, lm-fp16, lm-gqa).

They say nothing sensible, but they are real graphs with real attention over a KV cache, in the
shapes that exist in the wild:

* lm:       fp32, position_ids as an input, logits of all tokens (as Optimum exports)
* lm-fp16:  fp16 weights, cache and logits, no position_ids, logits of the last token only
* lm-gqa:   fp32, GroupQueryAttention with rotary embedding, which appends to its cache in place, logits
            of the last token only (as onnxruntime-genai's builder makes them)

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
HIDDEN = HEADS * WIDTH
SPECIAL = ["<|im_start|>", "<|im_end|>"]
# The printable characters of ASCII as byte-level BPE writes them; every token is a whole character.
CHARACTERS = [chr(c) for c in range(33, 127)] + ["\u0120", "\u010a"]
VOCABULARY = SPECIAL + CHARACTERS
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def graph(half):
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

    inputs.append(helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"]))
    inputs.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"]))
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
            flat = op("MatMul", [hidden, weight(f"w{name}{layer}", HIDDEN, HIDDEN)], f"{name}_flat{layer}")
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
        hidden = op("Add", [hidden, op("MatMul", [flat, weight(f"wo{layer}", HIDDEN, HIDDEN)], f"attended{layer}")], f"hidden{layer + 1}")

    length = "tokens"
    if half:
        hidden = op("Slice", [hidden, constant("last", np.array([-1])), constant("end", np.array([2**31])), "axis1"], "last_hidden")
        length = 1
    op("MatMul", [hidden, weight("head", HIDDEN, len(VOCABULARY))], "logits")
    outputs.append(helper.make_tensor_value_info("logits", real, ["batch", length, len(VOCABULARY)]))
    made = helper.make_graph(nodes, "lm", inputs, outputs, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def gqa_graph(context):
    rng = np.random.default_rng(8)
    heads, kv_heads, width, layers = 4, 2, 16, 2
    hidden_width = heads * width
    weights, nodes, inputs, outputs = [], [], [], []

    def constant(name, array):
        weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(name, *shape):
        return constant(name, rng.normal(0, 1.0 / np.sqrt(shape[0]), shape).astype(np.float32))

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    for name, columns in (("input_ids", "tokens"), ("attention_mask", "total")):
        inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", columns]))
    one = constant("one", np.int64(1))
    counted = op("ReduceSum", ["attention_mask", constant("axis1", np.array([1]))], "counted", keepdims=0)
    lengths = op("Cast", [op("Sub", [counted, one], "counted_before")], "seqlens_k", to=TensorProto.INT32)
    total = op("Gather", [op("Shape", ["attention_mask"], "mask_shape"), one], "total_length")
    total = op("Cast", [total], "total_sequence_length", to=TensorProto.INT32)
    angles = np.outer(np.arange(context), 100.0 ** -(np.arange(width // 2) * 2.0 / width)).astype(np.float32)
    cos, sin = constant("cos_cache", np.cos(angles)), constant("sin_cache", np.sin(angles))

    embedding = constant("embedding", rng.normal(0, 1, (len(VOCABULARY), hidden_width)).astype(np.float32))
    hidden = op("Gather", [embedding, "input_ids"], "hidden0")
    for layer in range(layers):
        query = op("MatMul", [hidden, weight(f"wq{layer}", hidden_width, hidden_width)], f"q{layer}")
        parts = [query]
        past, present = [], []
        for name, half_name in (("k", "key"), ("v", "value")):
            parts.append(op("MatMul", [hidden, weight(f"w{name}{layer}", hidden_width, kv_heads * width)], f"{name}{layer}"))
            past.append(f"past_key_values.{layer}.{half_name}")
            present.append(f"present.{layer}.{half_name}")
            shape = ["batch", kv_heads, "past", width]
            inputs.append(helper.make_tensor_value_info(past[-1], TensorProto.FLOAT, shape))
            outputs.append(helper.make_tensor_value_info(present[-1], TensorProto.FLOAT, ["batch", kv_heads, "all", width]))
        nodes.append(helper.make_node(
            "GroupQueryAttention", [*parts, *past, lengths, total, cos, sin], [f"mixed{layer}", *present],
            name=f"attention{layer}", domain="com.microsoft",
            num_heads=heads, kv_num_heads=kv_heads, do_rotary=1, rotary_interleaved=0, scale=float(width**-0.5),
        ))
        attended = op("MatMul", [f"mixed{layer}", weight(f"wo{layer}", hidden_width, hidden_width)], f"attended{layer}")
        hidden = op("Add", [hidden, attended], f"hidden{layer + 1}")
    last = op("Slice", [hidden, constant("last", np.array([-1])), constant("end", np.array([2**31])), "axis1"], "last_hidden")
    op("MatMul", [last, weight("head", hidden_width, len(VOCABULARY))], "logits")
    outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, len(VOCABULARY)]))
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

def genai(name, model, context):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "decoder.onnx")
    write(folder, "genai_config.json", {
        "model": {"context_length": context, "eos_token_id": 1, "decoder": {"filename": "decoder.onnx"}},
        "search": {"do_sample": False},
    })


genai("lm-fp16", graph(True), CONTEXT)
genai("lm-gqa", gqa_graph(LONG_CONTEXT), LONG_CONTEXT)
(HERE / "lm").mkdir(parents=True, exist_ok=True)
onnx.save(graph(False), HERE / "lm" / "model.onnx")
write(HERE / "lm", "config.json", {"max_position_embeddings": CONTEXT, "eos_token_id": 1})
for folder in sorted(HERE.iterdir()):
    write(folder, "tokenizer.json", tokenizer)
    write(folder, "tokenizer_config.json", {"chat_template": TEMPLATE, "eos_token": "<|im_end|>"})

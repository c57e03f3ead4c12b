"""Makes the models that the bench measures: random weights in the shapes of two that people run.

    python models.py FOLDER [SHAPE…]

Leaves for every shape FOLDER/SHAPE/hf (fp32, for transformers), onnx-int4 and onnx-fp32 (by
onnxruntime-genai's builder, for it and for ArgOS) and f32.gguf, q4_0.gguf (for llama.cpp): the same
weights everywhere. Their matrices keep the size of what goes through them, so that each token depends on
those before it and two candidates are seldom equal.
"""

import json
import subprocess
import sys
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

COMMON = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "tie_word_embeddings": True, "torch_dtype": "float32"}
SHAPES = {
    # SmolLM2-135M
    "135m": (
        LlamaForCausalLM,
        LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                    num_key_value_heads=3, max_position_embeddings=8192, rope_theta=100000, rms_norm_eps=1e-5, **COMMON),
    ),
    # Qwen2.5-0.5B
    "0.5b": (
        Qwen2ForCausalLM,
        Qwen2Config(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                    num_key_value_heads=2, max_position_embeddings=8192, rope_theta=1000000, rms_norm_eps=1e-6, **COMMON),
    ),
}


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Bytes, and names for all the other numbers: prompts are numbers here."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters]
    words += [f"w{n}" for n in range(len(words), size)]
    made = Tokenizer(models.BPE(vocab={w: n for n, w in enumerate(words)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(w, special=True) for w in words[:3]])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=words[1], eos_token=words[2], pad_token=words[2])


def make(name: str, folder: Path) -> None:
    kind, config = SHAPES[name]
    torch.manual_seed(20)
    model = kind(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if value.dim() == 2 and "embed" not in key:
                value.normal_(0, value.shape[1] ** -0.5 * 1.5)
            elif key.endswith(".bias"):
                value.normal_(0, 0.1)
    model.generation_config.pad_token_id = 2
    model.save_pretrained(folder / "hf")
    tokenizer(config.vocab_size).save_pretrained(folder / "hf")


def export(folder: Path, precision: str) -> None:
    target = folder / f"onnx-{precision}"
    extra = ["prune_lm_head=true"]
    if precision == "int4":
        extra += ["int4_accuracy_level=4", "int4_algo_config=rtn", "shared_embeddings=true"]
    builder = Path(sys.prefix) / "builder" / "onnxruntime_genai" / "models" / "builder.py"
    command = [sys.executable, builder, "-i", folder / "hf", "-o", target, "-p", precision, "-e", "cpu", "-c", folder / "cache"]
    done = subprocess.run([*command, "--extra_options", *extra], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"onnxruntime-genai's builder fails on {folder}:\n{done.stderr[-4000:]}")
    # Both sides get room for the longest prompt and answer of the bench, not for 8,192 tokens.
    file = target / "genai_config.json"
    settings = json.loads(file.read_text())
    settings["model"]["context_length"] = 2048
    file.write_text(json.dumps(settings, indent=1))


NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def to_gguf(name: str, folder: Path) -> None:
    """llama.cpp's own converter is not in its package; this knows the two architectures above."""
    config = SHAPES[name][1]
    kind = {"llama": "llama", "qwen2": "qwen2"}[config.model_type]
    model = SHAPES[name][0].from_pretrained(folder / "hf")
    file = folder / "f32.gguf"
    out = gguf.GGUFWriter(str(file), kind)
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(heads)
    out.add_head_count_kv(groups)
    if kind == "llama":
        out.add_rope_dimension_count(config.hidden_size // heads)
    out.add_rope_freq_base(config.rope_theta)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_vocab_size(config.vocab_size)
    out.add_file_type(0)
    words = tokenizer(config.vocab_size).backend_tokenizer.get_vocab()
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2" if kind == "llama" else "qwen2")
    out.add_token_list(sorted(words, key=words.get))
    out.add_token_types([3 if n < 3 else 1 for n in range(config.vocab_size)])
    out.add_token_merges(["a b"])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)

    def interleaved(rows: np.ndarray, heads: int) -> np.ndarray:
        """Halves of a head next to each other, as ggml's rotation for Llama has them."""
        return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)

    for key, value in model.state_dict().items():
        array = value.float().numpy()
        if key == "model.embed_tokens.weight":
            target = "token_embd.weight"
        elif key == "model.norm.weight":
            target = "output_norm.weight"
        elif key.startswith("model.layers."):
            _, _, layer, *rest, last = key.split(".")
            part = ".".join(rest)
            target = f"blk.{layer}.{NAMES[part]}.{last}"
            if kind == "llama" and part.endswith(("q_proj", "k_proj")):
                array = interleaved(array, heads if part.endswith("q_proj") else groups)
        else:
            continue  # the head is the embedding
        out.add_tensor(target, np.ascontiguousarray(array))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0
    how.pure = True  # the embedding as well, as in the ONNX model
    status = llama_cpp.llama_model_quantize(str(file).encode(), str(folder / "q4_0.gguf").encode(), how)
    if status != 0:
        raise SystemExit(f"llama.cpp cannot quantise {file}: status {status}")


def main() -> None:
    folder, *names = sys.argv[1:]
    for name in names or SHAPES:
        here = Path(folder) / name
        if (here / "done").exists():
            continue
        here.mkdir(parents=True, exist_ok=True)
        make(name, here)
        export(here, "int4")
        export(here, "fp32")
        to_gguf(name, here)
        (here / "done").touch()
        print(f"{here} is made")


if __name__ == "__main__":
    main()

"""The head in JAX, for training; `graph.py` writes the same computation as ONNX."""

import jax
import jax.numpy as jnp
import numpy as np

TAPS = [2, 4, 6]
"""Encoder layers that the head reads: an early one, close to the spelling, one between, and the last."""

ENCODER_WIDTH = 384
WIDTH, HEADS, BLOCKS, INNER = 192, 6, 3, 384


def init(seed: int, tools: int, slots: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    params: dict[str, np.ndarray] = {}

    def linear(name: str, rows: int, columns: int, bias: bool = True, scale: float = 1.0) -> None:
        params[name + ".weight"] = (rng.standard_normal((rows, columns)) * scale * rows**-0.5).astype(np.float32)
        if bias:
            params[name + ".bias"] = np.zeros(columns, np.float32)

    def norm(name: str) -> None:
        params[name + ".weight"] = np.ones(WIDTH, np.float32)
        params[name + ".bias"] = np.zeros(WIDTH, np.float32)

    linear("in", ENCODER_WIDTH * len(TAPS), WIDTH)
    for n in range(BLOCKS):
        norm(f"{n}.norm1")
        linear(f"{n}.qkv", WIDTH, 3 * WIDTH)
        linear(f"{n}.attention", WIDTH, WIDTH, scale=0.5)
        norm(f"{n}.norm2")
        linear(f"{n}.up", WIDTH, INNER)
        linear(f"{n}.down", INNER, WIDTH, scale=0.5)
    norm("norm")
    linear("attend", WIDTH, 1, bias=False)
    linear("tool", 2 * WIDTH + ENCODER_WIDTH, WIDTH)
    linear("tools", WIDTH, tools)
    linear("meant", tools, WIDTH, bias=False, scale=tools**0.5 * 0.1)
    linear("slot", WIDTH, WIDTH)
    linear("slots", WIDTH, 2 * slots)
    return params


def _norm(x, w, b):
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w + b


def _drop(x, rate, key):
    return x if key is None else jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def apply(w, tokens, pooled, mask, key=None, rate=0.1):
    """`tokens` [B, S, taps * width], `pooled` [B, width], `mask` [B, S]; `key` turns dropout on.

    Returns tool logits [B, T], start and end scores [B, K, S]."""
    keys = iter(jax.random.split(key, 2 * BLOCKS + 3)) if key is not None else None

    def drop(x):
        return _drop(x, rate, next(keys)) if keys is not None else x

    hide = (mask - 1.0) * 1e4
    x = drop(tokens) @ w["in.weight"] + w["in.bias"]
    batch, length, _ = x.shape
    for n in range(BLOCKS):
        y = _norm(x, w[f"{n}.norm1.weight"], w[f"{n}.norm1.bias"])
        q, k, v = jnp.split(y @ w[f"{n}.qkv.weight"] + w[f"{n}.qkv.bias"], 3, -1)
        q, k, v = (t.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3) for t in (q, k, v))
        score = q @ k.transpose(0, 1, 3, 2) * q.shape[-1] ** -0.5 + hide[:, None, None, :]
        y = (jax.nn.softmax(score, -1) @ v).transpose(0, 2, 1, 3).reshape(batch, length, -1)
        x = x + drop(y @ w[f"{n}.attention.weight"] + w[f"{n}.attention.bias"])
        y = _norm(x, w[f"{n}.norm2.weight"], w[f"{n}.norm2.bias"])
        y = jax.nn.gelu(y @ w[f"{n}.up.weight"] + w[f"{n}.up.bias"], approximate=False)
        x = x + drop(y @ w[f"{n}.down.weight"] + w[f"{n}.down.bias"])
    x = _norm(x, w["norm.weight"], w["norm.bias"])
    attend = jax.nn.softmax(x @ w["attend.weight"] + hide[..., None], 1)
    mean = (x * mask[..., None]).sum(1) / jnp.maximum(mask.sum(1, keepdims=True), 1)
    features = drop(jnp.concatenate([mean, (x * attend).sum(1), pooled], -1))
    hidden = jax.nn.gelu(features @ w["tool.weight"] + w["tool.bias"], approximate=False)
    logits = drop(hidden) @ w["tools.weight"] + w["tools.bias"]
    meant = jax.nn.softmax(logits, -1) @ w["meant.weight"]
    y = jax.nn.gelu(x @ w["slot.weight"] + w["slot.bias"] + meant[:, None], approximate=False)
    y = y @ w["slots.weight"] + w["slots.bias"] + hide[..., None]
    start, end = jnp.split(y.transpose(0, 2, 1), 2, 1)
    return logits, start, end

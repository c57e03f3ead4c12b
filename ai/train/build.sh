#!/bin/sh
# Makes the default model and puts ONNX Runtime's library beside it.
#
#   build.sh CACHE_DIR OUT_DIR   ->   OUT_DIR/default/*  OUT_DIR/libonnxruntime.so*
#
# Needs Python 3.13 with venv (Debian: python3-venv). CACHE_DIR keeps the Python environment, which
# is made once per version of requirements-build.txt; pip's own settings say where wheels come from.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: build.sh CACHE_DIR OUT_DIR" >&2
    exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
requirements="$here/requirements-build.txt"
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
environment="$1/python-$version-$(sha256sum "$requirements" | cut -c1-16)"

if [ ! -e "$environment/complete" ]; then
    rm -rf "$environment"
    mkdir -p "$environment"
    python3 -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --only-binary :all: --require-hashes -r "$requirements"
    touch "$environment/complete"
fi

# A build must not write into the source tree (byte code), nor depend on what the caller exports.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='' exec "$environment/bin/python" "$here/build.py" \
    --out "$2/default" --runtime-out "$2/libonnxruntime.so" --check "$2/default"

#!/usr/bin/env bash
# Prints the tables of docs/performance.md as Markdown: this library beside PyTorch, alternately, on this machine.
#
#     problems/sfm/compare/run.sh [SCRATCH_FOLDER] [options of tables.py, such as --rounds 3 --only ratios]
#
# PyTorch is installed from the package registry into a virtual environment in the scratch folder (about 6 GB;
# DRO_PYTHON names a Python that already has torch, numpy and safetensors instead).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
scratch=${TMPDIR:-/tmp}/dro-compare
if [[ $# -gt 0 && $1 != --* ]]; then
    scratch=$1
    shift
fi
python=${DRO_PYTHON:-$scratch/venv/bin/python}
if ! "$python" -c 'import torch, numpy, safetensors' 2>/dev/null; then
    mkdir -p "$scratch"
    python3 -m venv "$scratch/venv" >&2
    "$scratch/venv/bin/pip" install --no-cache-dir torch numpy safetensors >&2
    python=$scratch/venv/bin/python
fi
(cd "$root" && cargo build --release --locked --example measure >&2)
exec "$python" "$here/tables.py" --measure "${CARGO_TARGET_DIR:-$root/target}/release/examples/measure" \
    --golden "$root/tests/fixtures/golden" "$@"

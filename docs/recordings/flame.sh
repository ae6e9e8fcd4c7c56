#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes flame.svg, from flame.folded, which was sampled once:
#     kahu --profile flame.folded flame.luau
set -e
kahu=$(realpath "${1:-$(dirname "$0")/../../build/release/kahu}")
cd "$(dirname "$0")"
"$kahu" profile flame flame.folded >flame.svg

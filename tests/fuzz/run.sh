#!/usr/bin/env bash
# Builds and runs the fuzz targets one after the other, with the stable compiler:
#   FOR=20m tests/fuzz/run.sh [TARGET…]
# What is found stops it; the input is then in tests/fuzz/artifacts/TARGET/. Seeds are in
# seeds/TARGET (for topologies: all of the repository), what the fuzzer learned in corpus/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v c++ >/dev/null || { echo "fuzz: a C++ compiler is missing: apt-get install g++" >&2; exit 1; }

seconds() {
  case "$1" in
    *h) echo $((${1%h} * 3600)) ;;
    *m) echo $((${1%m} * 60)) ;;
    *s) echo "${1%s}" ;;
    *) echo "$1" ;;
  esac
}
for_seconds=$(seconds "${FOR:-20m}")
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(ask batch body entry frame reply topology wire)

# With a target named, the flags reach neither build scripts nor macros, which could not link.
host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage+=" -Cllvm-args=-sanitizer-coverage-pc-table"
coverage+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS="$coverage --cfg fuzzing" cargo build --release --target "$host"
programs=${CARGO_TARGET_DIR:-target}/$host/release

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  seeds=("seeds/$target")
  [ "$target" != topology ] || seeds=(../../topologies ../../crates/topology/tests/broken)
  echo "fuzzing $target for $for_seconds s"
  "$programs/$target" "corpus/$target" "${seeds[@]}" \
    -max_total_time="$for_seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
    -artifact_prefix="artifacts/$target/" -print_final_stats=1 -verbosity=1 \
    2> >(grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD)' >&2)
done

# What people type. `make demo` shows tallyd at work, `make test` checks everything.

target_dir := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help demo test bench chaos fuzz pictures build clean model setup setup-test simulate

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## install what is missing, build, run the demo (ARGS="--for 60s --keep")
	$(target_dir)/release/tallyd demo $(ARGS)

test: setup-test ## install what is missing, then formatting, lints, documentation and all tests
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	cargo test --locked --workspace
	cargo check --no-default-features --manifest-path tests/fuzz/Cargo.toml --target-dir $(target_dir)
	TALLYD=$(target_dir)/debug/tallyd scripts/check-deploy.sh
	@if command -v python3 >/dev/null; then python3 scripts/check_real_data.py --tallyd $(target_dir)/debug/tallyd; \
	else echo "python3 not present: real data not checked"; fi

simulate: ## run the real loop on a simulated Redis, with faults from seeds (SEEDS=3000 FROM=0)
	cargo run --locked --release --quiet --package tallyd-simulation -- --seeds $(or $(SEEDS),3000) --from $(or $(FROM),0)

fuzz: setup ## fuzz each decoder and parser in turn (FOR=20m TARGET=frame)
	FOR=$(FOR) tests/fuzz/run.sh $(TARGET)

chaos: setup ## strike workers and Redis with random faults, then audit (ARGS="--for 10m --faults 800 --seed 1")
	cargo build --locked --release --package tallyd --package tallyd-chaos
	$(target_dir)/release/tallyd-chaos $(ARGS)

pictures: setup-test ## look at each page as its test does, and keep it in docs/pictures/
	@command -v pngquant >/dev/null || { echo "pngquant is missing: apt-get install pngquant"; exit 1; }
	mkdir -p docs/pictures
	TALLYD_PICTURES=$(CURDIR)/docs/pictures cargo test --locked -p tallyd --test pages every_page
	pngquant --force --ext .png --skip-if-larger --strip --speed 1 64 docs/pictures/*.png || test $$? = 98

bench: setup ## measure everything and write docs/internals/performance.md (ARGS="--only loop,tallyd --rounds 1")
	cargo build --locked --release --package tallyd --package tallyd-bench
	$(target_dir)/release/tallyd-bench $(ARGS)

build: setup ## build the program
	cargo build --locked --release --package tallyd

clean: ## remove what was built
	cargo clean

model: ## check the commit protocol in every interleaving, in larger bounds than the tests
	cargo run --locked --release --package tallyd-model --example check

setup:
	@scripts/setup.sh

setup-test:
	@scripts/setup.sh test

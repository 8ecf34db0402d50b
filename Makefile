# What people type. `make demo` shows tallyd at work, `make test` checks everything.

target_dir := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help demo test fuzz build clean setup setup-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## install what is missing, build, run the demo (ARGS="--for 60s --keep")
	$(target_dir)/release/tallyd demo $(ARGS)

test: setup-test ## install what is missing, then formatting, lints, documentation and all tests
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	cargo test --locked --workspace
	scripts/check-deploy.sh
	@if command -v python3 >/dev/null; then python3 scripts/check_real_data.py --tallyd $(target_dir)/debug/tallyd; \
	else echo "python3 not present: real data not checked"; fi

fuzz: setup ## fuzz each decoder and parser in turn (FOR=20m TARGET=frame)
	FOR=$(FOR) tests/fuzz/run.sh $(TARGET)

build: setup ## build the program
	cargo build --locked --release --package tallyd

clean: ## remove what was built
	cargo clean

setup:
	@scripts/setup.sh

setup-test:
	@scripts/setup.sh test

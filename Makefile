# What a developer types. Each target is one command; `make test` is also what continuous integration runs.

TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help run test fmt lint check

help:
	@echo 'make run     build a release binary and start the development server (ARGS="--port-base 9000")'
	@echo 'make test    install what the tests need and run every test (ONLY="browser" for some steps)'
	@echo 'make check   format, lints and documentation, without running a test'
	@echo 'make lint    clippy, warnings denied'
	@echo 'make fmt     format the Rust code'

run:
	cargo build --release --locked --package portcullis-server
	@exec "$(TARGET_DIR)/release/portcullis" dev $(ARGS)

test:
	@exec scripts/test $(ONLY)

fmt:
	cargo fmt --all

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

check: lint
	cargo fmt --all --check
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

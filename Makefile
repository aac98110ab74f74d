# Every target has one line of help: `make` prints them.
SHELL := /bin/bash
# cmake from the PyPI wheel, when .ci/prepare had to put one there, and cargo where rustup puts it
export PATH := $(CURDIR)/target/cmake/bin:$(HOME)/.cargo/bin:$(PATH)
CARGO ?= cargo
DATA ?= $(HOME)/.cache/biossl-data

.PHONY: help prepare build demo test test-slow test-interop lint check-features check-cuda golden fixtures
.DEFAULT_GOAL := help

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

prepare: ## install what a build needs (C compiler, cmake >= 3.26); says how to get Rust
	@.ci/prepare

build: prepare ## build the program: target/release/biossl
	$(CARGO) build --release --locked

demo: build ## the whole road on the small real recordings in fixtures/: ECG, then EEG
	@target/release/biossl demo

test: prepare ## all tests, doc tests and the architecture test
	$(CARGO) test --locked

test-slow: prepare ## slow studies (three seeds, synthetic corpus): minutes
	$(CARGO) test --locked --test slow -- --ignored --nocapture

test-interop: build ## what h5py, PyTorch, TensorBoard, NumPy and pandas read of ours; their packages go to target/interop
	python3 -m venv target/interop
	target/interop/bin/python -c 'import torch' 2>/dev/null \
	  || target/interop/bin/pip install --quiet --retries 0 --index-url https://download.pytorch.org/whl/cpu torch \
	  || target/interop/bin/pip install --quiet torch  # with CUDA's libraries: 5 GB
	target/interop/bin/pip install --quiet h5py numpy pandas safetensors tensorboard
	target/interop/bin/python tests/interop/check.py

lint: prepare ## fmt, clippy, documentation with warnings denied; licences where cargo-deny is installed
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	@if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; else echo "cargo-deny is not installed: licences not checked"; fi

check-features: prepare ## the readers alone, and the store alone, build without the rest
	$(CARGO) check --locked --no-default-features
	$(CARGO) check --locked --no-default-features --features store

check-cuda: prepare ## type check of the CUDA build with a stub in place of nvcc
	.ci/check-cuda

golden: ## remake the expected values in fixtures/golden (a virtual environment with SciPy and others)
	python3 -m venv target/golden
	target/golden/bin/pip install --quiet numpy scipy scikit-learn wfdb pyedflib
	for script in fixtures/golden/*.py; do target/golden/bin/python $$script; done

fixtures: ## cut the excerpts in fixtures/ again from the databases under DATA
	python3 fixtures/cut.py $(DATA)

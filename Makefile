# Two commands: `make demo` shows Passerby at work, `make test` passes its tests. All they need is built into .venv here.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Nothing is written outside the checkout.
export XDG_CACHE_HOME := $(CURDIR)/.cache
export XDG_CONFIG_HOME := $(CURDIR)/.cache/config
export YOLO_CONFIG_DIR := $(CURDIR)/.cache/ultralytics
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export PYTHONDONTWRITEBYTECODE := 1
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
TORCH ?= auto
PYTEST_ARGS ?= -n 2 -q

.PHONY: help venv system-libraries check test demo lock clean
help:
	@echo "make venv    build .venv from requirements.lock"
	@echo "make demo    render the synthetic cameras, track, score (offline)"
	@echo "make test    run the tests        (PYTEST_ARGS='-q tests/trackers' for a part)"
	@echo "make check   ruff and mypy --strict"

venv: $(VENV)/.complete

system-libraries:
	@sh tools/system_libraries.sh

$(VENV)/.complete: requirements.lock requirements-cpu.lock requirements-cuda.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or say make PYTHON=/path/to/python3.11"; exit 2; }
	@sh tools/system_libraries.sh
	$(PYTHON) -m venv $(VENV)
	@# A GPU wants torch's default (CUDA) build; elsewhere the CPU build is taken where an index or find-links offers it.
	@if [ "$(TORCH)" = cpu ] || { [ "$(TORCH)" = auto ] && ! command -v nvidia-smi >/dev/null; }; then \
		$(BIN)/python -m pip install -q --require-hashes --no-deps -r requirements-cpu.lock 2>/dev/null \
		|| echo "no CPU build of torch on offer: taking the default build (about 6 GB); see docs/install.md"; fi
	$(BIN)/python -m pip install -q --require-hashes --no-deps -r requirements.lock
	@if [ "$$($(BIN)/python tools/torch_build.py)" = cuda ]; then \
		echo "torch is a CUDA build: installing what it needs"; \
		$(BIN)/python -m pip install -q --require-hashes --no-deps -r requirements-cuda.lock; fi
	@touch $@

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: venv
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS)

demo: venv
	$(BIN)/python run.py demo

lock: venv
	$(BIN)/python tools/lock.py $(CPU_WHEEL)

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache

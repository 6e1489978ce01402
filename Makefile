# Each target stands alone: it creates or refreshes .venv when needed. Without make, see README.md.
PYTHON ?= python3
ARGS ?=

.PHONY: help env book pdf test serve lint fmt bench shots links clean
help:
	@echo "make book    execute every chapter and build _build/html"
	@echo "make pdf     print the whole book; needs LaTeX and says what is missing"
	@echo "make test    run the tests"
	@echo "make serve   build, then serve the pages on this machine"
	@echo "make lint    format, style and types, cells of the chapters included"
	@echo "make fmt     format the code, cells of the chapters included"
	@echo "make bench   run the benchmarks"
	@echo "make shots   screenshots of every page, light and dark, wide and phone"
	@echo "make links   list every link to another site; ARGS=--check asks for each"
	@echo "make clean   remove what was built; .venv and downloads stay"
	@echo "Options: PYTHON=python3.12 chooses the Python, ARGS='...' goes to the tool."

env book pdf test serve lint fmt bench shots links clean:
	@$(PYTHON) tools/project.py $@ $(ARGS)

# The daily loop (CONTRIBUTING.md). Each target runs in the virtual environment .venv.
bin := .venv/bin

.PHONY: setup check quick test pictures

setup:  ## a virtual environment with everything for development
	python3 -m venv .venv
	$(bin)/pip install -q -c constraints.txt -e '.[dev]'

check:  ## lint, format, types
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy

quick: check  ## and the tests that take no longer than a coffee
	$(bin)/pytest -n 2 -m "not slow"

test:  ## all tests, as README's second command
	$(bin)/pytest -n 4

pictures:  ## the graphs that README and docs show
	$(bin)/asyncload run configs/burst.yaml --quiet --log logs/run.jsonl
	$(bin)/asyncload plot logs/run.jsonl -o docs/pictures

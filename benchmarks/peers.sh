#!/bin/sh
# Makes the environment of the Python peers, Locust and boto3, beside this file.
set -eu
cd "$(dirname "$0")"
python3 -m venv .peers
.peers/bin/pip install --quiet -r peers-requirements.txt
.peers/bin/locust --version

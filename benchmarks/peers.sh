#!/bin/sh
# Makes the environment of the peers beside this file: Locust and boto3; k6 where there is Go.
set -eu
cd "$(dirname "$0")"
python3 -m venv .peers
.peers/bin/pip install --quiet -r peers-requirements.txt
.peers/bin/locust --version
if command -v go > /dev/null; then
    GOBIN="$PWD/.peers/bin" go install go.k6.io/k6@v1.8.1
    .peers/bin/k6 version
fi

#!/usr/bin/env bash
# A batch and a server on a Ray cluster of two one-core nodes, in an environment of its own: Ray is large for its one use.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-cluster
# First, as s3fs and moto need one version of boto3's core, which pip finds slowly among many packages.
.venv-cluster/bin/pip install -q s3fs 'moto[server]>=5'
.venv-cluster/bin/pip install -q '.[builtin,cluster,s3,serve]' 'pytest>=8.3' 'pytest-timeout>=2.3'
.venv-cluster/bin/python -c 'import fastapi, flask, moto, ray, s3fs' # without them the tests would only be skipped
.venv-cluster/bin/python -m pytest -q tests/cluster
.venv-cluster/bin/python -m pytest -q tests/cli/stores/test_s3.py -k cluster

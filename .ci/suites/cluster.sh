#!/usr/bin/env bash
# A batch and a server on a Ray cluster of two one-core nodes, in an environment of its own: Ray is large for its one use.
set -euo pipefail
cd "$(dirname "$0")/../.."

# What is not imported needs not be compiled: half of the time of the installation.
export PIP_NO_COMPILE=1
python3 -m venv .venv-cluster
# First, as s3fs and moto need one version of boto3's core, which pip finds slowly among many packages.
.venv-cluster/bin/pip install -q s3fs 'moto[s3]>=5' flask flask-cors
.venv-cluster/bin/pip install -q '.[builtin,cluster,s3,serve]' 'pytest>=8.3' 'pytest-timeout>=2.3'
.venv-cluster/bin/python -c 'import fastapi, flask, moto, ray, s3fs' # without them the tests would only be skipped
.venv-cluster/bin/python -m pytest -q --durations 5 \
  tests/cli/stores/test_s3.py::test_a_cluster_resumes_what_this_machine_has_started tests/cluster

#!/usr/bin/env bash
# Object stores and SFTP: an S3 server and an SSH server on this machine, with faults between. cluster.sh has the test
# with Ray.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-cloud
# First, as s3fs and moto need one version of boto3's core, which pip finds slowly among many packages.
.venv-cloud/bin/pip install -q s3fs 'moto[server]>=5' sshfs
.venv-cloud/bin/pip install -q '.[builtin,s3,sftp]' 'pytest>=8.3' 'pytest-timeout>=2.3' 'pytest-xdist>=3.8'
.venv-cloud/bin/python -c 'import flask, moto, s3fs, sshfs' # without them the tests would only be skipped
.venv-cloud/bin/python -m pytest -q -n 2 --timeout 200 tests/cli/stores

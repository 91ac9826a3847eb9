# Aliyun's own Python SDK, unmodified, against our server. Apart from the test extra, because it brings matplotlib and
# an object store's client along.
.venv/bin/pip install -q 'alibabacloud-nls-python-sdk==1.0.2'
.venv/bin/python -W ignore -c 'import nls' # without it the tests would only be skipped
# The SDK leaves its sockets open. The marks of the tests do not reach those that are found after the last of them.
.venv/bin/python -m pytest -q -W 'ignore:unclosed <socket:ResourceWarning' tests/server/live/test_aliyun_sdk.py

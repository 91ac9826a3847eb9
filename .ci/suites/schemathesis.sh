# Requests made up from the server's OpenAPI description. Apart from the test extra, because it brings a web stack along.
.venv/bin/pip install -q '.[serve,test]' 'schemathesis>=4,<5'
.venv/bin/python -c 'import schemathesis' # without it the test would only be skipped
.venv/bin/python -m pytest -q tests/server/http/test_openapi.py

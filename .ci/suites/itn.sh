# Numbers as digits. Apart from the test extra: it is large, and its rules take a while to be compiled.
.venv/bin/pip install -q '.[itn,test]'
.venv/bin/python -c 'import itn' # without it the tests would only be skipped
.venv/bin/python -m pytest -q tests/text/test_itn.py tests/cli/test_text_cli.py

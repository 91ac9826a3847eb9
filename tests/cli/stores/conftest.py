"""An S3 server on this machine, behind a proxy that can fail."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cli.stores.fault_proxy import FaultProxy
from tests.ports import free_port


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    for module in ("s3fs", "moto", "flask"):
        if importlib.util.find_spec(module) is None:
            pytest.skip("needs the extra s3 and moto[server]: see .ci/suites/cloud.sh")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def proxy(s3_port: int, home: dict[str, str]) -> Iterator[FaultProxy]:
    """The way of the program to the server."""
    server = FaultProxy(s3_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    home.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_REGION="us-east-1",
        AWS_ENDPOINT_URL=server.url,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_MAX_ATTEMPTS="1",  # boto's own attempts; those of s3fs and of the program remain
        PYTHONWARNINGS="default",  # those of the stores' libraries are not ours
    )
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Bucket:
    """A bucket, reached without the proxy."""

    def __init__(self, port: int) -> None:
        import boto3

        self._client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        self.name = f"bucket-{uuid4().hex[:12]}"
        self._client.create_bucket(Bucket=self.name)
        self.uri = f"s3://{self.name}"

    def put(self, key: str, data: bytes | Path) -> None:
        body = data.read_bytes() if isinstance(data, Path) else data
        self._client.put_object(Bucket=self.name, Key=key, Body=body)

    def get(self, key: str) -> str:
        return self._client.get_object(Bucket=self.name, Key=key)["Body"].read().decode()

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=key)

    def listed(self) -> list[str]:
        found: list[dict[str, Any]] = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [one["Key"] for one in found]


@pytest.fixture
def bucket(s3_port: int, proxy: FaultProxy, recordings: Path) -> Bucket:
    """Holds the recordings of `recordings` below calls/."""
    made = Bucket(s3_port)
    made.put("calls/one.wav", recordings / "one.wav")
    made.put("calls/inner/two.wav", recordings / "inner" / "two.wav")
    return made

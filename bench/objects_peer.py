"""boto3 on objects of one size, in an environment of its own: `put COUNT` or `get COUNT` on a line, costs in the next.

Rules:
- It does what the handle does: it names an object by the digest of its bytes, and checks the digest of what it reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time

import boto3  # type: ignore[import-not-found]  # of the peers' environment
from botocore.config import Config  # type: ignore[import-not-found]  # as boto3


def main(endpoint: str, bucket: str, prefix: str, size: int) -> None:
    """Answer lines until the input ends."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=os.environ["PEER_ACCESS"],
        aws_secret_access_key=os.environ["PEER_SECRET"],
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    written: list[str] = []
    for line in sys.stdin:
        verb, count = line.split()
        datas = [os.urandom(size) for _ in range(int(count))]
        wall, cpu = time.perf_counter(), time.process_time()
        for data in datas if verb == "put" else ():
            digest = hashlib.sha256(data).hexdigest()
            client.put_object(Bucket=bucket, Key=f"{prefix}/bench/sha256/{digest[:2]}/{digest}", Body=data)
            written.append(digest)
        for digest in written[-int(count) :] if verb == "get" else ():
            found = client.get_object(Bucket=bucket, Key=f"{prefix}/bench/sha256/{digest[:2]}/{digest}")["Body"].read()
            if hashlib.sha256(found).hexdigest() != digest:
                raise SystemExit("another digest")
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))

"""An S3 store of another make (moto), which checks signatures and rights, and is read back by AWS's own client.

Says `ready URL BUCKET KEY_ID SECRET`, then answers each line that it is told with everything that the bucket holds.
"""

import json
import os
import sys

import boto3
import requests
from botocore.config import Config
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{BUCKET}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
    ],
}

# Whoever makes the first bucket and key is asked for nothing; then everybody is.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "100"
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"


def client(service: str, key_id: str = "nobody", secret: str = "yet"):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}),
    )


client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
iam = client("iam")
iam.create_user(UserName="palisade")
iam.put_user_policy(UserName="palisade", PolicyName="writes", PolicyDocument=json.dumps(RIGHTS))
key = iam.create_access_key(UserName="palisade")["AccessKey"]
requests.post(f"{url}/moto-api/reset-auth", data="0").raise_for_status()
ours = client("s3", key["AccessKeyId"], key["SecretAccessKey"])
print("ready", url, BUCKET, key["AccessKeyId"], key["SecretAccessKey"], flush=True)

for _ in sys.stdin:
    pages = ours.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    names = [one["Key"] for page in pages for one in page.get("Contents", [])]
    got = {name: ours.get_object(Bucket=BUCKET, Key=name) for name in names}
    held = {name: {"kind": one["ContentType"], "body": one["Body"].read().decode()} for name, one in got.items()}
    print(json.dumps(held), flush=True)

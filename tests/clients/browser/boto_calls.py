"""Calls boto3's client for SQS as told on standard input, a JSON object a line, and answers so.

boto_calls.py URL
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError


def encoded(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def main():
    client = boto3.client(
        "sqs",
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for line in sys.stdin:
        call = json.loads(line)
        try:
            result = getattr(client, call["method"])(**call["parameters"])
            result.pop("ResponseMetadata", None)
            answer = {"result": result}
        except ClientError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer, default=encoded), flush=True)


main()

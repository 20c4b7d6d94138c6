"""Calls boto3's clients for SQS and Lambda as told, and answers, a JSON object a line.

boto_calls.py URL
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError


def encoded(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def main():
    def client(service):
        return boto3.client(
            service,
            endpoint_url=sys.argv[1],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    clients = {service: client(service) for service in ("sqs", "lambda")}
    for line in sys.stdin:
        call = json.loads(line)
        try:
            client = clients[call.get("service", "sqs")]
            result = getattr(client, call["method"])(**call["parameters"])
            result.pop("ResponseMetadata", None)
            answer = {"result": result}
        except ClientError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer, default=encoded), flush=True)


main()

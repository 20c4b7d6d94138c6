"""boto3's client for the gateway a script of this folder was started for, and what its checks
say in one word: `SCRIPT ENDPOINT json|query`."""

import sys
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import equal

ENDPOINT, PROTOCOL = sys.argv[1:3]
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
SQS = boto3.client(
    "sqs",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
    **CREDENTIALS,
)
MISSING_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


def new_queue(**attributes):
    """The URL of a new queue; of a FIFO queue if the attributes say so."""
    suffix = ".fifo" if "FifoQueue" in attributes else ""
    name = f"client-{uuid.uuid4().hex}{suffix}"
    return SQS.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def arn(url):
    answer = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


def receive(url, **options):
    """The messages of one receive, up to 10, waiting for the first up to 5 s."""
    options = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 5, **options}
    return SQS.receive_message(QueueUrl=url, **options).get("Messages", [])


def receive_now(url, **options):
    return receive(url, WaitTimeSeconds=0, **options)


def delete(url, message):
    SQS.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def counts(url):
    """How many messages are visible, in flight, delayed."""
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    attributes = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(attributes[name]) for name in names]


def refused(code, status, call, exception=None):
    """The call must fail with this legacy code and HTTP status; returns the message."""
    try:
        answer = call()
    except ClientError as error:
        equal(error.response["Error"]["Code"], code)
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        if exception is not None and not isinstance(error, exception):
            raise AssertionError(f"{type(error)} is not {exception}") from error
        return error.response["Error"]["Message"]
    raise AssertionError(f"{code} was expected, the answer is {answer}")

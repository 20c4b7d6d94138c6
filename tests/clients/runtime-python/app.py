"""A handler for SQS on AWS's runtime client, which reads its event as strictly as AWS's own
library can, and does what the bodies ask for."""

import hashlib
import json
import os

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.parser.models import SqsModel

processor = BatchProcessor(event_type=EventType.SQS)


def known(record, model):
    """Fails if the record has a member that the model does not know, or a null."""
    for name, value in record.items():
        assert name in type(model).model_fields, f"{name} is unknown"
        assert value is not None, f"{name} is null"


def check(event):
    assert list(event) == ["Records"], list(event)
    for record, model in zip(event["Records"], SqsModel.model_validate(event).Records):
        known(record, model)
        known(record["attributes"], model.attributes)
        for name, attribute in record["messageAttributes"].items():
            known(attribute, model.messageAttributes[name])
        md5 = hashlib.md5(record["body"].encode()).hexdigest()
        assert record["md5OfBody"] == md5, record["md5OfBody"]


def note(record):
    with open("records", "a") as file:
        file.write(json.dumps(record) + "\n")


def use_the_receipt(record):
    sqs = boto3.client("sqs")
    name = record["eventSourceARN"].split(":")[-1]
    queue = {
        "QueueUrl": sqs.get_queue_url(QueueName=name)["QueueUrl"],
        "ReceiptHandle": record["receiptHandle"],
    }
    if record["body"] == "delete me":
        sqs.delete_message(**queue)
        raise ValueError("deleted all the same")
    if record["attributes"]["ApproximateReceiveCount"] == "1":
        sqs.change_message_visibility(**queue, VisibilityTimeout=0)
        raise ValueError("once more")


def handle(record):
    if record.body == "not me":
        raise ValueError("not this one")


def handler(event, context):
    assert context.get_remaining_time_in_millis() > 1000
    assert context.invoked_function_arn.endswith(":function:" + context.function_name)
    assert context.memory_limit_in_mb == os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    check(event)
    for record in event["Records"]:
        note(record)
        if record["body"] == "fail":
            raise ValueError("as asked")
        if record["body"] == "exit":
            os._exit(3)
        if record["body"] in ("delete me", "again at once"):
            use_the_receipt(record)
    return process_partial_response(
        event=event, record_handler=handle, processor=processor, context=context
    )

"""What somebody at a terminal does with SQS, through the AWS CLI: `cli.py ENDPOINT`."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

from harness import ATTRIBUTES, BODIES, attributes_md5, equal, holds, md5, run

ENDPOINT = sys.argv[1]
AWS = Path(sys.executable).with_name("aws")
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "",
}
# Version 1 of the CLI takes the bytes of binary values as text and prints them in base64.
BLOB = "\u0000\u0001\r\n ü€😀"
SENT = {**ATTRIBUTES, "blob": {"DataType": "Binary", "BinaryValue": BLOB}}
PRINTED = {
    **SENT, "blob": {**SENT["blob"], "BinaryValue": base64.b64encode(BLOB.encode()).decode()}
}
MD5_OF_SENT = attributes_md5({**SENT, "blob": {**SENT["blob"], "BinaryValue": BLOB.encode()}})


def run_aws(action, *options, **parameters):
    command = [AWS, "--endpoint-url", ENDPOINT, "sqs", action, *options]
    command += ["--cli-input-json", json.dumps(parameters)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


def aws(action, *options, **parameters):
    """What the CLI prints, parsed; it must end well."""
    done = run_aws(action, *options, **parameters)
    holds(done.returncode == 0, f"aws sqs {action}: {done}")
    return json.loads(done.stdout) if done.stdout.strip() else {}


def refused(code, action, **parameters):
    """The CLI must end with its own status and text for this error; returns the text."""
    done = run_aws(action, **parameters)
    equal(done.returncode, 255)
    holds(f"({code})" in done.stderr, done.stderr)
    return done.stderr


def new_queue(suffix="", **attributes):
    name = f"cli-{uuid.uuid4().hex}{suffix}"
    return aws("create-queue", QueueName=name, Attributes=attributes)["QueueUrl"]


def receive(url, **options):
    options = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 5, **options}
    return aws("receive-message", QueueUrl=url, **options).get("Messages", [])


def counts(url):
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    answer = aws("get-queue-attributes", QueueUrl=url, AttributeNames=names)
    return [int(answer["Attributes"][name]) for name in names]


def queues_are_created_found_listed_in_pages_and_deleted():
    prefix = f"page-{uuid.uuid4().hex}"
    urls = [aws("create-queue", QueueName=f"{prefix}-{n}")["QueueUrl"] for n in range(3)]
    equal(aws("get-queue-url", QueueName=f"{prefix}-1")["QueueUrl"], urls[1])
    listed = aws("list-queues", "--queue-name-prefix", prefix, "--page-size", "2")
    equal(listed["QueueUrls"], urls)
    aws("delete-queue", QueueUrl=urls[1])
    code = "AWS.SimpleQueueService.NonExistentQueue"
    text = refused(code, "get-queue-url", QueueName=f"{prefix}-1")
    holds("The specified queue does not exist." in text, text)


def a_message_arrives_and_can_be_given_back_and_deleted():
    url = new_queue()
    for body in BODIES[:7]:
        sent = aws("send-message", QueueUrl=url, MessageBody=body, MessageAttributes=SENT)
        equal(sent["MD5OfMessageBody"], md5(body))
        equal(sent["MD5OfMessageAttributes"], MD5_OF_SENT)
        message, = receive(url, MessageAttributeNames=["All"])
        equal(message["Body"], body)
        equal(message["MD5OfBody"], md5(body))
        equal(message["MessageAttributes"], PRINTED)
        equal(message["MD5OfMessageAttributes"], MD5_OF_SENT)
        equal(message["MessageId"], sent["MessageId"])
        aws("delete-message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    aws("send-message", QueueUrl=url, MessageBody="x")
    message, = receive(url)
    equal(counts(url), [0, 1, 0])
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    aws("change-message-visibility", VisibilityTimeout=0, **handle)
    message, = receive(url, AttributeNames=["All"])
    equal(message["Attributes"]["ApproximateReceiveCount"], "2")
    aws("purge-queue", QueueUrl=url)
    equal(counts(url), [0, 0, 0])
    refused("ReceiptHandleIsInvalid", "delete-message", QueueUrl=url, ReceiptHandle="garbage")


def batches_of_ten_go_through():
    url = new_queue()
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(9)]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    sent = aws("send-message-batch", QueueUrl=url, Entries=entries)
    equal([s["Id"] for s in sent["Successful"]], [str(n) for n in range(9)])
    failed, = sent["Failed"]
    equal([failed["Id"], failed["SenderFault"]], ["bad", True])
    equal(failed["Code"], "InvalidParameterValue")
    aws("send-message", QueueUrl=url, MessageBody="9")
    messages = receive(url)
    equal(sorted(m["Body"] for m in messages), [str(n) for n in range(10)])
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    changes = [{**handle, "VisibilityTimeout": 60} for handle in handles]
    changed = aws("change-message-visibility-batch", QueueUrl=url, Entries=changes)
    equal(len(changed["Successful"]), 10)
    deleted = aws("delete-message-batch", QueueUrl=url, Entries=handles)
    equal(len(deleted["Successful"]), 10)
    equal(counts(url), [0, 0, 0])


def a_long_poll_ends_when_a_message_comes_and_a_delayed_one_when_it_is_due():
    url = new_queue()
    send = lambda: aws("send-message", QueueUrl=url, MessageBody="later", DelaySeconds=2)
    timer = threading.Timer(1, send)
    timer.start()
    start = time.monotonic()
    message, = receive(url, WaitTimeSeconds=20)
    equal(message["Body"], "later")
    holds(2.9 < time.monotonic() - start < 15, time.monotonic() - start)
    timer.join()


def attributes_and_tags_are_set():
    url = new_queue(VisibilityTimeout="31")
    aws("set-queue-attributes", QueueUrl=url, Attributes={"DelaySeconds": "7"})
    names = ["VisibilityTimeout", "DelaySeconds"]
    answer = aws("get-queue-attributes", QueueUrl=url, AttributeNames=names)
    equal(answer["Attributes"], {"VisibilityTimeout": "31", "DelaySeconds": "7"})
    aws("tag-queue", QueueUrl=url, Tags={"a": "1", "b": "ü"})
    aws("untag-queue", QueueUrl=url, TagKeys=["a"])
    equal(aws("list-queue-tags", QueueUrl=url)["Tags"], {"b": "ü"})


def a_fifo_queue_keeps_order_and_drops_duplicates():
    url = new_queue(".fifo", FifoQueue="true")

    def send(body, dedup):
        return aws(
            "send-message", QueueUrl=url, MessageBody=body, MessageGroupId="g",
            MessageDeduplicationId=dedup, MessageAttributes=SENT,
        )

    sent = [send(body, dedup) for body, dedup in [("1", "a"), ("2", "b"), ("3", "a")]]
    equal(sent[2]["MessageId"], sent[0]["MessageId"])
    equal(sent[2]["SequenceNumber"], sent[0]["SequenceNumber"])
    first, = receive(url, MaxNumberOfMessages=1, MessageAttributeNames=["All"])
    equal(first["Body"], "1")
    equal(first["MessageAttributes"], PRINTED)
    equal(receive(url, WaitTimeSeconds=0), [])
    handle = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]}
    aws("change-message-visibility", VisibilityTimeout=0, **handle)
    messages = receive(url)
    equal([m["Body"] for m in messages], ["1", "2"])
    for message in messages:
        aws("delete-message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    equal(counts(url), [0, 0, 0])


def a_message_received_too_often_becomes_a_dead_letter():
    dead = new_queue()
    names = ["QueueArn"]
    arn = aws("get-queue-attributes", QueueUrl=dead, AttributeNames=names)["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    source = new_queue(VisibilityTimeout="0", RedrivePolicy=policy)
    listed = aws("list-dead-letter-source-queues", QueueUrl=dead)
    equal(listed["queueUrls"], [source])
    aws("send-message", QueueUrl=source, MessageBody="x")
    equal(len(receive(source)), 1)
    equal(receive(source, WaitTimeSeconds=0), [])
    message, = receive(dead, AttributeNames=["All"], VisibilityTimeout=0)
    source_arn = message["Attributes"]["DeadLetterQueueSourceArn"]
    equal(source_arn.split(":")[-1], source.split("/")[-1])
    aws("start-message-move-task", SourceArn=arn)
    message, = receive(source, WaitTimeSeconds=20)
    equal(message["Body"], "x")


CHECKS = [
    queues_are_created_found_listed_in_pages_and_deleted,
    a_message_arrives_and_can_be_given_back_and_deleted,
    batches_of_ten_go_through,
    a_long_poll_ends_when_a_message_comes_and_a_delayed_one_when_it_is_due,
    attributes_and_tags_are_set,
    a_fifo_queue_keeps_order_and_drops_duplicates,
    a_message_received_too_often_becomes_a_dead_letter,
]

sys.exit(run(CHECKS) > 0)

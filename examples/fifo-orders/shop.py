"""The shop's side: create | send CUSTOMER... | dead COUNT | redrive | ledger CUSTOMER."""

import json
import sys
import time

import boto3

from pipeline import STEPS, done

sqs = boto3.client(
    "sqs", endpoint_url="http://127.0.0.1:9324", region_name="us-east-1",
    aws_access_key_id="x", aws_secret_access_key="x",
)
QUEUE, DEAD = "orders.fifo", "orders-dead.fifo"


def url(queue):
    return sqs.get_queue_url(QueueName=queue)["QueueUrl"]


def attribute(queue, name):
    answer = sqs.get_queue_attributes(QueueUrl=url(queue), AttributeNames=[name])
    return answer["Attributes"][name]


def create():
    sqs.create_queue(QueueName=DEAD, Attributes={"FifoQueue": "true"})
    policy = {"deadLetterTargetArn": attribute(DEAD, "QueueArn"), "maxReceiveCount": 2}
    sqs.set_queue_attributes(QueueUrl=url(QUEUE), Attributes={
        "VisibilityTimeout": "1",
        "RedrivePolicy": json.dumps(policy),
    })


def send(*customers):
    for step in STEPS:
        for customer in customers:
            sqs.send_message(
                QueueUrl=url(QUEUE),
                MessageBody=json.dumps({"customer": customer, "step": step}),
                MessageGroupId=customer,
                MessageDeduplicationId=f"{customer}-{step}",
            )
    print(f"sent {len(STEPS) * len(customers)} steps")


def dead(count):
    while int(attribute(DEAD, "ApproximateNumberOfMessages")) < int(count):
        time.sleep(0.1)
    print(f"{count} steps are dead")


def redrive():
    sqs.start_message_move_task(SourceArn=attribute(DEAD, "QueueArn"))


def ledger(customer):
    print(customer, *done(customer))


if __name__ == "__main__":
    commands = [create, send, dead, redrive, ledger]
    {command.__name__: command for command in commands}[sys.argv[1]](*sys.argv[2:])

"""Attributes, tags, dead letters, move tasks, permissions, batches of visibilities and presigned
URLs through boto3; sqs.py runs these checks."""

import json
import urllib.request
import uuid
import xml.etree.ElementTree

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from boto import (
    CREDENTIALS, SQS, arn, counts, delete, new_queue, receive, receive_now, refused,
)
from harness import ATTRIBUTES, BODIES, attributes_md5, equal, md5, wait_until


def attributes_of(url, *names):
    answer = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"])
    return answer.get("Attributes", {})


def attributes_are_changed():
    url = new_queue()
    changed = {"VisibilityTimeout": "7", "DelaySeconds": "1", "MaximumMessageSize": "2048"}
    SQS.set_queue_attributes(QueueUrl=url, Attributes=changed)
    equal(attributes_of(url, *changed), changed)
    SQS.send_message(QueueUrl=url, MessageBody="x")
    equal(counts(url), [0, 0, 1])
    refused(
        "InvalidParameterValue", 400,
        lambda: SQS.send_message(QueueUrl=url, MessageBody="x" * 2049),
    )
    bad = {"VisibilityTimeout": "8", "DelaySeconds": "901"}
    refused(
        "InvalidAttributeValue", 400,
        lambda: SQS.set_queue_attributes(QueueUrl=url, Attributes=bad),
    )
    equal(attributes_of(url, *changed), changed)


def tags_are_set_listed_and_removed():
    url = SQS.create_queue(QueueName=f"tags-{uuid.uuid4().hex}", tags={"a": "1"})["QueueUrl"]
    equal(SQS.list_queue_tags(QueueUrl=url)["Tags"], {"a": "1"})
    SQS.tag_queue(QueueUrl=url, Tags={"a": "2", "ü b": "", "c": "x=y+z@_.:/-"})
    equal(
        SQS.list_queue_tags(QueueUrl=url)["Tags"],
        {"a": "2", "ü b": "", "c": "x=y+z@_.:/-"},
    )
    SQS.untag_queue(QueueUrl=url, TagKeys=["a", "c", "unknown"])
    equal(SQS.list_queue_tags(QueueUrl=url)["Tags"], {"ü b": ""})
    SQS.untag_queue(QueueUrl=url, TagKeys=["ü b"])
    equal(SQS.list_queue_tags(QueueUrl=url).get("Tags", {}), {})


def with_dead_letters(source_attributes, dead_attributes):
    """(source, dead-letter queue); the second receive of a message moves it."""
    dead = new_queue(**dead_attributes)
    policy = {"deadLetterTargetArn": arn(dead), "maxReceiveCount": "1"}
    source = new_queue(RedrivePolicy=json.dumps(policy), **source_attributes)
    return source, dead


def a_message_received_too_often_becomes_a_dead_letter():
    for fifo in ({}, {"FifoQueue": "true"}):
        source, dead = with_dead_letters({"VisibilityTimeout": "0", **fifo}, fifo)
        policy = json.loads(attributes_of(source, "RedrivePolicy")["RedrivePolicy"])
        equal(policy, {"deadLetterTargetArn": arn(dead), "maxReceiveCount": 1})
        listed = SQS.list_dead_letter_source_queues(QueueUrl=dead)
        equal(listed["queueUrls"], [source])
        options = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if fifo else {}
        sent = SQS.send_message(
            QueueUrl=source, MessageBody=BODIES[1], MessageAttributes=ATTRIBUTES, **options
        )
        equal(len(receive(source)), 1)
        equal(receive_now(source), [])
        message, = receive(dead, AttributeNames=["All"], MessageAttributeNames=["All"])
        equal(message["Body"], BODIES[1])
        equal(message["MessageId"], sent["MessageId"])
        equal(message["MD5OfMessageAttributes"], attributes_md5(ATTRIBUTES))
        equal(message["Attributes"]["DeadLetterQueueSourceArn"], arn(source))
        equal(message["Attributes"]["ApproximateReceiveCount"], "2")
        delete(dead, message)
        equal(counts(source) + counts(dead), [0] * 6)


def a_move_task_gives_dead_letters_back():
    source, dead = with_dead_letters({"VisibilityTimeout": "0"}, {})
    for body in ("1", "2", "3"):
        SQS.send_message(QueueUrl=source, MessageBody=body)
    wait_until("three dead letters", lambda: receive_now(source) == [] and counts(dead)[0] == 3)
    started = SQS.start_message_move_task(SourceArn=arn(dead))
    equal(bool(started["TaskHandle"]), True)

    def completed():
        task, = SQS.list_message_move_tasks(SourceArn=arn(dead))["Results"]
        return task if task["Status"] == "COMPLETED" else None

    task = wait_until("the end of the move task", completed)
    equal(task["ApproximateNumberOfMessagesMoved"], 3)
    equal(task["SourceArn"], arn(dead))
    equal(counts(dead), [0, 0, 0])
    equal(counts(source), [3, 0, 0])
    unknown = arn(dead) + "-unknown"
    refused(
        "ResourceNotFoundException", 404,
        lambda: SQS.start_message_move_task(SourceArn=unknown),
        SQS.exceptions.ResourceNotFoundException,
    )


def permissions_become_a_policy():
    url = new_queue()
    SQS.add_permission(
        QueueUrl=url, Label="one", AWSAccountIds=["111122223333"],
        Actions=["SendMessage", "ReceiveMessage"],
    )
    policy = json.loads(attributes_of(url, "Policy")["Policy"])
    statement, = policy["Statement"]
    equal(statement["Sid"], "one")
    equal(statement["Principal"], {"AWS": "arn:aws:iam::111122223333:root"})
    equal(statement["Action"], ["SQS:SendMessage", "SQS:ReceiveMessage"])
    SQS.remove_permission(QueueUrl=url, Label="one")
    equal(attributes_of(url, "Policy"), {})


def visibilities_change_in_a_batch():
    url = new_queue()
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(10)]
    SQS.send_message_batch(QueueUrl=url, Entries=entries)
    messages = receive(url)
    equal(len(messages), 10)
    entries = [
        {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 60 * (n % 2)}
        for n, m in enumerate(messages[:9])
    ]
    entries.append({"Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 0})
    answer = SQS.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    equal([entry["Id"] for entry in answer["Successful"]], [str(n) for n in range(9)])
    failed, = answer["Failed"]
    equal((failed["Id"], failed["Code"]), ("bad", "ReceiptHandleIsInvalid"))
    equal(failed["SenderFault"], True)
    equal(counts(url), [5, 5, 0])
    expected = sorted(message["Body"] for message in messages[:9:2])
    equal(sorted(message["Body"] for message in receive_now(url)), expected)


def get(url):
    """What a plain HTTP client gets, as XML."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return xml.etree.ElementTree.fromstring(answer.read())


def texts(tree, name):
    return [element.text for element in tree.iter() if element.tag.endswith("}" + name)]


def presigned(url, **parameters):
    """A URL that carries the request and its signature, made by botocore's signer."""
    request = AWSRequest("GET", url, params={"Version": "2012-11-05", **parameters})
    credentials = Credentials(*CREDENTIALS.values())
    SigV4QueryAuth(credentials, "sqs", "us-east-1", expires=60).add_auth(request)
    return request.prepare().url


def a_presigned_url_works_in_a_plain_http_client():
    url = new_queue()
    sent = get(presigned(url, Action="SendMessage", MessageBody=BODIES[1]))
    equal(texts(sent, "MD5OfMessageBody"), [md5(BODIES[1])])
    received = get(presigned(url, Action="ReceiveMessage", WaitTimeSeconds="5"))
    equal(texts(received, "Body"), [BODIES[1]])
    equal(texts(received, "MessageId"), texts(sent, "MessageId"))
    handle, = texts(received, "ReceiptHandle")
    get(presigned(url, Action="DeleteMessage", ReceiptHandle=handle))
    equal(counts(url), [0, 0, 0])


CHECKS = [
    attributes_are_changed,
    tags_are_set_listed_and_removed,
    a_message_received_too_often_becomes_a_dead_letter,
    a_move_task_gives_dead_letters_back,
    permissions_become_a_policy,
    visibilities_change_in_a_batch,
    a_presigned_url_works_in_a_plain_http_client,
]

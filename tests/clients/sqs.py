"""What a Python program does with SQS, through boto3: `sqs.py ENDPOINT json|query`."""

import sys
import threading
import time
import urllib.request
import uuid

import sqs_fifo
import sqs_queues
from boto import (
    ENDPOINT, MISSING_QUEUE, PROTOCOL, SQS, counts, new_queue, receive, receive_now, refused,
)
from harness import ATTRIBUTES, BODIES, attributes_md5, equal, md5, run


def the_client_speaks_the_protocol_it_is_here_for():
    model = SQS.meta.service_model
    equal(getattr(model, "resolved_protocol", None) or model.protocol, PROTOCOL)


def a_queue_is_created_found_and_listed():
    name = f"found-{uuid.uuid4().hex}"
    url = SQS.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "31"})["QueueUrl"]
    equal(url.startswith(ENDPOINT + "/"), True)
    equal(url.split("/")[-1], name)
    equal(SQS.get_queue_url(QueueName=name)["QueueUrl"], url)
    equal(SQS.list_queues(QueueNamePrefix=name[:-3])["QueueUrls"], [url])
    equal(SQS.list_queues(QueueNamePrefix=name + "x").get("QueueUrls"), None)
    again = SQS.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "31"})
    equal(again["QueueUrl"], url)
    other = {"VisibilityTimeout": "32"}
    exception = SQS.exceptions.QueueNameExists
    call = lambda: SQS.create_queue(QueueName=name, Attributes=other)
    refused("QueueAlreadyExists", 400, call, exception)


def the_list_of_queues_comes_in_pages():
    prefix = f"page-{uuid.uuid4().hex}"
    urls = [SQS.create_queue(QueueName=f"{prefix}-{n}")["QueueUrl"] for n in range(5)]
    pages = SQS.get_paginator("list_queues").paginate(
        QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2}
    )
    pages = [page.get("QueueUrls", []) for page in pages]
    equal([len(page) for page in pages][:2], [2, 2])
    equal(sorted(sum(pages, [])), urls)


def attributes_are_those_of_the_queue():
    url = new_queue(VisibilityTimeout="31", DelaySeconds="2")
    attributes = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal(len(attributes), 12)
    equal(attributes["VisibilityTimeout"], "31")
    equal(attributes["DelaySeconds"], "2")
    equal(attributes["MaximumMessageSize"], "1048576")
    account, name = url.split("/")[-2:]
    equal(attributes["QueueArn"].split(":")[-2:], [account, name])
    equal(abs(int(attributes["CreatedTimestamp"]) - time.time()) < 120, True)
    one = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    equal(one["Attributes"], {"DelaySeconds": "2"})
    none = SQS.get_queue_attributes(QueueUrl=url)
    equal(none.get("Attributes", {}), {})


def counts_follow_a_message():
    url = new_queue()
    SQS.send_message(QueueUrl=url, MessageBody="now")
    SQS.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    equal(counts(url), [1, 0, 1])
    message, = receive(url)
    equal(counts(url), [0, 1, 1])
    SQS.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    equal(counts(url), [0, 0, 1])


def bodies_arrive_as_they_were_sent():
    for body in BODIES:
        url = new_queue()
        sent = SQS.send_message(QueueUrl=url, MessageBody=body)
        equal(sent["MD5OfMessageBody"], md5(body))
        equal("MD5OfMessageAttributes" in sent, False)
        message, = receive(url)
        equal(message["Body"], body)
        equal(message["MD5OfBody"], md5(body))
        equal(message["MessageId"], sent["MessageId"])


def attributes_arrive_as_they_were_sent():
    url = new_queue(VisibilityTimeout="0")
    sent = SQS.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=ATTRIBUTES)
    equal(sent["MD5OfMessageAttributes"], attributes_md5(ATTRIBUTES))
    names = {
        "All": list(ATTRIBUTES),
        "color": ["color"],
        "color.*": ["color", "color.code"],
        "col.*": ["color", "color.code"],
        "blob": ["blob"],
        "nothing": [],
    }
    for asked, expected in names.items():
        expected = {name: ATTRIBUTES[name] for name in expected}
        message, = receive(url, MessageAttributeNames=[asked])
        got = message.get("MessageAttributes", {})
        equal(got, expected)
        expected_md5 = attributes_md5(expected) if expected else None
        equal(message.get("MD5OfMessageAttributes"), expected_md5)
    message, = receive(url)
    equal("MessageAttributes" in message, False)


def system_attributes_tell_about_the_message():
    url = new_queue(VisibilityTimeout="0")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    sent = SQS.send_message(
        QueueUrl=url,
        MessageBody="x",
        MessageSystemAttributes={
            "AWSTraceHeader": {"DataType": "String", "StringValue": trace}
        },
    )
    equal(sent["MD5OfMessageSystemAttributes"], "5ae4d5d7636402d80f4eb6d213245a88")
    message, = receive(url, AttributeNames=["All"])
    attributes = message["Attributes"]
    equal(attributes["AWSTraceHeader"], trace)
    equal(attributes["ApproximateReceiveCount"], "1")
    equal(bool(attributes["SenderId"]), True)
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        equal(abs(int(attributes[name]) / 1000 - time.time()) < 120, True)
    message, = receive(url, AttributeNames=["ApproximateReceiveCount", "SequenceNumber"])
    equal(message["Attributes"], {"ApproximateReceiveCount": "2"})
    message, = receive(url)
    equal("Attributes" in message, False)


def a_batch_is_answered_entry_by_entry():
    url = new_queue()
    entries = [
        {"Id": f"id-{n}", "MessageBody": body[:30_000], "MessageAttributes": ATTRIBUTES}
        for n, body in enumerate(BODIES)
    ]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    answer = SQS.send_message_batch(QueueUrl=url, Entries=entries)
    failed, = answer["Failed"]
    equal((failed["Id"], failed["SenderFault"]), ("bad", True))
    equal(failed["Code"], "InvalidParameterValue")
    for entry, sent in zip(entries, answer["Successful"]):
        equal(sent["Id"], entry["Id"])
        equal(sent["MD5OfMessageBody"], md5(entry["MessageBody"]))
        equal(sent["MD5OfMessageAttributes"], attributes_md5(ATTRIBUTES))
    messages = receive(url, MessageAttributeNames=["All"])
    equal(sorted(m["Body"] for m in messages), sorted(body[:30_000] for body in BODIES))
    for message in messages:
        equal(message["MessageAttributes"], ATTRIBUTES)
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    handles.append({"Id": "bad", "ReceiptHandle": "garbage"})
    answer = SQS.delete_message_batch(QueueUrl=url, Entries=handles)
    equal([entry["Id"] for entry in answer["Successful"]], [h["Id"] for h in handles[:-1]])
    equal([(f["Id"], f["Code"]) for f in answer["Failed"]], [("bad", "ReceiptHandleIsInvalid")])
    equal(counts(url), [0, 0, 0])


def bad_batches_are_refused_whole():
    url = new_queue()

    def send(ids, body="x"):
        entries = [{"Id": id, "MessageBody": body} for id in ids]
        return lambda: SQS.send_message_batch(QueueUrl=url, Entries=entries)

    prefix = "AWS.SimpleQueueService."
    known = SQS.exceptions
    eleven = [str(n) for n in range(11)]
    refused(prefix + "EmptyBatchRequest", 400, send([]), known.EmptyBatchRequest)
    refused(
        prefix + "TooManyEntriesInBatchRequest", 400, send(eleven),
        known.TooManyEntriesInBatchRequest,
    )
    refused(
        prefix + "BatchEntryIdsNotDistinct", 400, send("aa"), known.BatchEntryIdsNotDistinct
    )
    refused(prefix + "InvalidBatchEntryId", 400, send(["a b"]), known.InvalidBatchEntryId)
    refused(
        prefix + "BatchRequestTooLong", 400, send("ab", "x" * 600_000),
        known.BatchRequestTooLong,
    )
    equal(counts(url), [0, 0, 0])


def a_long_poll_ends_when_a_message_comes():
    url = new_queue()
    timer = threading.Timer(
        0.3, lambda: SQS.send_message(QueueUrl=url, MessageBody="at last")
    )
    start = time.monotonic()
    timer.start()
    message, = receive(url, WaitTimeSeconds=15)
    equal(message["Body"], "at last")
    equal(0.25 < time.monotonic() - start < 5, True)
    start = time.monotonic()
    equal(receive(url, WaitTimeSeconds=1), [])
    equal(0.95 < time.monotonic() - start < 5, True)


def a_delayed_message_comes_when_it_is_due():
    url = new_queue()
    start = time.monotonic()
    SQS.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1)
    equal(receive_now(url), [])
    message, = receive(url, WaitTimeSeconds=15)
    equal(message["Body"], "later")
    equal(0.95 < time.monotonic() - start < 5, True)


def visibility_hides_and_shows_a_message():
    url = new_queue()
    SQS.send_message(QueueUrl=url, MessageBody="x")
    first, = receive(url, VisibilityTimeout=1)
    equal(receive_now(url), [])
    second, = receive(url, AttributeNames=["All"])
    equal(second["MessageId"], first["MessageId"])
    equal(second["Attributes"]["ApproximateReceiveCount"], "2")
    equal(second["ReceiptHandle"] == first["ReceiptHandle"], False)
    SQS.change_message_visibility(
        QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0
    )
    third, = receive_now(url)
    SQS.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
    SQS.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
    refused(
        "InvalidParameterValue", 400,
        lambda: SQS.change_message_visibility(
            QueueUrl=url, ReceiptHandle=third["ReceiptHandle"], VisibilityTimeout=5
        ),
    )
    equal(counts(url), [0, 0, 0])


def a_purge_empties_the_queue():
    url = new_queue()
    for delay in (0, 0, 900):
        SQS.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=delay)
    receive(url, MaxNumberOfMessages=1)
    SQS.purge_queue(QueueUrl=url)
    equal(counts(url), [0, 0, 0])
    SQS.send_message(QueueUrl=url, MessageBody="after")
    equal([message["Body"] for message in receive(url)], ["after"])


def a_deleted_queue_is_gone():
    url = new_queue()
    name = url.split("/")[-1]
    SQS.send_message(QueueUrl=url, MessageBody="x")
    SQS.delete_queue(QueueUrl=url)
    exception = SQS.exceptions.QueueDoesNotExist
    calls = [
        lambda: SQS.get_queue_url(QueueName=name),
        lambda: SQS.send_message(QueueUrl=url, MessageBody="x"),
        lambda: SQS.receive_message(QueueUrl=url),
        lambda: SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
        lambda: SQS.purge_queue(QueueUrl=url),
    ]
    wsdl = " for this wsdl version" if PROTOCOL == "query" else ""
    for call in calls:
        text = refused(MISSING_QUEUE, 400, call, exception)
        equal(text, f"The specified queue does not exist{wsdl}.")


def a_presigned_url_is_a_request_of_its_own():
    url = new_queue()
    for method in ("GET", "POST") if PROTOCOL == "query" else ():
        message = {"QueueUrl": url, "MessageBody": f"{method} a+b/c d~é&="}
        presigned = SQS.generate_presigned_url("send_message", message, 60, method)
        request = urllib.request.Request(presigned, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            equal(md5(message["MessageBody"]) in response.read().decode(), True)
        equal(receive(url)[0]["Body"], message["MessageBody"])


def bad_values_are_refused_with_their_codes():
    url = new_queue()

    def send(**parameters):
        return lambda: SQS.send_message(QueueUrl=url, **parameters)

    value = "InvalidParameterValue"
    refused("InvalidMessageContents", 400, send(MessageBody="a\u0001b"))
    text = refused(value, 400, send(MessageBody="x" * (1024 * 1024 + 1)))
    equal("1048576" in text, True)
    refused("MissingParameter", 400, send(MessageBody=""))
    refused(value, 400, send(MessageBody="x", DelaySeconds=901))
    bad_attribute = {"a!": {"DataType": "String", "StringValue": "x"}}
    refused(value, 400, send(MessageBody="x", MessageAttributes=bad_attribute))
    refused(value, 400, lambda: receive_now(url, MaxNumberOfMessages=11))
    refused(value, 400, lambda: receive(url, WaitTimeSeconds=21))
    refused(
        "InvalidAttributeName", 400,
        lambda: SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["Foobar"]),
    )
    refused("InvalidAttributeValue", 400, lambda: new_queue(VisibilityTimeout="43201"))
    handle = {"QueueUrl": url, "ReceiptHandle": "garbage"}
    refused(
        "ReceiptHandleIsInvalid", 404, lambda: SQS.delete_message(**handle),
        SQS.exceptions.ReceiptHandleIsInvalid,
    )
    equal(counts(url), [0, 0, 0])


CHECKS = [
    the_client_speaks_the_protocol_it_is_here_for,
    a_queue_is_created_found_and_listed,
    the_list_of_queues_comes_in_pages,
    attributes_are_those_of_the_queue,
    counts_follow_a_message,
    bodies_arrive_as_they_were_sent,
    attributes_arrive_as_they_were_sent,
    system_attributes_tell_about_the_message,
    a_batch_is_answered_entry_by_entry,
    bad_batches_are_refused_whole,
    a_long_poll_ends_when_a_message_comes,
    a_delayed_message_comes_when_it_is_due,
    visibility_hides_and_shows_a_message,
    a_purge_empties_the_queue,
    a_deleted_queue_is_gone,
    a_presigned_url_is_a_request_of_its_own,
    bad_values_are_refused_with_their_codes,
]

sys.exit(run(CHECKS + sqs_fifo.CHECKS + sqs_queues.CHECKS) > 0)

"""FIFO queues through boto3; sqs.py runs these checks."""

import hashlib

from boto import SQS, counts, delete, new_queue, receive, receive_now, refused
from harness import ATTRIBUTES, BODIES, attributes_md5, equal, holds, md5

VALUE = "InvalidParameterValue"
SYSTEM = {"AttributeNames": ["All"]}


def fifo_queue(**attributes):
    return new_queue(FifoQueue="true", **attributes)


def send(url, body, group="g", **options):
    options = {"MessageDeduplicationId": options.pop("dedup", body), **options}
    return SQS.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **options)


def bodies(messages):
    return [message["Body"] for message in messages]


def delete_all(url, messages):
    entries = [
        {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)
    ]
    answer = SQS.delete_message_batch(QueueUrl=url, Entries=entries)
    equal(len(answer["Successful"]), len(entries))
    equal(answer.get("Failed"), None)


def a_fifo_queue_shows_what_it_is():
    url = fifo_queue(ContentBasedDeduplication="true")
    attributes = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal(len(attributes), 16)
    equal(attributes["FifoQueue"], "true")
    equal(attributes["ContentBasedDeduplication"], "true")
    equal(attributes["DeduplicationScope"], "queue")
    equal(attributes["FifoThroughputLimit"], "perQueue")
    equal(url.endswith(".fifo"), True)


def a_fifo_message_arrives_with_all_it_was_sent_with():
    url = fifo_queue(ContentBasedDeduplication="true")
    for n, body in enumerate(BODIES):
        sent = SQS.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=f"g{n}", MessageAttributes=ATTRIBUTES
        )
        equal(sent["MD5OfMessageBody"], md5(body))
        equal(sent["MD5OfMessageAttributes"], attributes_md5(ATTRIBUTES))
        message, = receive(url, MessageAttributeNames=["All"], **SYSTEM)
        equal(message["Body"], body)
        equal(message["MD5OfBody"], md5(body))
        equal(message["MessageAttributes"], ATTRIBUTES)
        equal(message["MD5OfMessageAttributes"], attributes_md5(ATTRIBUTES))
        attributes = message["Attributes"]
        equal(attributes["MessageGroupId"], f"g{n}")
        equal(attributes["MessageDeduplicationId"], hashlib.sha256(body.encode()).hexdigest())
        equal(attributes["SequenceNumber"], sent["SequenceNumber"])
        equal(len(sent["SequenceNumber"]), 20)
        delete(url, message)


def a_batch_of_ten_keeps_the_order_of_its_groups():
    url = fifo_queue()
    entries = [
        {
            "Id": f"id-{n}", "MessageBody": f"{group}{n}", "MessageGroupId": group,
            "MessageDeduplicationId": str(n), "MessageAttributes": ATTRIBUTES,
        }
        for n, group in enumerate("abcabcabca")
    ]
    answer = SQS.send_message_batch(QueueUrl=url, Entries=entries)
    equal([entry["Id"] for entry in answer["Successful"]], [entry["Id"] for entry in entries])
    numbers = [entry["SequenceNumber"] for entry in answer["Successful"]]
    equal(numbers, sorted(set(numbers)))
    messages = receive(url, **SYSTEM)
    equal(sorted(bodies(messages)), sorted(entry["MessageBody"] for entry in entries))
    for group in "abc":
        of_group = [body for body in bodies(messages) if body[0] == group]
        equal(of_group, sorted(of_group))
    equal(counts(url), [0, 10, 0])
    delete_all(url, messages)
    equal(counts(url), [0, 0, 0])


def a_group_waits_for_its_message_in_flight():
    url = fifo_queue()
    for body in ("a1", "a2", "b1"):
        send(url, body, group=body[0])
    first, = receive(url, MaxNumberOfMessages=1)
    equal(first["Body"], "a1")
    other, = receive_now(url)
    equal(other["Body"], "b1")
    equal(receive_now(url), [])
    delete(url, first)
    second, = receive_now(url)
    equal(second["Body"], "a2")


def a_fifo_message_given_back_comes_first_again():
    url = fifo_queue()
    for body in ("1", "2", "3"):
        send(url, body)
    first, = receive(url, MaxNumberOfMessages=1)
    SQS.change_message_visibility(
        QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    messages = receive(url, **SYSTEM)
    equal(bodies(messages), ["1", "2", "3"])
    received = [m["Attributes"]["ApproximateReceiveCount"] for m in messages]
    equal(received, ["2", "1", "1"])
    text = refused(VALUE, 400, lambda: delete(url, first))
    holds(text.endswith("Reason: The receipt handle has expired."), text)
    delete_all(url, messages)


def a_duplicate_is_accepted_and_not_enqueued():
    url = fifo_queue()
    first = send(url, "one", dedup="id")
    again = send(url, "other", dedup="id", group="h")
    for name in ("MessageId", "SequenceNumber"):
        equal(again[name], first[name])
    equal(again["MD5OfMessageBody"], md5("other"))
    message, = receive(url)
    equal(message["Body"], "one")
    delete(url, message)
    equal(send(url, "after", dedup="id")["MessageId"], first["MessageId"])
    equal(counts(url), [0, 0, 0])
    SQS.purge_queue(QueueUrl=url)
    send(url, "after a purge", dedup="id")
    equal(bodies(receive(url)), ["after a purge"])


def equal_bodies_are_duplicates_when_the_queue_says_so():
    url = fifo_queue(ContentBasedDeduplication="true")
    sent = [
        SQS.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
        for body in ("same", "same", "other")
    ]
    equal(sent[0]["MessageId"], sent[1]["MessageId"])
    equal(bodies(receive(url)), ["same", "other"])


def a_fifo_queue_demands_its_parameters():
    url = fifo_queue()
    refused(
        "MissingParameter", 400,
        lambda: SQS.send_message(QueueUrl=url, MessageBody="x", MessageDeduplicationId="x"),
    )
    refused(
        VALUE, 400, lambda: SQS.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g")
    )
    refused(VALUE, 400, lambda: send(url, "x", DelaySeconds=2))
    refused(VALUE, 400, lambda: send(url, "x", group="with space"))
    entries = [{"Id": "a", "MessageBody": "x"}]
    refused(VALUE, 400, lambda: SQS.send_message_batch(QueueUrl=url, Entries=entries))
    equal(counts(url), [0, 0, 0])
    name = url.split("/")[-1].replace(".fifo", "")
    with_fifo = {"QueueName": name, "Attributes": {"FifoQueue": "true"}}
    refused(VALUE, 400, lambda: SQS.create_queue(**with_fifo))
    refused(VALUE, 400, lambda: SQS.create_queue(QueueName=name + "-2.fifo"))


def a_group_on_a_standard_queue_is_told_on_receive():
    url = new_queue()
    sent = SQS.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="tenant")
    equal("SequenceNumber" in sent, False)
    message, = receive(url, **SYSTEM)
    equal(message["Attributes"]["MessageGroupId"], "tenant")
    equal("SequenceNumber" in message["Attributes"], False)


CHECKS = [
    a_fifo_queue_shows_what_it_is,
    a_fifo_message_arrives_with_all_it_was_sent_with,
    a_batch_of_ten_keeps_the_order_of_its_groups,
    a_group_waits_for_its_message_in_flight,
    a_fifo_message_given_back_comes_first_again,
    a_duplicate_is_accepted_and_not_enqueued,
    equal_bodies_are_duplicates_when_the_queue_says_so,
    a_fifo_queue_demands_its_parameters,
    a_group_on_a_standard_queue_is_told_on_receive,
]

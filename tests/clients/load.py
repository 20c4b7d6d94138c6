"""Sends, receives and deletes without a pause and without a retry until standard input ends.

load.py ENDPOINT: prints "started" once everybody got an answer, and in the end what came of it as
JSON: the number of requests, the failures, and how many messages were lost.
"""

import json
import sys
import threading

import boto3
from botocore.config import Config

WORKERS = 6
QUEUE = "load"


class Load:
    def __init__(self, endpoint):
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.requests = 0
        self.failures = []
        self.sent = set()
        self.received = set()
        self.clients = [client(endpoint) for _ in range(WORKERS + 1)]
        self.url = self.clients[0].create_queue(QueueName=QUEUE)["QueueUrl"]
        self.started = threading.Barrier(WORKERS + 2)

    def call(self, function, **arguments):
        try:
            return function(QueueUrl=self.url, **arguments)
        except Exception as error:  # every kind of failure counts
            with self.lock:
                self.failures.append(f"{function.__name__}: {error!r}")
            return {}
        finally:
            with self.lock:
                self.requests += 1

    def receive(self, sqs, seconds):
        answer = self.call(sqs.receive_message, WaitTimeSeconds=seconds, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        if entries:
            self.call(sqs.delete_message_batch, Entries=entries)
        with self.lock:
            self.received.update(message["Body"] for message in messages)
        return messages

    def work(self, number):
        sqs, count, is_first = self.clients[number], 0, True
        while is_first or not self.stop.is_set():
            count += 1
            body = f"{number}-{count}"
            if "MessageId" in self.call(sqs.send_message, MessageBody=body):
                with self.lock:
                    self.sent.add(body)
            self.receive(sqs, 0)
            if is_first:
                self.started.wait()
                is_first = False

    def poll(self):
        """Waits for what never comes: a restart must not make an error of it."""
        sqs = self.clients[WORKERS]
        url = sqs.create_queue(QueueName="empty")["QueueUrl"]
        self.started.wait()
        while not self.stop.is_set():
            try:
                sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)
            except Exception as error:
                with self.lock:
                    self.failures.append(f"long poll: {error!r}")


def client(endpoint):
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=60, read_timeout=60)
    return boto3.session.Session().client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=config,
    )


def main():
    load = Load(sys.argv[1])
    threads = [threading.Thread(target=load.work, args=(n,)) for n in range(WORKERS)]
    threads.append(threading.Thread(target=load.poll))
    for thread in threads:
        thread.start()
    load.started.wait()
    print("started", flush=True)
    sys.stdin.read()
    load.stop.set()
    for thread in threads:
        thread.join()
    for _ in range(40):  # a lease that nobody ended comes back after 30 seconds
        if load.sent <= load.received:
            break
        load.receive(load.clients[0], 1)
    lost = len(load.sent - load.received)
    print(json.dumps({"requests": load.requests, "failures": load.failures, "lost": lost}))


main()

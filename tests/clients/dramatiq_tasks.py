"""A dramatiq application on SQS, at $ENDPOINT; dramatiq_work.py runs it."""

import os
import time

import dramatiq
from dramatiq_sqs import SQSBroker

from worker import happened, write

broker = SQSBroker(
    namespace="dramatiq",
    dead_letter=True,
    visibility_timeout=int(os.environ.get("VISIBILITY_TIMEOUT", 3)),
    tags={"owner": "dramatiq"},
    endpoint_url=os.environ["ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
dramatiq.set_broker(broker)


@dramatiq.actor
def succeeds(argument):
    write("succeeds", argument)


@dramatiq.actor(max_retries=0)
def fails():
    write("fails")
    raise ValueError("as asked")


@dramatiq.actor(max_retries=3, min_backoff=1000, max_backoff=1001)
def fails_twice():
    write("fails_twice")
    if happened("fails_twice") < 3:
        raise ValueError("as asked")


@dramatiq.actor
def dies():
    """Takes for ever the first time: long enough to kill the worker meanwhile."""
    write("dies")
    if happened("dies") == 1:
        time.sleep(600)  # slow on purpose


@dramatiq.actor(queue_name="waiting")
def waits(n):
    """Ends a second after $FILE.go is there: once the worker has gone on with stopping."""
    write("waits", n)
    while not os.path.exists(os.environ["FILE"] + ".go"):
        time.sleep(0.05)
    time.sleep(1)  # slow on purpose

"""A taskiq application on SQS, at $ENDPOINT: a standard queue, a FIFO queue and one that is sent
to in batches. taskiq_work.py runs it."""

import asyncio
import os

from taskiq import SimpleRetryMiddleware
from taskiq_sqs import SQSBroker

from worker import happened, write

VISIBILITY = {"VisibilityTimeout": "3"}


def queue(name, **more):
    return {"name": name, "wait_time_seconds": 1, "options": VISIBILITY, **more}


broker = SQSBroker(
    [
        queue("taskiq-jobs", max_number_of_messages=10),
        queue("taskiq-batches", is_batching_enabled=True, batch_timeout=0.2),
        queue("taskiq-orders.fifo", options={**VISIBILITY, "ContentBasedDeduplication": "true"}),
    ][: int(os.environ.get("QUEUES", 3))],
    endpoint_url=os.environ["ENDPOINT"],
    aws_region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
).with_middlewares(SimpleRetryMiddleware(default_retry_count=3))


@broker.task(task_name="succeeds")
async def succeeds(argument):
    write("succeeds", argument)


@broker.task(task_name="fails")
async def fails():
    write("fails")
    raise ValueError("as asked")


@broker.task(task_name="retries", retry_on_error=True)
async def retries():
    write("retries")
    if happened("retries") < 3:
        raise ValueError("as asked")


@broker.task(task_name="dies")
async def dies():
    """Takes for ever the first time: long enough to kill the worker meanwhile."""
    write("dies")
    if happened("dies") == 1:
        await asyncio.sleep(600)

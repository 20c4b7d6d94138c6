"""A Celery application on SQS, at $ENDPOINT; $PREDEFINED, if set, is the URL of a queue that
exists already. celery_work.py runs it."""

import os
import time
from urllib.parse import urlsplit

from celery import Celery
from celery.exceptions import Reject

from worker import happened, write

ADDRESS = urlsplit(os.environ["ENDPOINT"]).netloc
PREDEFINED = os.environ.get("PREDEFINED")
VISIBILITY_TIMEOUT_S = 3

app = Celery("celery_tasks", broker=f"sqs://test:test@{ADDRESS}//")
app.conf.update(
    broker_transport_options={
        "is_secure": False,  # plain HTTP
        "region": "us-east-1",
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "wait_time_seconds": 1,
        "polling_interval": 0.1,
    },
    broker_connection_retry_on_startup=True,
    task_default_queue="celery-jobs",
    worker_enable_remote_control=False,  # it needs more than queues
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)
if PREDEFINED:
    app.conf.task_default_queue = PREDEFINED.split("/")[-1]
    app.conf.broker_transport_options.update(
        sqs_base64_encoding=False,
        predefined_queues={
            app.conf.task_default_queue: {
                "url": PREDEFINED,
                "access_key_id": "test",
                "secret_access_key": "test",
                "backoff_policy": {1: 1, 2: 1},
                "backoff_tasks": ["celery_tasks.backs_off"],
            }
        },
    )


@app.task
def succeeds(argument):
    write("succeeds", argument)


@app.task
def fails():
    write("fails")
    raise ValueError("as asked")


@app.task(bind=True)
def retries(self):
    write("retries", self.request.retries)
    if self.request.retries < 2:
        raise self.retry(countdown=1)


@app.task(acks_late=True)
def goes_back():
    write("goes_back")
    if happened("goes_back") == 1:
        raise Reject("as asked", requeue=True)


@app.task(acks_late=True)
def dies():
    """Takes for ever the first time: long enough to kill the worker meanwhile."""
    write("dies")
    if happened("dies") == 1:
        time.sleep(600)  # slow on purpose


@app.task(acks_late=True, acks_on_failure_or_timeout=False)
def backs_off(argument):
    write("backs_off", argument)
    if happened("backs_off", argument) < 3:
        raise ValueError("as asked")

"""Celery on SQS, with real workers: `celery_work.py ENDPOINT json|query`."""

import os
import subprocess
import sys
import time
import uuid

from boto import ENDPOINT, PROTOCOL, SQS, counts
from harness import ATTRIBUTES, BODIES, attributes_md5, equal, holds, run, wait_until
from worker import Worker, events, set_environment

JOBS = "celery-jobs"
BODY = "".join(BODIES[:5])


def celery(*options):
    command = ["celery", "-A", "celery_tasks", "worker", "--loglevel", "info"]
    return Worker(*command, "--without-gossip", "--without-mingle", *options)


def url_of(queue):
    return SQS.get_queue_url(QueueName=queue)["QueueUrl"]


def all_is_acknowledged(queue):
    url = url_of(queue)
    wait_until(f"an empty queue {queue}", lambda: counts(url) == [0, 0, 0])


def the_botocore_beneath_speaks_the_protocol_it_is_here_for():
    model = SQS.meta.service_model
    equal(getattr(model, "resolved_protocol", None) or model.protocol, PROTOCOL)


def a_worker_runs_tasks_that_succeed_fail_retry_and_wait():
    from celery_tasks import fails, goes_back, retries, succeeds
    with celery("--concurrency", "2") as worker:
        succeeds.delay(BODY)
        fails.delay()
        retries.delay()
        goes_back.delay()
        for n in range(20):
            succeeds.delay(n)
        wait_until("the task that succeeds", lambda: events("succeeds"))
        wait_until("20 more", lambda: len(events("succeeds")) == 21)
        wait_until("two retries", lambda: len(events("retries")) == 3)
        wait_until("the task that goes back", lambda: len(events("goes_back")) == 2)
        ran = [event[1] for event in events("succeeds")]
        equal(sorted(argument for argument in ran if argument != BODY), list(range(20)))
        equal([event[1] for event in events("retries")], [0, 1, 2])
        times = [event[-1] for event in events("retries")]
        holds(times[1] - times[0] > 0.9 and times[2] - times[1] > 0.9, times)
        equal(len(events("fails")), 1)
        all_is_acknowledged(JOBS)
        worker.stop()
    equal(len(events("succeeds")), 21)


def a_delayed_task_runs_when_it_is_due():
    from celery_tasks import succeeds
    with celery("--concurrency", "1") as worker:
        start = time.time()
        succeeds.apply_async(("countdown",), countdown=1.5)
        succeeds.apply_async(("timer",), DelaySeconds=2)  # the message's own delay
        done = lambda: {event[1]: event[-1] - start for event in events("succeeds")}
        wait_until("the delayed tasks", lambda: {"countdown", "timer"} <= set(done()))
        holds(1.4 < done()["countdown"] < 10, done())
        holds(1.9 < done()["timer"] < 10, done())
        all_is_acknowledged(JOBS)
        worker.stop()


def a_task_of_a_killed_worker_runs_again():
    from celery_tasks import dies
    with celery("--concurrency", "1") as worker:
        dies.delay()
        wait_until("the task's begin", lambda: events("dies"))
        worker.kill()
    equal(counts(url_of(JOBS)), [0, 1, 0])
    with celery("--concurrency", "1") as worker:
        wait_until("the task's second run", lambda: len(events("dies")) == 2)
        all_is_acknowledged(JOBS)
        worker.stop()
    again, first = events("dies")[1][-1], events("dies")[0][-1]
    holds(again - first > 2.5, again - first)


def tasks_of_a_fifo_queue_run_in_order():
    from celery_tasks import app, succeeds
    queue = "celery-orders.fifo"
    with app.producer_pool.acquire(block=True) as producer:
        for n in range(10):
            succeeds.apply_async(
                (f"fifo-{n}",), queue=queue, MessageGroupId="g", MessageDeduplicationId=str(n),
                producer=producer,
            )
        succeeds.apply_async(
            ("a duplicate",), queue=queue, MessageGroupId="g", MessageDeduplicationId="0",
            producer=producer,
        )
    equal(counts(url_of(queue)), [10, 0, 0])
    with celery("--concurrency", "1", "-Q", queue) as worker:
        all_is_acknowledged(queue)
        worker.stop()
    ran = [event[1] for event in events("succeeds") if str(event[1]).startswith("fifo-")]
    equal(ran, [f"fifo-{n}" for n in range(10)])
    equal([event for event in events("succeeds") if event[1] == "a duplicate"], [])


def kombu_sends_message_attributes():
    from celery_tasks import app
    from kombu import __version__
    if __version__.startswith("5.3"):
        return  # it has no way to send any
    with app.connection_for_write() as connection:
        connection.Producer().publish(
            {"x": BODY}, routing_key="kombu-attributes", message_attributes=ATTRIBUTES,
            declare=[connection.SimpleQueue("kombu-attributes").queue],
        )
    url = url_of("kombu-attributes")
    answer = SQS.receive_message(QueueUrl=url, MessageAttributeNames=["All"])
    message, = answer["Messages"]
    equal(message["MessageAttributes"], ATTRIBUTES)
    equal(message["MD5OfMessageAttributes"], attributes_md5(ATTRIBUTES))


def a_queue_that_exists_is_used_with_its_backoff():
    """In processes of their own: the application is another."""
    name = f"celery-predefined-{uuid.uuid4().hex}"
    url = SQS.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    os.environ["PREDEFINED"] = url
    send = "import sys, celery_tasks; celery_tasks.backs_off.delay(sys.argv[1])"
    subprocess.run([sys.executable, "-c", send, BODY], check=True, timeout=60)
    with celery("--concurrency", "1") as worker:
        wait_until("three runs", lambda: len(events("backs_off")) == 3)
        wait_until("an empty queue", lambda: counts(url) == [0, 0, 0])
        worker.stop()
    equal([event[1] for event in events("backs_off")], [BODY] * 3)
    times = [event[-1] for event in events("backs_off")]
    holds(0.9 < times[1] - times[0] < 20 and 0.9 < times[2] - times[1] < 20, times)


CHECKS = [
    the_botocore_beneath_speaks_the_protocol_it_is_here_for,
    a_worker_runs_tasks_that_succeed_fail_retry_and_wait,
    a_delayed_task_runs_when_it_is_due,
    a_task_of_a_killed_worker_runs_again,
    kombu_sends_message_attributes,
    tasks_of_a_fifo_queue_run_in_order,
    a_queue_that_exists_is_used_with_its_backoff,
]

set_environment(ENDPOINT)
sys.exit(run(CHECKS) > 0)

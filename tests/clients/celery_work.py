"""Celery on SQS, with real workers: `celery_work.py ENDPOINT json|query`."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid

from boto import ENDPOINT, PROTOCOL, SQS, counts
from harness import ATTRIBUTES, BODIES, attributes_md5, equal, holds, run, wait_until

FOLDER = tempfile.mkdtemp()
FILE = os.path.join(FOLDER, "events")
JOBS = "celery-jobs"
BODY = "".join(BODIES[:5])


def set_environment(**variables):
    """Of this process, which sends, and of the workers."""
    os.environ.update(variables, ENDPOINT=ENDPOINT, FILE=FILE)


def events():
    """What the tasks wrote: [task, details…, time]."""
    if not os.path.exists(FILE):
        return []
    with open(FILE) as file:
        return [json.loads(line) for line in file]


def of(task):
    return [event for event in events() if event[0] == task]


class Worker:
    """A Celery worker with the processes it has; killed at the end of the `with`."""

    def __init__(self, *options):
        self.log = open(os.path.join(FOLDER, "log"), "a+")
        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--loglevel"]
        command += ["info", "--without-gossip", "--without-mingle", *options]
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """A warm shutdown: it finishes what it has."""
        self.process.terminate()
        equal(self.process.wait(30), 0)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.kill()
        if kind is not None:
            self.log.seek(0)
            print("the worker's log:\n" + self.log.read()[-6000:])


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
    with Worker("--concurrency", "2") as worker:
        succeeds.delay(BODY)
        fails.delay()
        retries.delay()
        goes_back.delay()
        for n in range(20):
            succeeds.delay(n)
        wait_until("the task that succeeds", lambda: of("succeeds"))
        wait_until("20 more", lambda: len(of("succeeds")) == 21)
        wait_until("two retries", lambda: len(of("retries")) == 3)
        wait_until("the task that goes back", lambda: len(of("goes_back")) == 2)
        equal(sorted(event[1] for event in of("succeeds") if event[1] != BODY), list(range(20)))
        equal([event[1] for event in of("retries")], [0, 1, 2])
        times = [event[-1] for event in of("retries")]
        holds(times[1] - times[0] > 0.9 and times[2] - times[1] > 0.9, times)
        equal(len(of("fails")), 1)
        all_is_acknowledged(JOBS)
        worker.stop()
    equal(len(of("succeeds")), 21)


def a_delayed_task_runs_when_it_is_due():
    from celery_tasks import succeeds
    with Worker("--concurrency", "1") as worker:
        import time
        start = time.time()
        succeeds.apply_async(("countdown",), countdown=1.5)
        succeeds.apply_async(("timer",), DelaySeconds=2)  # the message's own delay
        done = lambda: {event[1]: event[-1] - start for event in of("succeeds")}
        wait_until("the delayed tasks", lambda: {"countdown", "timer"} <= set(done()))
        holds(1.4 < done()["countdown"] < 10, done())
        holds(1.9 < done()["timer"] < 10, done())
        all_is_acknowledged(JOBS)
        worker.stop()


def a_task_of_a_killed_worker_runs_again():
    from celery_tasks import dies
    with Worker("--concurrency", "1") as worker:
        dies.delay()
        wait_until("the task's begin", lambda: of("dies"))
        worker.kill()
    equal(counts(url_of(JOBS)), [0, 1, 0])
    with Worker("--concurrency", "1") as worker:
        wait_until("the task's second run", lambda: len(of("dies")) == 2)
        all_is_acknowledged(JOBS)
        worker.stop()
    again, first = of("dies")[1][-1], of("dies")[0][-1]
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
    with Worker("--concurrency", "1", "-Q", queue) as worker:
        all_is_acknowledged(queue)
        worker.stop()
    ran = [event[1] for event in of("succeeds") if str(event[1]).startswith("fifo-")]
    equal(ran, [f"fifo-{n}" for n in range(10)])
    equal([event for event in of("succeeds") if event[1] == "a duplicate"], [])


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
    set_environment(PREDEFINED=url)
    send = "import sys, celery_tasks; celery_tasks.backs_off.delay(sys.argv[1])"
    subprocess.run([sys.executable, "-c", send, BODY], check=True, timeout=60)
    with Worker("--concurrency", "1") as worker:
        wait_until("three runs", lambda: len(of("backs_off")) == 3)
        wait_until("an empty queue", lambda: counts(url) == [0, 0, 0])
        worker.stop()
    equal([event[1] for event in of("backs_off")], [BODY] * 3)
    times = [event[-1] for event in of("backs_off")]
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

set_environment()
sys.exit(run(CHECKS) > 0)

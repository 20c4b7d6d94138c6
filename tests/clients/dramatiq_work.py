"""dramatiq-sqs with real workers: `dramatiq_work.py ENDPOINT json`. It has no FIFO queues and
sends no message attributes."""

import os
import sys
import time

from boto import ENDPOINT, PROTOCOL, SQS, counts, refused
from harness import BODIES, equal, holds, run, wait_until
from worker import Worker, events, set_environment

set_environment(ENDPOINT)
BODY = "".join(BODIES[:5])
MISSING_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


def dramatiq(*options):
    return Worker("dramatiq", "dramatiq_tasks", "--processes", "1", *options)


def url_of(queue):
    return SQS.get_queue_url(QueueName="dramatiq_" + queue)["QueueUrl"]


def all_is_acknowledged(queue):
    url = url_of(queue)
    wait_until(f"an empty queue {queue}", lambda: counts(url) == [0, 0, 0])


def the_first_task_makes_the_queues():
    import dramatiq_tasks as tasks
    exception = SQS.exceptions.QueueDoesNotExist
    refused(MISSING_QUEUE, 400, lambda: url_of("default"), exception)
    tasks.succeeds.send(BODY)
    equal(counts(url_of("default")), [1, 0, 0])
    equal(counts(url_of("default_dlq")), [0, 0, 0])
    attributes = SQS.get_queue_attributes(QueueUrl=url_of("default"), AttributeNames=["All"])
    equal(attributes["Attributes"]["MessageRetentionPeriod"], "1209600")
    with dramatiq("--threads", "1"):
        wait_until("the task", lambda: events("succeeds"))
        all_is_acknowledged("default")
    equal([event[1] for event in events("succeeds")], [BODY])


def a_worker_runs_tasks_that_succeed_fail_retry_and_wait():
    import dramatiq_tasks as tasks
    start = time.time()
    tasks.fails.send()
    tasks.fails_twice.send()
    tasks.succeeds.send_with_options(args=("late",), delay=2000)
    for n in range(20):
        tasks.succeeds.send(n)
    with dramatiq("--threads", "4") as worker:
        wait_until("all tasks", lambda: len(events("succeeds")) == 22)
        wait_until("the retries", lambda: len(events("fails_twice")) == 3)
        all_is_acknowledged("default")
        worker.stop()
    ran = [event[1] for event in events("succeeds")]
    equal(sorted(n for n in ran if isinstance(n, int)), list(range(20)))
    late, = [event[-1] - start for event in events("succeeds") if event[1] == "late"]
    holds(1.9 < late < 20, late)
    equal(len(events("fails")), 1)
    equal(counts(url_of("default_dlq")), [1, 0, 0])


def a_task_of_a_killed_worker_runs_again():
    import dramatiq_tasks as tasks
    tasks.dies.send()
    with dramatiq("--threads", "1") as worker:
        wait_until("the task's begin", lambda: events("dies"))
        worker.kill()
    equal(counts(url_of("default")), [0, 1, 0])
    with dramatiq("--threads", "1"):
        wait_until("the task's second run", lambda: len(events("dies")) == 2)
        all_is_acknowledged("default")
    holds(events("dies")[1][-1] - events("dies")[0][-1] > 2.5, events("dies"))


def a_worker_that_stops_gives_back_what_it_has_not_begun():
    """With ChangeMessageVisibilityBatch: the queue's own timeout is an hour."""
    import dramatiq_tasks as tasks
    os.environ["VISIBILITY_TIMEOUT"] = "3600"
    for n in range(4):
        tasks.waits.send(n)
    url = url_of("waiting")
    with dramatiq("--threads", "1", "-Q", "waiting") as worker:
        wait_until("a task that runs", lambda: events("waits"))
        wait_until("messages taken ahead", lambda: counts(url)[1] > 1)
        worker.log.truncate(0)
        worker.process.terminate()
        wait_until("its end to begin", lambda: worker.logged("Shutting down..."))
        open(os.environ["FILE"] + ".go", "w").close()
        equal(worker.process.wait(30), 0)
    equal(counts(url), [3, 0, 0])


CHECKS = [
    the_first_task_makes_the_queues,
    a_worker_runs_tasks_that_succeed_fail_retry_and_wait,
    a_task_of_a_killed_worker_runs_again,
]
if PROTOCOL == "json":
    CHECKS.append(a_worker_that_stops_gives_back_what_it_has_not_begun)

sys.exit(run(CHECKS) > 0)

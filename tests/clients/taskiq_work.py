"""taskiq-sqs with real workers: `taskiq_work.py ENDPOINT`."""

import asyncio
import os
import sys
import time

from harness import BODIES, equal, holds, run, wait_until
from worker import Worker, events, set_environment

ENDPOINT = sys.argv[1]
set_environment(ENDPOINT)
BODY = "".join(BODIES[:5])

import capo_sqs  # noqa: E402
import taskiq_tasks as tasks  # noqa: E402
from taskiq_sqs.constants import SQS_EXPIRY_LABEL  # noqa: E402


def with_sqs(work):
    """What `work` returns for a client of the SDK taskiq-sqs uses."""
    async def call():
        credentials = capo_sqs.Credentials(access_key="test", secret_key="test")
        async with capo_sqs.AsyncSQSClient(
            region="us-east-1", endpoint=ENDPOINT, credentials=credentials
        ) as sqs:
            return await work(sqs)
    return asyncio.run(call())


def counts(queue):
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]

    async def work(sqs):
        url = (await sqs.get_queue_url(queue_name=queue))["queue_url"]
        return await sqs.get_queue_attributes(queue_url=url, attribute_names=names)

    attributes = with_sqs(work)["attributes"]
    return [int(attributes[name]) for name in names]


def all_is_acknowledged(queue):
    wait_until(f"an empty queue {queue}", lambda: counts(queue) == [0, 0, 0])


def send(*kicks, until=lambda: True):
    """Runs these in one life of the broker: functions that return what is to be awaited."""
    async def work():
        await tasks.broker.startup()
        for kick in kicks:
            await kick()
        await asyncio.to_thread(wait_until, "what was sent", until)
        await tasks.broker.shutdown()
    asyncio.run(work())


def kick(task, *arguments, **labels):
    return lambda: task.kicker().with_labels(**labels).kiq(*arguments)


def taskiq():
    # Acknowledging only what was executed is what makes a task survive its worker.
    return Worker(
        "taskiq", "worker", "taskiq_tasks:broker", "--workers", "1", "--ack-type", "when_executed",
        "--max-async-tasks", "1",
    )


def the_broker_makes_its_queues():
    missing = False
    try:
        counts("taskiq-jobs")
    except capo_sqs.errors.QueueDoesNotExist:
        missing = True
    equal(missing, True)
    send()
    for queue in ("taskiq-jobs", "taskiq-batches", "taskiq-orders.fifo"):
        equal(counts(queue), [0, 0, 0])
    send()  # and finds them


def a_worker_runs_tasks_that_succeed_fail_retry_and_wait():
    start = time.time()
    send(
        kick(tasks.succeeds, BODY), kick(tasks.fails), kick(tasks.retries),
        kick(tasks.succeeds, "late", delay=2),
        kick(tasks.succeeds, "expired", **{SQS_EXPIRY_LABEL: int(start) - 5}),
        *(kick(tasks.succeeds, n) for n in range(20)),
    )
    with taskiq() as worker:
        wait_until("all tasks", lambda: len(events("succeeds")) == 22)
        wait_until("the retries", lambda: len(events("retries")) == 3)
        all_is_acknowledged("taskiq-jobs")
        worker.stop()
    ran = [event[1] for event in events("succeeds")]
    equal(sorted(n for n in ran if isinstance(n, int)), list(range(20)))
    equal(ran.count(BODY), 1)
    equal("expired" in ran, False)
    late, = [event[-1] - start for event in events("succeeds") if event[1] == "late"]
    holds(1.9 < late < 20, late)
    equal(len(events("fails")), 1)


def a_task_of_a_killed_worker_runs_again():
    send(kick(tasks.dies))
    with taskiq() as worker:
        wait_until("the task's begin", lambda: events("dies"))
        worker.kill()
    with taskiq() as worker:
        wait_until("the task's second run", lambda: len(events("dies")) == 2)
        all_is_acknowledged("taskiq-jobs")
        worker.stop()
    holds(events("dies")[1][-1] - events("dies")[0][-1] > 2.5, events("dies"))


def batched_tasks_all_arrive():
    kicks = [kick(tasks.succeeds, f"batch-{n}", queue_name="taskiq-batches") for n in range(25)]
    # Its end would send what is left as one batch, however many they are.
    send(*kicks, until=lambda: counts("taskiq-batches") == [25, 0, 0])
    with taskiq() as worker:
        all_is_acknowledged("taskiq-batches")
        worker.stop()
    ran = {event[1] for event in events("succeeds")}
    equal({f"batch-{n}" for n in range(25)} - ran, set())


def tasks_of_a_fifo_queue_run_in_order():
    labels = {"queue_name": "taskiq-orders.fifo", "group_id": "g"}
    kicks = [
        kick(tasks.succeeds, f"fifo-{n}", deduplication_id=f"id-{n % 10}", **labels)
        for n in range(12)
    ]
    send(*kicks)
    equal(counts("taskiq-orders.fifo"), [10, 0, 0])
    with taskiq() as worker:
        all_is_acknowledged("taskiq-orders.fifo")
        worker.stop()
    ran = [event[1] for event in events("succeeds") if str(event[1]).startswith("fifo-")]
    equal(ran, [f"fifo-{n}" for n in range(10)])


CHECKS = [
    the_broker_makes_its_queues,
    a_worker_runs_tasks_that_succeed_fail_retry_and_wait,
    a_task_of_a_killed_worker_runs_again,
    batched_tasks_all_arrive,
    tasks_of_a_fifo_queue_run_in_order,
]

sys.exit(run(CHECKS) > 0)

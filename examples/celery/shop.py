"""The tasks of a shop, and the one setting that leads them to karin."""

from celery import Celery

app = Celery("shop", broker="sqs://key:secret@127.0.0.1:9324//")
app.conf.update(
    broker_transport_options={
        "is_secure": False,  # plain HTTP on this machine
        "region": "us-east-1",
        "visibility_timeout": 60,
        "wait_time_seconds": 20,
    },
    broker_connection_retry_on_startup=True,
    task_acks_late=True,  # a task of a worker that is killed runs again
    task_default_queue="shop",
    worker_enable_remote_control=False,  # it needs more than queues
)


@app.task
def receipt(order):
    print(f"receipt for order {order}")


@app.task
def reminder(order):
    print(f"reminder for order {order}")


@app.task(bind=True, max_retries=5)
def payment(self, order):
    retries = self.request.retries
    if retries < 2:  # the bank is slow today
        raise self.retry(countdown=1)
    print(f"order {order} is paid after {retries} retries")

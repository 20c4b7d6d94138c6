"""What the checks of task queues share: a worker's process, and the file in which the tasks of
celery_tasks.py and its like write what they do, one JSON list a line."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from harness import equal

FOLDER = tempfile.mkdtemp()


def write(*event):
    """Notes that this happened, and when."""
    line = json.dumps([*event, time.time()]) + "\n"
    with open(os.environ["FILE"], "a") as file:
        file.write(line)


def events(name):
    """All of this name that were written: [name, details…, time]."""
    if not os.path.exists(os.environ["FILE"]):
        return []
    with open(os.environ["FILE"]) as file:
        return [event for event in map(json.loads, file) if event[0] == name]


def happened(*event):
    """How often exactly this was written."""
    return [known[:-1] for known in events(event[0])].count(list(event))


def set_environment(endpoint):
    """Of this process, which sends, and of the workers."""
    os.environ.update(ENDPOINT=endpoint, FILE=os.path.join(FOLDER, "events"))


class Worker:
    """`python -m …` with the processes it starts; they are killed at the end of the `with`."""

    def __init__(self, *command):
        self.log = open(os.path.join(FOLDER, "log"), "a+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=self.log, stderr=self.log,
            start_new_session=True,
        )

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def logged(self, text):
        """Whether this worker, or one before it, has printed the text."""
        self.log.seek(0)
        return text in self.log.read()

    def stop(self):
        """It finishes what it has."""
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

"""What somebody at a terminal does with Lambda's API, through the AWS CLI:
`mappings_cli.py ENDPOINT`. The gateway has a local function `echo`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import equal, holds, run, wait_until

ENDPOINT = sys.argv[1]
AWS = Path(sys.executable).with_name("aws")
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "",
}
SOURCE = "arn:aws:sqs:us-east-1:000000000000:orders"


def run_aws(*words):
    command = [AWS, "--endpoint-url", ENDPOINT, *words]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


def aws(*words):
    """What the CLI prints, parsed; it must end well."""
    done = run_aws(*words)
    holds(done.returncode == 0, f"aws {words}: {done}")
    return json.loads(done.stdout) if done.stdout.strip() else {}


def a_mapping_is_made_used_changed_and_deleted():
    url = aws("sqs", "create-queue", "--queue-name", "orders")["QueueUrl"]
    made = aws("lambda", "create-event-source-mapping", "--function-name", "echo",
               "--event-source-arn", SOURCE, "--batch-size", "2")
    equal((made["State"], made["BatchSize"]), ("Creating", 2))
    uuid = made["UUID"]
    aws("sqs", "send-message", "--queue-url", url, "--message-body", "hello")

    def is_empty():
        answer = aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return [answer["Attributes"][name] for name in names] == ["0", "0"]

    wait_until("the message to be handled", is_empty)
    changed = aws("lambda", "update-event-source-mapping", "--uuid", uuid, "--no-enabled")
    equal(changed["State"], "Disabling")
    listed = aws("lambda", "list-event-source-mappings", "--function-name", "echo")
    equal([mapping["State"] for mapping in listed["EventSourceMappings"]], ["Disabled"])
    again = run_aws("lambda", "create-event-source-mapping", "--function-name", "echo",
                    "--event-source-arn", SOURCE)
    holds("(ResourceConflictException)" in again.stderr and uuid in again.stderr, again)
    aws("lambda", "delete-event-source-mapping", "--uuid", uuid)
    gone = run_aws("lambda", "get-event-source-mapping", "--uuid", uuid)
    holds("(ResourceNotFoundException)" in gone.stderr, gone)


def a_function_is_listed_and_invoked():
    listed = aws("lambda", "list-functions")["Functions"]
    equal([function["FunctionName"] for function in listed], ["echo"])
    with tempfile.NamedTemporaryFile() as out:
        answer = aws("lambda", "invoke", "--function-name", "echo", "--payload", '{"a":1}',
                     "--log-type", "Tail", out.name)
        equal((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        equal(json.loads(Path(out.name).read_text()), {"a": 1})


CHECKS = [a_mapping_is_made_used_changed_and_deleted, a_function_is_listed_and_invoked]

sys.exit(run(CHECKS) > 0)

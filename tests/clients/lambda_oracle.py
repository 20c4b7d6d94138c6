"""Deploys one function and two queues with the same mapping to a Lambda endpoint with a poller of
its own: `theirs`, which it polls, and `ours`, whose mapping is disabled, for karin.

usage: lambda_oracle.py ENDPOINT FILE deploy    also sends four messages to `theirs`
       lambda_oracle.py ENDPOINT FILE dead      writes what is in `theirs-dead` to FILE.dead, JSON
The function appends each event to FILE, and reports the message "bad" as failed.
"""
import io
import json
import sys
import zipfile

from botocore.session import get_session

ENDPOINT, FILE, WHAT = sys.argv[1:]
APP = """
import json, os, time

def handler(event, context):
    with open(os.environ["FILE"], "a") as file:
        file.write("%s %s\\n" % (time.time(), json.dumps(event)))
    bad = [r["messageId"] for r in event["Records"] if r["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": i} for i in bad]}
"""


def client(service):
    return get_session().create_client(
        service, endpoint_url=ENDPOINT, region_name="eu-west-1",
        aws_access_key_id="test", aws_secret_access_key="test")


functions, queues = client("lambda"), client("sqs")


def arn(queue):
    return "arn:aws:sqs:eu-west-1:000000000000:" + queue


def make_queue(name):
    queues.create_queue(QueueName=name + "-dead")
    redrive = {"deadLetterTargetArn": arn(name + "-dead"), "maxReceiveCount": 2}
    attributes = {"VisibilityTimeout": "2", "RedrivePolicy": json.dumps(redrive)}
    return queues.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def deploy():
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", APP)
    urls = {name: make_queue(name) for name in ["theirs", "ours"]}
    entries = [{"Id": body, "MessageBody": body} for body in ["good", "bad", "fine", "well"]]
    queues.send_message_batch(QueueUrl=urls["theirs"], Entries=entries)
    for name in urls:
        functions.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Timeout=1,
            Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"FILE": FILE + "." + name}})
        functions.create_event_source_mapping(
            EventSourceArn=arn(name), FunctionName=name, Enabled=name == "theirs", BatchSize=4,
            FunctionResponseTypes=["ReportBatchItemFailures"])


def dead():
    url = queues.get_queue_url(QueueName="theirs-dead")["QueueUrl"]
    answer = queues.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, AttributeNames=["All"])
    with open(FILE + ".dead", "w") as file:
        json.dump(answer.get("Messages", []), file)


{"deploy": deploy, "dead": dead}[WHAT]()

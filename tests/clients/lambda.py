"""Deploys to a Lambda endpoint what a user of karin has in AWS: a function, and mappings with
Enabled=false, more than one page of them.

usage: lambda.py ENDPOINT FILE
The function appends each event to FILE; it fails for the body "fail", sleeps for "sleep", and does
not end for "hang".
"""
import io
import sys
import zipfile

from botocore.session import get_session

ENDPOINT, FILE = sys.argv[1:]
QUEUES = 105  # a page has 100
APP = """
import json, os, time

def handler(event, context):
    with open(os.environ["FILE"], "a") as file:
        file.write("%s %s\\n" % (time.time(), json.dumps(event)))
    bodies = [record["body"] for record in event["Records"]]
    if "sleep" in bodies:
        time.sleep(1)  # slow on purpose
    if "hang" in bodies:
        time.sleep(3600)  # slow on purpose
    if "fail" in bodies:
        raise ValueError("as asked")
    return {"batchItemFailures": []}
"""


def client(service):
    return get_session().create_client(
        service, endpoint_url=ENDPOINT, region_name="eu-west-1",
        aws_access_key_id="test", aws_secret_access_key="test")


functions, queues = client("lambda"), client("sqs")
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("app.py", APP)
for name in ["worker", "narrow"]:
    functions.create_function(
        FunctionName=name, Runtime="python3.11", Handler="app.handler", Timeout=4,
        Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"FILE": FILE + "." + name}})
functions.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)


def map_queue(queue, function, **options):
    queues.create_queue(QueueName=queue)
    arn = "arn:aws:sqs:eu-west-1:000000000000:" + queue
    functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=function, **{"Enabled": False, **options})


map_queue("narrow", "narrow", BatchSize=1)
map_queue("polled", "worker", Enabled=True)
map_queue("filtered", "worker", FilterCriteria={"Filters": [{"Pattern": '{"body":{"a":["b"]}}'}]})
for n in range(QUEUES):
    map_queue(f"q{n}", "worker")

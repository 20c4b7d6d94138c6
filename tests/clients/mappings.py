"""What a Python program does with Lambda's API, through boto3: `mappings.py ENDPOINT json`.
The gateway has a local function `echo`, which answers what it gets and logs a line, and fails for
the event "fail"."""

import base64
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from boto import CREDENTIALS, ENDPOINT, SQS, arn, counts, new_queue
from harness import equal, holds, run, wait_until

LAMBDA = boto3.client(
    "lambda",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
    **CREDENTIALS,
)
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:echo"
# Of a queue's mapping, and with the SDK's own member (esm-contract 7.1).
FIELDS = {
    "BatchSize", "EventSourceArn", "EventSourceMappingArn", "FunctionArn", "FunctionResponseTypes",
    "LastModified", "MaximumBatchingWindowInSeconds", "ResponseMetadata", "State",
    "StateTransitionReason", "UUID",
}


def refused(name, status, call):
    """The call must fail with this exception of the SDK; returns its message."""
    try:
        answer = call()
    except ClientError as error:
        equal(error.response["Error"]["Code"], name)
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        holds(isinstance(error, getattr(LAMBDA.exceptions, name, ClientError)), type(error))
        return error.response["Error"]["Message"]
    raise AssertionError(f"{name} was expected, the answer is {answer}")


def state(uuid):
    return LAMBDA.get_event_source_mapping(UUID=uuid)["State"]


def create(queue, **members):
    return LAMBDA.create_event_source_mapping(
        EventSourceArn=arn(queue), FunctionName="echo", **members)


def a_mapping_lives_as_on_lambda():
    queue = new_queue()
    made = create(queue, BatchSize=5)
    equal(set(made), FIELDS)
    equal((made["State"], made["FunctionArn"]), ("Creating", FUNCTION))
    uuid = made["UUID"]
    equal(state(uuid), "Enabled")
    SQS.send_message(QueueUrl=queue, MessageBody="hello")
    wait_until("the message to be handled", lambda: counts(queue) == [0, 0, 0])
    changed = LAMBDA.update_event_source_mapping(
        UUID=uuid, BatchSize=50, MaximumBatchingWindowInSeconds=1,
        FilterCriteria={"Filters": [{"Pattern": '{"body":["x"]}'}]},
        ScalingConfig={"MaximumConcurrency": 2},
        FunctionResponseTypes=["ReportBatchItemFailures"])
    equal(changed["State"], "Updating")
    shown = LAMBDA.get_event_source_mapping(UUID=uuid)
    equal(set(shown), FIELDS | {"FilterCriteria", "ScalingConfig"})
    equal(shown["ScalingConfig"], {"MaximumConcurrency": 2})
    holds(shown["LastModified"] >= made["LastModified"], shown)
    cleared = LAMBDA.update_event_source_mapping(
        UUID=uuid, FilterCriteria={}, ScalingConfig={}, FunctionResponseTypes=[])
    equal(set(cleared), FIELDS)
    equal(LAMBDA.update_event_source_mapping(UUID=uuid, Enabled=False)["State"], "Disabling")
    equal(state(uuid), "Disabled")
    equal(LAMBDA.delete_event_source_mapping(UUID=uuid)["State"], "Deleting")
    text = refused("ResourceNotFoundException", 404, lambda: state(uuid))
    equal(text, "The resource you requested does not exist.")


def what_cannot_be_is_an_exception_of_the_sdk():
    queue = new_queue()
    uuid = create(queue, Enabled=False)["UUID"]
    text = refused("ResourceConflictException", 409, lambda: create(queue))
    holds(uuid in text, text)
    text = refused("InvalidParameterValueException", 400, lambda: create(queue, BatchSize=11))
    holds("Maximum batch window" in text, text)
    refused("InvalidParameterValueException", 400,
            lambda: LAMBDA.create_event_source_mapping(
                EventSourceArn=arn(queue), FunctionName="nobody"))
    refused("ResourceNotFoundException", 404, lambda: LAMBDA.get_function(FunctionName="nobody"))
    refused("ResourceNotFoundException", 404, lambda: LAMBDA.invoke(FunctionName="nobody"))
    refused("UnknownOperationException", 404, lambda: LAMBDA.delete_function(FunctionName="echo"))


def mappings_are_listed_page_by_page():
    queues = [new_queue() for _ in range(3)]
    uuids = {create(queue, Enabled=False)["UUID"] for queue in queues}
    pages = LAMBDA.get_paginator("list_event_source_mappings").paginate(
        FunctionName=FUNCTION, PaginationConfig={"PageSize": 2})
    listed = [mapping["UUID"] for page in pages for mapping in page["EventSourceMappings"]]
    equal(len(listed), len(set(listed)))
    holds(uuids <= set(listed), listed)
    of_one = LAMBDA.list_event_source_mappings(EventSourceArn=arn(queues[0]))
    equal(len(of_one["EventSourceMappings"]), 1)


def tags_are_kept():
    mapping = create(new_queue(), Enabled=False, Tags={"team": "shop"})["EventSourceMappingArn"]
    LAMBDA.tag_resource(Resource=mapping, Tags={"karin:retry": "backoff"})
    LAMBDA.untag_resource(Resource=mapping, TagKeys=["team"])
    equal(LAMBDA.list_tags(Resource=mapping)["Tags"], {"karin:retry": "backoff"})


def a_function_is_invoked():
    event = {"a": ["ü😀", 1, None]}
    context = base64.b64encode(b'{"custom":{}}').decode()
    answer = LAMBDA.invoke(
        FunctionName=FUNCTION, Payload=json.dumps(event), LogType="Tail", ClientContext=context,
        Qualifier="$LATEST")
    equal((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
    equal(json.load(answer["Payload"]), event)
    holds("FunctionError" not in answer and "LogResult" in answer, answer)
    failed = LAMBDA.invoke(FunctionName="echo", Payload='"fail"')
    equal((failed["StatusCode"], failed["FunctionError"]), (200, "Unhandled"))
    for kind, status in [("Event", 202), ("DryRun", 204)]:
        answer = LAMBDA.invoke(FunctionName="echo", InvocationType=kind, Payload="{}")
        equal(answer["StatusCode"], status)
    large = '"' + "x" * 6_291_456 + '"'
    text = refused("RequestTooLargeException", 413,
                   lambda: LAMBDA.invoke(FunctionName="echo", Payload=large))
    equal(text, "Request must be smaller than 6291456 bytes for the InvokeFunction operation")


def functions_are_described():
    pages = LAMBDA.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    functions = [function for page in pages for function in page["Functions"]]
    equal([function["FunctionArn"] for function in functions], [FUNCTION + ":$LATEST"])
    equal(LAMBDA.get_function(FunctionName="echo")["Configuration"]["State"], "Active")
    equal(LAMBDA.get_function_configuration(FunctionName="echo")["FunctionArn"], FUNCTION)
    equal(LAMBDA.list_function_url_configs(FunctionName="echo")["FunctionUrlConfigs"], [])
    reserved = LAMBDA.get_function_concurrency(FunctionName="echo")
    holds(reserved["ReservedConcurrentExecutions"] > 0, reserved)
    equal(LAMBDA.get_account_settings()["AccountUsage"]["FunctionCount"], 1)
    LAMBDA.get_waiter("function_active_v2").wait(FunctionName="echo")


CHECKS = [
    a_mapping_lives_as_on_lambda,
    what_cannot_be_is_an_exception_of_the_sdk,
    mappings_are_listed_page_by_page,
    tags_are_kept,
    a_function_is_invoked,
    functions_are_described,
]

sys.exit(run(CHECKS) > 0)

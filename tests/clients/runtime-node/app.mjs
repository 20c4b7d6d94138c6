// A handler for SQS on AWS's runtime client, which reads its event as strictly as AWS's own library
// can, and does what the bodies ask for.
import assert from "node:assert";
import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";

import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import { SqsSchema } from "@aws-lambda-powertools/parser/schemas/sqs";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueUrlCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";

const processor = new BatchProcessor(EventType.SQS);
const sqs = new SQSClient({});

function check(event) {
  // The schema leaves out what it does not know.
  assert.deepStrictEqual(SqsSchema.parse(event), event);
  for (const record of event.Records) {
    assert.equal(createHash("md5").update(record.body).digest("hex"), record.md5OfBody);
  }
}

async function useTheReceipt(record) {
  const name = record.eventSourceARN.split(":").pop();
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
  const message = { QueueUrl, ReceiptHandle: record.receiptHandle };
  if (record.body === "delete me") {
    await sqs.send(new DeleteMessageCommand(message));
    throw new Error("deleted all the same");
  }
  if (record.attributes.ApproximateReceiveCount === "1") {
    await sqs.send(new ChangeMessageVisibilityCommand({ ...message, VisibilityTimeout: 0 }));
    throw new Error("once more");
  }
}

async function handle(record) {
  if (record.body === "not me") throw new Error("not this one");
}

export async function handler(event, context) {
  assert(context.getRemainingTimeInMillis() > 1000);
  assert(context.invokedFunctionArn.endsWith(":function:" + context.functionName));
  assert.equal(context.memoryLimitInMB, process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE);
  check(event);
  for (const record of event.Records) {
    appendFileSync("records", JSON.stringify(record) + "\n");
    if (record.body === "fail") throw new Error("as asked");
    if (record.body === "exit") process.exit(3);
    if (["delete me", "again at once"].includes(record.body)) await useTheReceipt(record);
  }
  return processPartialResponse(event, handle, processor, { context });
}

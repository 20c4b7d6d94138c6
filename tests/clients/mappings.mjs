// What a JavaScript program does with Lambda's API, through AWS's SDK v3: `mappings.mjs ENDPOINT`.
// The gateway has a local function `echo`, and a queue `orders`.

import assert from "node:assert/strict";

import {
  Lambda, paginateListEventSourceMappings, ResourceConflictException, ResourceNotFoundException,
} from "client-lambda";

const lambda = new Lambda({
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});
const mapping = {
  EventSourceArn: "arn:aws:sqs:us-east-1:000000000000:orders",
  FunctionName: "echo",
};

async function aMappingLives() {
  const made = await lambda.createEventSourceMapping({ ...mapping, BatchSize: 3 });
  assert.equal(made.State, "Creating");
  assert.ok(made.LastModified instanceof Date);
  assert.deepEqual(made.FunctionResponseTypes, []);
  const { UUID } = made;
  await assert.rejects(lambda.createEventSourceMapping(mapping), (error) => {
    assert.ok(error instanceof ResourceConflictException);
    assert.ok(error.message.includes(UUID), error.message);
    return true;
  });
  const changed = await lambda.updateEventSourceMapping({
    UUID,
    FilterCriteria: { Filters: [{ Pattern: '{"body":["x"]}' }] },
    ScalingConfig: { MaximumConcurrency: 2 },
  });
  assert.equal(changed.State, "Updating");
  const listed = [];
  for await (const page of paginateListEventSourceMappings({ client: lambda }, {})) {
    listed.push(...page.EventSourceMappings);
  }
  assert.deepEqual(listed.map((one) => [one.UUID, one.State]), [[UUID, "Enabled"]]);
  assert.equal((await lambda.deleteEventSourceMapping({ UUID })).State, "Deleting");
  await assert.rejects(lambda.getEventSourceMapping({ UUID }), ResourceNotFoundException);
}

async function aFunctionIsInvoked() {
  const event = { a: ["ü😀", 1, null] };
  const answer = await lambda.invoke({
    FunctionName: "arn:aws:lambda:us-east-1:000000000000:function:echo",
    Payload: JSON.stringify(event),
    LogType: "Tail",
  });
  assert.equal(answer.StatusCode, 200);
  assert.deepEqual(JSON.parse(answer.Payload.transformToString()), event);
  assert.equal(answer.FunctionError, undefined);
  assert.equal(answer.ExecutedVersion, "$LATEST");
  assert.notEqual(answer.LogResult, undefined);
  const failed = await lambda.invoke({ FunctionName: "echo", Payload: '"fail"' });
  assert.equal(failed.FunctionError, "Unhandled");
  const later = await lambda.invoke({ FunctionName: "echo", InvocationType: "Event" });
  assert.equal(later.StatusCode, 202);
  await assert.rejects(lambda.invoke({ FunctionName: "nobody" }), ResourceNotFoundException);
}

async function functionsAreListed() {
  const { Functions } = await lambda.listFunctions({});
  assert.deepEqual(Functions.map((one) => one.FunctionName), ["echo"]);
  const { Configuration } = await lambda.getFunction({ FunctionName: "echo" });
  assert.equal(Configuration.Version, "$LATEST");
}

await aMappingLives();
await aFunctionIsInvoked();
await functionsAreListed();

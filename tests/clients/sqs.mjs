// What a JavaScript program does with SQS, through AWS's SDK v3: `sqs.mjs ENDPOINT json|query`.
//
// Runs every check even when one fails; ends with status 1 if any did. The SDK itself compares
// the MD5 of every body it sends and receives.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";

const [endpoint, protocol] = process.argv.slice(2);
const aws = await import(`client-sqs-${protocol}`);
const sqs = new aws.SQS({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});

const bodies = [
  "hello",
  "a\r\nb\rc\nd\te",
  " spaces around, a tab at the end\t",
  "&<>\"' &amp; &#13; ]]> <![CDATA[x]]>",
  "ü€😀 \u0085\u2028\ud7ff\ue000\ufffd",
  '{"json": ["\\r\\n", "\\u0041"]}',
  "a=b&c=d+e%20f?g#h;i",
  "x".repeat(300_000),
];
const attributes = {
  color: { DataType: "String", StringValue: "blue\r\n&<>\"' ü€😀" },
  count: { DataType: "Number.int", StringValue: "-1.50" },
  blob: { DataType: "Binary", BinaryValue: Uint8Array.from({ length: 256 }, (_, n) => n) },
};

const md5 = (data) => createHash("md5").update(data).digest("hex");

function attributesMd5(all) {
  const field = (bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const parts = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, a]) => {
    const binary = a.BinaryValue !== undefined;
    const value = Buffer.from(binary ? a.BinaryValue : a.StringValue);
    const head = [field(Buffer.from(name)), field(Buffer.from(a.DataType))];
    return Buffer.concat([...head, Buffer.from([binary ? 2 : 1]), field(value)]);
  });
  return md5(Buffer.concat(parts));
}

function sameAttributes(received) {
  const plain = (all) => Object.fromEntries(Object.entries(all).map(([name, a]) => {
    const value = a.BinaryValue ? Buffer.from(a.BinaryValue).toString("hex") : a.StringValue;
    return [name, [a.DataType, value]];
  }));
  assert.deepEqual(plain(received), plain(attributes));
}

async function newQueue(Attributes = {}) {
  return (await sqs.createQueue({ QueueName: `client-${randomUUID()}`, Attributes })).QueueUrl;
}

async function receive(QueueUrl, options = {}) {
  const all = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, ...options };
  return (await sqs.receiveMessage(all)).Messages ?? [];
}

async function counts(QueueUrl) {
  const names = ["", "NotVisible", "Delayed"].map((n) => `ApproximateNumberOfMessages${n}`);
  const answer = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: names });
  return names.map((name) => Number(answer.Attributes[name]));
}

// What an SDK calls an error it does not expect of this action: in the Query protocol the code.
const otherNames = {
  InvalidParameterValue: "InvalidParameterValueException",
  QueueDoesNotExist: "AWS.SimpleQueueService.NonExistentQueue",
};

/** The call must fail with this name and HTTP status; returns the error. */
async function refused(name, status, call) {
  const error = await call.then(
    (answer) => assert.fail(`${name} was expected, the answer is ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.ok(error.$metadata, error.stack);
  assert.ok([name, otherNames[name]].includes(error.name), `${error.name} is not ${name}`);
  assert.equal(error.$metadata.httpStatusCode, status);
  return error;
}

const checks = {
  async "the client speaks the protocol it is here for"() {
    let type;
    sqs.middlewareStack.add(
      (next) => (args) => {
        type = args.request.headers["content-type"];
        return next(args);
      },
      { step: "finalizeRequest", name: "spy", override: true },
    );
    await sqs.listQueues({});
    const types = { json: "x-amz-json-1.0", query: "x-www-form-urlencoded" };
    assert.equal(type, `application/${types[protocol]}`);
  },

  async "a queue is created, found and listed"() {
    const QueueName = `found-${randomUUID()}`;
    const { QueueUrl } = await sqs.createQueue({ QueueName });
    assert.ok(QueueUrl.startsWith(`${endpoint}/`), QueueUrl);
    assert.equal((await sqs.getQueueUrl({ QueueName })).QueueUrl, QueueUrl);
    assert.deepEqual((await sqs.listQueues({ QueueNamePrefix: QueueName })).QueueUrls, [QueueUrl]);
    const Attributes = { DelaySeconds: "1" };
    await refused("QueueNameExists", 400, sqs.createQueue({ QueueName, Attributes }));
  },

  async "attributes are those of the queue"() {
    const QueueUrl = await newQueue({ VisibilityTimeout: "31" });
    const all = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ["All"] });
    assert.equal(Object.keys(all.Attributes).length, 12);
    assert.equal(all.Attributes.VisibilityTimeout, "31");
    assert.equal(all.Attributes.QueueArn.split(":").at(-1), QueueUrl.split("/").at(-1));
  },

  async "bodies arrive as they were sent"() {
    for (const MessageBody of bodies) {
      const QueueUrl = await newQueue();
      const sent = await sqs.sendMessage({ QueueUrl, MessageBody });
      assert.equal(sent.MD5OfMessageBody, md5(MessageBody));
      const [message] = await receive(QueueUrl);
      assert.equal(message.Body, MessageBody);
      assert.equal(message.MD5OfBody, md5(MessageBody));
      assert.equal(message.MessageId, sent.MessageId);
    }
  },

  async "attributes arrive as they were sent"() {
    const QueueUrl = await newQueue({ VisibilityTimeout: "0" });
    const message = { QueueUrl, MessageBody: "x", MessageAttributes: attributes };
    const sent = await sqs.sendMessage(message);
    assert.equal(sent.MD5OfMessageAttributes, attributesMd5(attributes));
    const every = { MessageAttributeNames: ["All"], AttributeNames: ["All"] };
    const [all] = await receive(QueueUrl, every);
    sameAttributes(all.MessageAttributes);
    assert.equal(all.MD5OfMessageAttributes, attributesMd5(attributes));
    assert.equal(all.Attributes.ApproximateReceiveCount, "1");
    const [one] = await receive(QueueUrl, { MessageAttributeNames: ["co*", "count"] });
    assert.deepEqual(Object.keys(one.MessageAttributes), ["count"]);
    assert.equal(one.MD5OfMessageAttributes, attributesMd5({ count: attributes.count }));
    const [none] = await receive(QueueUrl);
    assert.equal(none.MessageAttributes, undefined);
  },

  async "a batch is answered entry by entry"() {
    const QueueUrl = await newQueue();
    const Entries = bodies.map((body, n) => (
      { Id: `id-${n}`, MessageBody: body.slice(0, 30_000), MessageAttributes: attributes }
    ));
    Entries.push({ Id: "bad", MessageBody: "x", DelaySeconds: 901 });
    const answer = await sqs.sendMessageBatch({ QueueUrl, Entries });
    assert.deepEqual(answer.Failed.map((f) => [f.Id, f.SenderFault, f.Code]), [
      ["bad", true, "InvalidParameterValue"],
    ]);
    assert.deepEqual(answer.Successful.map((s) => s.Id), bodies.map((_, n) => `id-${n}`));
    const messages = await receive(QueueUrl, { MessageAttributeNames: ["All"] });
    assert.deepEqual(
      messages.map((m) => m.Body).sort(),
      Entries.slice(0, -1).map((e) => e.MessageBody).sort(),
    );
    messages.forEach((message) => sameAttributes(message.MessageAttributes));
    const handles = messages.map((m, n) => ({ Id: `${n}`, ReceiptHandle: m.ReceiptHandle }));
    handles.push({ Id: "bad", ReceiptHandle: "garbage" });
    const deleted = await sqs.deleteMessageBatch({ QueueUrl, Entries: handles });
    assert.equal(deleted.Successful.length, bodies.length);
    const [failed] = deleted.Failed;
    assert.deepEqual([failed.Id, failed.Code], ["bad", "ReceiptHandleIsInvalid"]);
    assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  },

  async "a batch of eleven and one without entries are refused"() {
    const QueueUrl = await newQueue();
    const Entries = Array.from({ length: 11 }, (_, n) => ({ Id: `${n}`, MessageBody: "x" }));
    const call = sqs.sendMessageBatch({ QueueUrl, Entries });
    await refused("TooManyEntriesInBatchRequest", 400, call);
    await refused("EmptyBatchRequest", 400, sqs.sendMessageBatch({ QueueUrl, Entries: [] }));
  },

  async "a long poll ends when a message comes"() {
    const QueueUrl = await newQueue();
    const start = performance.now();
    const polled = receive(QueueUrl, { WaitTimeSeconds: 15 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await sqs.sendMessage({ QueueUrl, MessageBody: "at last" });
    assert.equal((await polled)[0].Body, "at last");
    assert.ok(performance.now() - start < 5000);
    const empty = performance.now();
    assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 1 }), []);
    assert.ok(performance.now() - empty > 950);
  },

  async "a delayed message comes when it is due"() {
    const QueueUrl = await newQueue();
    const start = performance.now();
    await sqs.sendMessage({ QueueUrl, MessageBody: "later", DelaySeconds: 1 });
    assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 0 }), []);
    assert.equal((await receive(QueueUrl))[0].Body, "later");
    const waited = performance.now() - start;
    assert.ok(waited > 950 && waited < 5000, `${waited} ms`);
  },

  async "visibility hides and shows a message"() {
    const QueueUrl = await newQueue();
    await sqs.sendMessage({ QueueUrl, MessageBody: "x" });
    const [first] = await receive(QueueUrl);
    assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 0 }), []);
    const { ReceiptHandle } = first;
    await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
    const [second] = await receive(QueueUrl, { AttributeNames: ["ApproximateReceiveCount"] });
    assert.equal(second.MessageId, first.MessageId);
    assert.deepEqual(second.Attributes, { ApproximateReceiveCount: "2" });
    await sqs.deleteMessage({ QueueUrl, ReceiptHandle: second.ReceiptHandle });
    assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  },

  async "a purge empties the queue"() {
    const QueueUrl = await newQueue();
    await sqs.sendMessage({ QueueUrl, MessageBody: "x" });
    await sqs.purgeQueue({ QueueUrl });
    assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  },

  async "a deleted queue is gone"() {
    const QueueUrl = await newQueue();
    const QueueName = QueueUrl.split("/").at(-1);
    await sqs.deleteQueue({ QueueUrl });
    const error = await refused("QueueDoesNotExist", 400, sqs.getQueueUrl({ QueueName }));
    assert.ok(error instanceof aws.QueueDoesNotExist);
    const legacy = error.Error?.Code ?? error.Code;
    assert.equal(legacy, "AWS.SimpleQueueService.NonExistentQueue");
    const call = sqs.sendMessage({ QueueUrl, MessageBody: "x" });
    await refused("QueueDoesNotExist", 400, call);
  },

  async "bad values are refused by name"() {
    const QueueUrl = await newQueue();
    const send = (message) => sqs.sendMessage({ QueueUrl, MessageBody: "x", ...message });
    await refused("InvalidParameterValue", 400, send({ DelaySeconds: 901 }));
    await refused("InvalidMessageContents", 400, send({ MessageBody: "a\u0001b" }));
    const garbage = sqs.deleteMessage({ QueueUrl, ReceiptHandle: "garbage" });
    await refused("ReceiptHandleIsInvalid", 404, garbage);
    assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  },
};

let failures = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok     ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
}
sqs.destroy();
process.exitCode = failures === 0 ? 0 : 1;

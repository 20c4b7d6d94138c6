// What a JavaScript program does with SQS, through AWS's SDK v3 or v2:
// `sqs.mjs ENDPOINT json|query|v2-json|v2-query`.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
  attributes, attributesMd5, attributesOf, aws, bodies, counts, endpoint, isV2, md5, newQueue,
  protocol, receive, refused, run, sameAttributes, sqs,
} from "./javascript.mjs";
import { fifoChecks } from "./sqs-fifo.mjs";
import { queueChecks } from "./sqs-queues.mjs";

const types = { json: "application/x-amz-json-1.0", query: "application/x-www-form-urlencoded" };

/** The content type of the request the SDK makes of ListQueues. */
async function contentType() {
  let type;
  if (isV2) {
    const request = sqs.v2.listQueues({});
    request.on("send", () => { type = request.httpRequest.headers["Content-Type"]; });
    await request.promise();
  } else {
    const spy = (next) => (args) => {
      type = args.request.headers["content-type"];
      return next(args);
    };
    sqs.middlewareStack.add(spy, { step: "finalizeRequest", name: "spy", override: true });
    await sqs.listQueues({});
  }
  return type.split(";")[0];
}

const checks = {
  async "the client speaks the protocol it is here for"() {
    assert.equal(await contentType(), types[protocol]);
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

  async "the list of queues comes in pages"() {
    const QueueNamePrefix = `page-${randomUUID()}`;
    const names = Array.from({ length: 5 }, (_, n) => `${QueueNamePrefix}-${n}`);
    const created = await Promise.all(names.map((QueueName) => sqs.createQueue({ QueueName })));
    const pages = [];
    if (isV2) {
      await new Promise((resolve, reject) => {
        sqs.v2.listQueues({ QueueNamePrefix, MaxResults: 2 }).eachPage((error, page) => {
          if (error) return reject(error);
          return page ? pages.push(page) : resolve();
        });
      });
    } else {
      const options = { client: sqs, pageSize: 2 };
      for await (const page of aws.paginateListQueues(options, { QueueNamePrefix })) {
        pages.push(page);
      }
    }
    const urls = pages.map((page) => page.QueueUrls ?? []);
    assert.deepEqual(urls.slice(0, 2).map((page) => page.length), [2, 2]);
    assert.deepEqual(urls.flat().sort(), created.map((queue) => queue.QueueUrl));
  },

  async "SDK v2 connects to the URL it got, not to its endpoint"() {
    if (!isV2) return;
    const QueueUrl = await newQueue();
    // The path of its endpoint stays: a token stands there.
    const elsewhere = `http://127.0.0.1:1${new URL(endpoint).pathname}`;
    const client = new aws.SQS({ ...sqs.v2.config, endpoint: elsewhere });
    await client.sendMessage({ QueueUrl, MessageBody: "x" }).promise();
    assert.equal((await receive(QueueUrl))[0].Body, "x");
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
    assert.ok(isV2 || error instanceof aws.QueueDoesNotExist);
    const legacy = error.Error?.Code ?? error.Code;
    if (!isV2) assert.equal(legacy, "AWS.SimpleQueueService.NonExistentQueue");
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

await run({ ...checks, ...fifoChecks, ...queueChecks });
if (!isV2) sqs.destroy();

// sqs-producer and sqs-consumer with real queues: `work.mjs ENDPOINT json`.
//
// AWS's SDK beneath compares the MD5 of every body it sends and receives.

import assert from "node:assert/strict";

import { SQS } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { Producer } from "sqs-producer";

import {
  attributes, attributesMd5, bodies, counts, endpoint, newQueue, run, sameAttributes, waitUntil,
} from "../javascript.mjs";

const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const sqs = new SQS({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });

const produce = (queueUrl, ...messages) => Producer.create({ queueUrl, sqs }).send(messages);

/** Starts a consumer, waits until `condition` holds, and stops it. */
async function consume(queueUrl, options, what, condition) {
  const consumer = Consumer.create({ queueUrl, sqs, strictReturn: true, ...options });
  const errors = [];
  consumer.on("error", (error) => errors.push(error));
  consumer.on("processing_error", () => {});
  consumer.start();
  try {
    await waitUntil(what, condition);
  } finally {
    consumer.stop({ abort: true });
  }
  assert.deepEqual(errors, []);
}

const isEmpty = (url) => async () => (await counts(url)).every((count) => count === 0);

await run({
  async "what a producer sends reaches the consumer as it was sent"() {
    const url = await newQueue();
    const messages = bodies.map((body, n) => ({
      id: `id-${n}`, body: body.slice(0, 100_000), messageAttributes: attributes,
    }));
    const sent = await produce(url, ...messages);
    assert.equal(sent.length, bodies.length);
    assert.equal(await Producer.create({ queueUrl: url, sqs }).queueSize(), bodies.length);
    const received = [];
    const options = {
      batchSize: 10,
      messageAttributeNames: ["All"],
      messageSystemAttributeNames: ["All"],
      handleMessage: async (message) => {
        received.push(message);
        return message;
      },
    };
    await consume(url, options, "an empty queue", isEmpty(url));
    assert.deepEqual(received.map((m) => m.Body).sort(), messages.map((m) => m.body).sort());
    for (const message of received) {
      sameAttributes(message.MessageAttributes);
      assert.equal(message.MD5OfMessageAttributes, attributesMd5(attributes));
      assert.equal(message.Attributes.ApproximateReceiveCount, "1");
    }
  },

  async "a producer sends 25 messages in batches and hears of the one that failed"() {
    const url = await newQueue();
    const messages = Array.from({ length: 25 }, (_, n) => ({ id: `id-${n}`, body: `${n}` }));
    messages[13].delaySeconds = 900;
    assert.equal((await produce(url, ...messages)).length, 25);
    assert.deepEqual(await counts(url), [24, 0, 1]);
    const bad = { id: "bad", body: "a\u0001b" };
    await assert.rejects(produce(url, { id: "good", body: "x" }, bad), (error) => {
      assert.equal(error.constructor.name, "FailedMessagesError");
      assert.deepEqual(error.failedMessages, ["bad"]);
      return true;
    });
    assert.deepEqual(await counts(url), [25, 0, 1]);
  },

  async "their own clients connect to the URL of the queue"() {
    const queueUrl = await newQueue();
    process.env.AWS_ACCESS_KEY_ID = "test";
    process.env.AWS_SECRET_ACCESS_KEY = "test";
    await Producer.create({ queueUrl }).send("x");
    const received = [];
    const handleMessage = async (message) => {
      received.push(message.Body);
      return message;
    };
    const own = { sqs: undefined, handleMessage };
    await consume(queueUrl, own, "an empty queue", isEmpty(queueUrl));
    assert.deepEqual(received, ["x"]);
  },

  async "a message whose handler fails comes back at once and is deleted in the end"() {
    const url = await newQueue();
    await produce(url, { id: "a", body: "x" });
    const counted = [];
    const options = {
      messageSystemAttributeNames: ["ApproximateReceiveCount"],
      terminateVisibilityTimeout: true,
      visibilityTimeout: 60,
      handleMessage: async (message) => {
        counted.push(message.Attributes.ApproximateReceiveCount);
        if (counted.length < 3) throw new Error("as asked");
        return message;
      },
    };
    await consume(url, options, "an empty queue", isEmpty(url));
    assert.deepEqual(counted, ["1", "2", "3"]);
  },

  async "a heartbeat keeps a message from a second consumer"() {
    const url = await newQueue();
    await produce(url, { id: "a", body: "x" });
    let runs = 0;
    const options = {
      visibilityTimeout: 2,
      heartbeatInterval: 1,
      handleMessage: async (message) => {
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, 3500));
        return message;
      },
    };
    const other = Consumer.create({ queueUrl: url, sqs, ...options });
    other.start();
    await consume(url, options, "an empty queue", isEmpty(url));
    other.stop({ abort: true });
    assert.equal(runs, 1);
  },

  async "a handler of batches is given ten at once"() {
    const url = await newQueue();
    const messages = Array.from({ length: 20 }, (_, n) => ({ id: `id-${n}`, body: `${n}` }));
    await produce(url, ...messages);
    const sizes = [];
    let failures = 1;
    const options = {
      batchSize: 10,
      terminateVisibilityTimeout: true,
      handleMessageBatch: async (batch) => {
        sizes.push(batch.length);
        if (failures > 0) {
          failures -= 1;
          return batch.slice(0, 5);
        }
        return batch;
      },
      visibilityTimeout: 1,
    };
    await consume(url, options, "an empty queue", isEmpty(url));
    assert.deepEqual(sizes.slice(0, 2), [10, 10]);
    assert.equal(sizes.reduce((sum, size) => sum + size), 25);
  },

  async "a batch whose handler fails comes back whole at once"() {
    const url = await newQueue();
    await produce(url, { id: "a", body: "1" }, { id: "b", body: "2" });
    const sizes = [];
    const consumer = Consumer.create({
      queueUrl: url,
      sqs,
      batchSize: 10,
      visibilityTimeout: 60,
      terminateVisibilityTimeout: true,
      handleMessageBatch: async (batch) => {
        sizes.push(batch.length);
        if (sizes.length === 1) throw new Error("as asked");
        return batch;
      },
    });
    const errors = [];
    consumer.on("error", (error) => errors.push(error.message));
    consumer.start();
    await waitUntil("an empty queue", isEmpty(url)).finally(() => consumer.stop({ abort: true }));
    assert.deepEqual(errors, ["Unexpected message batch handler failure: as asked"]);
    assert.deepEqual(sizes, [2, 2]);
  },

  async "a waiting consumer gets a message when it is sent, and a delayed one when it is due"() {
    const url = await newQueue();
    const times = [];
    const options = {
      handleMessage: async (message) => {
        times.push([message.Body, performance.now()]);
        return message;
      },
    };
    const start = performance.now();
    const both = consume(url, options, "both messages", () => times.length === 2);
    await produce(url, { id: "a", body: "late", delaySeconds: 2 }, { id: "b", body: "now" });
    await both;
    assert.deepEqual(times.map(([body]) => body), ["now", "late"]);
    const waited = times[1][1] - start;
    assert.ok(waited > 1950 && waited < 10_000, `${waited} ms`);
  },

  async "messages of a FIFO queue are handled in order"() {
    const url = await newQueue({ FifoQueue: "true" });
    const messages = Array.from({ length: 12 }, (_, n) => (
      { id: `id-${n}`, body: `${n}`, groupId: "g", deduplicationId: `${n % 10}` }
    ));
    const sent = await produce(url, ...messages);
    assert.equal(sent[10].MessageId, sent[0].MessageId);
    const handled = [];
    const options = {
      suppressFifoWarning: true,
      terminateVisibilityTimeout: true,
      handleMessage: async (message) => {
        handled.push(message.Body);
        if (handled.length === 4) throw new Error("as asked");
        return message;
      },
    };
    await consume(url, options, "an empty queue", isEmpty(url));
    assert.deepEqual(handled, [..."0123", ..."3456789"]);
  },
});

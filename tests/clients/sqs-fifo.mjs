// FIFO queues through JavaScript; sqs.mjs runs these checks.

import assert from "node:assert/strict";

import {
  attributes, attributesMd5, attributesOf, bodies, counts, md5, newQueue, receive, receiveNow,
  refused, remove, sameAttributes, sqs,
} from "./javascript.mjs";

const fifoQueue = (more = {}) => newQueue({ FifoQueue: "true", ...more });

const send = (QueueUrl, MessageBody, more = {}) => sqs.sendMessage({
  QueueUrl, MessageBody, MessageGroupId: "g", MessageDeduplicationId: MessageBody, ...more,
});

const bodiesOf = (messages) => messages.map((message) => message.Body);

export const fifoChecks = {
  async "a FIFO queue shows what it is"() {
    const all = await attributesOf(await fifoQueue({ ContentBasedDeduplication: "true" }));
    assert.equal(Object.keys(all).length, 16);
    assert.equal(all.FifoQueue, "true");
    assert.equal(all.ContentBasedDeduplication, "true");
  },

  async "a FIFO message arrives with all it was sent with"() {
    const url = await fifoQueue({ ContentBasedDeduplication: "true" });
    for (const [n, MessageBody] of bodies.entries()) {
      const message = { QueueUrl: url, MessageBody, MessageGroupId: `g${n}` };
      const sent = await sqs.sendMessage({ ...message, MessageAttributes: attributes });
      assert.equal(sent.MD5OfMessageBody, md5(MessageBody));
      assert.equal(sent.MD5OfMessageAttributes, attributesMd5(attributes));
      const all = { AttributeNames: ["All"], MessageAttributeNames: ["All"] };
      const [received] = await receive(url, all);
      assert.equal(received.Body, MessageBody);
      assert.equal(received.MD5OfBody, md5(MessageBody));
      assert.equal(received.MD5OfMessageAttributes, attributesMd5(attributes));
      sameAttributes(received.MessageAttributes);
      assert.equal(received.Attributes.MessageGroupId, `g${n}`);
      assert.equal(received.Attributes.SequenceNumber, sent.SequenceNumber);
      await remove(url, received);
    }
  },

  async "a batch of ten keeps the order of its groups"() {
    const url = await fifoQueue();
    const Entries = [..."abcabcabca"].map((group, n) => ({
      Id: `id-${n}`,
      MessageBody: `${group}${n}`,
      MessageGroupId: group,
      MessageDeduplicationId: `${n}`,
    }));
    const { Successful } = await sqs.sendMessageBatch({ QueueUrl: url, Entries });
    assert.deepEqual(Successful.map((s) => s.Id), Entries.map((e) => e.Id));
    const numbers = Successful.map((s) => s.SequenceNumber);
    assert.deepEqual(numbers, [...new Set(numbers)].sort());
    const messages = await receive(url);
    assert.equal(messages.length, 10);
    for (const group of "abc") {
      const received = bodiesOf(messages).filter((body) => body[0] === group);
      assert.deepEqual(received, [...received].sort());
    }
    const handles = messages.map((m, n) => ({ Id: `${n}`, ReceiptHandle: m.ReceiptHandle }));
    const deleted = await sqs.deleteMessageBatch({ QueueUrl: url, Entries: handles });
    assert.equal(deleted.Successful.length, 10);
    assert.deepEqual(await counts(url), [0, 0, 0]);
  },

  async "a group waits for its message in flight and gets it back first"() {
    const url = await fifoQueue();
    await send(url, "1");
    await send(url, "2");
    const [first] = await receive(url, { MaxNumberOfMessages: 1 });
    assert.equal(first.Body, "1");
    assert.deepEqual(await receiveNow(url), []);
    const { ReceiptHandle } = first;
    const change = { QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 };
    await sqs.changeMessageVisibility(change);
    const messages = await receiveNow(url);
    assert.deepEqual(bodiesOf(messages), ["1", "2"]);
    const { message } = await refused("InvalidParameterValue", 400, remove(url, first));
    assert.match(message, /The receipt handle has expired\.$/);
  },

  async "a duplicate is accepted and not enqueued"() {
    const url = await fifoQueue();
    const first = await send(url, "one", { MessageDeduplicationId: "id" });
    const again = await send(url, "other", { MessageDeduplicationId: "id" });
    assert.equal(again.MessageId, first.MessageId);
    assert.equal(again.SequenceNumber, first.SequenceNumber);
    assert.equal(again.MD5OfMessageBody, md5("other"));
    assert.deepEqual(bodiesOf(await receive(url)), ["one"]);
    assert.deepEqual(await counts(url), [0, 1, 0]);
  },

  async "a FIFO queue demands its parameters"() {
    const url = await fifoQueue();
    const without = { MessageGroupId: undefined };
    await refused("MissingParameter", 400, send(url, "x", without));
    const undeduplicated = { MessageDeduplicationId: undefined };
    await refused("InvalidParameterValue", 400, send(url, "x", undeduplicated));
    await refused("InvalidParameterValue", 400, send(url, "x", { DelaySeconds: 2 }));
  },
};

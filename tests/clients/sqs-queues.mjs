// Attributes, tags, dead letters, move tasks and batches of visibilities through JavaScript;
// sqs.mjs runs these checks.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
  arn, attributes, attributesMd5, attributesOf, bodies, counts, newQueue, receive, receiveNow,
  refused, remove, sqs, waitUntil,
} from "./javascript.mjs";

/** [source, dead-letter queue]; the second receive of a message moves it. */
async function withDeadLetters(kind) {
  const dead = await newQueue(kind);
  const policy = { deadLetterTargetArn: await arn(dead), maxReceiveCount: "1" };
  const RedrivePolicy = JSON.stringify(policy);
  return [await newQueue({ VisibilityTimeout: "0", RedrivePolicy, ...kind }), dead];
}

export const queueChecks = {
  async "attributes are changed"() {
    const QueueUrl = await newQueue();
    const changed = { VisibilityTimeout: "7", DelaySeconds: "1" };
    await sqs.setQueueAttributes({ QueueUrl, Attributes: changed });
    assert.deepEqual(await attributesOf(QueueUrl, ...Object.keys(changed)), changed);
    const Attributes = { DelaySeconds: "901" };
    await refused("InvalidAttributeValue", 400, sqs.setQueueAttributes({ QueueUrl, Attributes }));
  },

  async "tags are set, listed and removed"() {
    const name = { QueueName: `tags-${randomUUID()}` };
    const { QueueUrl } = await sqs.createQueue({ ...name, tags: { a: "1" } });
    await sqs.tagQueue({ QueueUrl, Tags: { a: "2", "ü b": "" } });
    assert.deepEqual((await sqs.listQueueTags({ QueueUrl })).Tags, { a: "2", "ü b": "" });
    await sqs.untagQueue({ QueueUrl, TagKeys: ["a", "unknown"] });
    assert.deepEqual((await sqs.listQueueTags({ QueueUrl })).Tags, { "ü b": "" });
  },

  async "a message received too often becomes a dead letter"() {
    for (const kind of [{}, { FifoQueue: "true" }]) {
      const [source, dead] = await withDeadLetters(kind);
      const listed = await sqs.listDeadLetterSourceQueues({ QueueUrl: dead });
      assert.deepEqual(listed.queueUrls, [source]);
      const ids = { MessageGroupId: "g", MessageDeduplicationId: "d" };
      const sent = await sqs.sendMessage({
        QueueUrl: source,
        MessageBody: bodies[1],
        MessageAttributes: attributes,
        ...(kind.FifoQueue ? ids : {}),
      });
      assert.equal((await receive(source)).length, 1);
      assert.deepEqual(await receiveNow(source), []);
      const all = { AttributeNames: ["All"], MessageAttributeNames: ["All"] };
      const [message] = await receive(dead, all);
      assert.equal(message.Body, bodies[1]);
      assert.equal(message.MessageId, sent.MessageId);
      assert.equal(message.MD5OfMessageAttributes, attributesMd5(attributes));
      assert.equal(message.Attributes.DeadLetterQueueSourceArn, await arn(source));
      assert.equal(message.Attributes.ApproximateReceiveCount, "2");
      await remove(dead, message);
    }
  },

  async "a move task gives dead letters back"() {
    const [source, dead] = await withDeadLetters({});
    await sqs.sendMessage({ QueueUrl: source, MessageBody: "x" });
    assert.equal((await receive(source)).length, 1);
    await receiveNow(source);
    await waitUntil("a dead letter", async () => (await counts(dead))[0] === 1);
    const SourceArn = await arn(dead);
    const { TaskHandle } = await sqs.startMessageMoveTask({ SourceArn });
    assert.ok(TaskHandle);
    const task = await waitUntil("the end of the move task", async () => {
      const { Results } = await sqs.listMessageMoveTasks({ SourceArn });
      return Results[0].Status === "COMPLETED" && Results[0];
    });
    assert.equal(task.ApproximateNumberOfMessagesMoved, 1);
    assert.equal(typeof task.StartedTimestamp, "number");
    assert.deepEqual([...await counts(source), ...await counts(dead)], [1, 0, 0, 0, 0, 0]);
  },

  async "visibilities change in a batch"() {
    const QueueUrl = await newQueue();
    const Entries = Array.from({ length: 10 }, (_, n) => ({ Id: `${n}`, MessageBody: `${n}` }));
    const sent = await sqs.sendMessageBatch({ QueueUrl, Entries });
    assert.equal(sent.Successful.length, 10);
    const changes = (await receive(QueueUrl)).map(({ ReceiptHandle }, n) => (
      { Id: `${n}`, ReceiptHandle, VisibilityTimeout: 60 * (n % 2) }
    ));
    changes[9].ReceiptHandle = "garbage";
    const changed = await sqs.changeMessageVisibilityBatch({ QueueUrl, Entries: changes });
    assert.deepEqual(changed.Successful.map((s) => s.Id), [..."012345678"]);
    assert.deepEqual(changed.Failed.map((f) => [f.Id, f.Code, f.SenderFault]), [
      ["9", "ReceiptHandleIsInvalid", true],
    ]);
    assert.deepEqual(await counts(QueueUrl), [5, 5, 0]);
  },
};

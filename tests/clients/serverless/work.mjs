// serverless-offline with serverless-offline-sqs, with real functions: `work.mjs ENDPOINT v2-json`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  attributes, bodies, counts, endpoint, run, sqs, waitUntil,
} from "../javascript.mjs";

const folder = mkdtempSync(join(tmpdir(), "serverless-"));
const FILE = join(folder, "events");

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(`${port}`));
  });
});

/** Starts it; returns the process and a function that gives its log. */
async function start() {
  const environment = {
    ...process.env,
    ENDPOINT: endpoint,
    FILE,
    HOME: folder,
    LAMBDA_PORT: await freePort(),
    SLS_NOTIFICATIONS_MODE: "off",
    SLS_TELEMETRY_DISABLED: "1",
  };
  const program = "node_modules/serverless/bin/serverless.js";
  const options = { cwd: import.meta.dirname, env: environment };
  const child = spawn(process.execPath, [program, "offline", "start"], options);
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => { log += data; });
  }
  return [child, () => log];
}

/** The events the functions got: {event, at}. */
function events() {
  if (!existsSync(FILE)) return [];
  return readFileSync(FILE, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

const records = () => events().flatMap(({ event }) => event.Records);
const of = (queue) => records().filter((r) => r.eventSourceARN.endsWith(`:${queue}`));
const isEmpty = (url) => async () => (await counts(url)).every((count) => count === 0);

const create = async (QueueName, Attributes) => (
  (await sqs.createQueue({ QueueName, Attributes })).QueueUrl
);
// It cannot make a queue with attributes itself: it would send the queue's name as one of them.
// To fill a batch it receives until nothing came for 5 s, so what it has must stay hidden longer.
const jobs = await create("offline-jobs", { VisibilityTimeout: "60" });
const single = await create("offline-single", { VisibilityTimeout: "2" });
const orders = await create("offline-orders.fifo", { FifoQueue: "true", VisibilityTimeout: "2" });
const [child, log] = await start();

await run({
  async "serverless-offline starts and makes the queue that is missing"() {
    await waitUntil("its start", () => {
      assert.equal(child.exitCode, null, log());
      return log().includes(" listening on ");
    });
    const { QueueUrl } = await sqs.getQueueUrl({ QueueName: "offline-created" });
    await sqs.sendMessage({ QueueUrl, MessageBody: "first" });
    await waitUntil("the function", () => of("offline-created").length === 1);
    await waitUntil("an empty queue", isEmpty(QueueUrl));
  },

  async "a function gets bodies and attributes as they were sent"() {
    for (const MessageBody of bodies.slice(0, 7)) {
      const message = { QueueUrl: jobs, MessageBody, MessageAttributes: attributes };
      await sqs.sendMessage(message);
    }
    await waitUntil("all messages", () => of("offline-jobs").length === 7);
    await waitUntil("an empty queue", isEmpty(jobs));
    const got = of("offline-jobs");
    assert.deepEqual(got.map((record) => record.body).sort(), bodies.slice(0, 7).sort());
    const { color, count, blob } = got[0].messageAttributes;
    assert.equal(color.stringValue, attributes.color.StringValue);
    assert.deepEqual([count.dataType, count.stringValue], ["Number.int", "-1.50"]);
    assert.deepEqual(Object.values(blob.binaryValue), [...attributes.blob.BinaryValue]);
    assert.equal(got[0].attributes.ApproximateReceiveCount, "1");
  },

  async "a message whose function fails comes back"() {
    await sqs.sendMessage({ QueueUrl: single, MessageBody: "fail" });
    const failures = () => events().filter(({ event }) => event.Records[0].body === "fail");
    await waitUntil("a second run", () => failures().length === 2);
    await waitUntil("an empty queue", isEmpty(single));
    const [first, second] = failures();
    assert.ok(second.at - first.at > 1500, `${second.at - first.at} ms`);
    assert.equal(second.event.Records[0].attributes.ApproximateReceiveCount, "2");
  },

  async "a delayed message comes when it is due"() {
    const start = Date.now();
    await sqs.sendMessage({ QueueUrl: single, MessageBody: "late", DelaySeconds: 2 });
    const late = () => events().find(({ event }) => event.Records[0].body === "late");
    const { at } = await waitUntil("the message", late);
    assert.ok(at - start > 1950, `${at - start} ms`);
    await waitUntil("an empty queue", isEmpty(single));
  },

  async "messages of a FIFO queue come in order"() {
    for (const MessageBody of "0123456789") {
      const ids = { MessageGroupId: "g", MessageDeduplicationId: MessageBody };
      await sqs.sendMessage({ QueueUrl: orders, MessageBody, ...ids });
    }
    await waitUntil("all messages", () => of("offline-orders.fifo").length === 10);
    await waitUntil("an empty queue", isEmpty(orders));
    const got = of("offline-orders.fifo").map((record) => record.body);
    assert.deepEqual(got, [..."0123456789"]);
  },
});

if (process.exitCode) console.log(`its log:\n${log()}`);
child.kill("SIGKILL");

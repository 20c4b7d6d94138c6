// AWS's JavaScript SDK of one version as the client of a gateway, and what the checks need.
//
// The SDKs themselves compare the MD5 of every body they send and receive.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { createRequire } from "node:module";

export const [endpoint, version] = process.argv.slice(2);
const region = "us-east-1";
const credentials = { accessKeyId: "test", secretAccessKey: "test" };

/** SDK v2 with the look of v3: calls give promises, errors carry a name and $metadata. */
function lookLikeV3(client) {
  const call = (name) => (parameters) => client[name](parameters).promise().catch((error) => {
    error.$metadata = { httpStatusCode: error.statusCode };
    throw error;
  });
  return new Proxy(client, { get: (_, name) => (name === "v2" ? client : call(name)) });
}

function v2(protocol) {
  const require = createRequire(new URL("javascript-v2/", import.meta.url));
  process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
  const aws = require(`aws-sdk-${protocol}`);
  const options = { endpoint, region, credentials, maxRetries: 0 };
  return [aws, lookLikeV3(new aws.SQS(options))];
}

async function v3(protocol) {
  const aws = await import(`client-sqs-${protocol}`);
  return [aws, new aws.SQS({ endpoint, region, credentials, maxAttempts: 1 })];
}

export const isV2 = version.startsWith("v2-");
export const protocol = version.replace("v2-", "");
/** The SDK, and its client. */
export const [aws, sqs] = isV2 ? v2(protocol) : await v3(protocol);

export const bodies = [
  "hello",
  "a\r\nb\rc\nd\te",
  " spaces around, a tab at the end\t",
  "&<>\"' &amp; &#13; ]]> <![CDATA[x]]>",
  "ü€😀 \u0085\u2028\ud7ff\ue000\ufffd",
  '{"json": ["\\r\\n", "\\u0041"]}',
  "a=b&c=d+e%20f?g#h;i",
  "x".repeat(300_000),
];
export const attributes = {
  color: { DataType: "String", StringValue: "blue\r\n&<>\"' ü€😀" },
  count: { DataType: "Number.int", StringValue: "-1.50" },
  blob: { DataType: "Binary", BinaryValue: Uint8Array.from({ length: 256 }, (_, n) => n) },
};

export const md5 = (data) => createHash("md5").update(data).digest("hex");

export function attributesMd5(all) {
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

export function sameAttributes(received) {
  const plain = (all) => Object.fromEntries(Object.entries(all).map(([name, a]) => {
    const value = a.BinaryValue ? Buffer.from(a.BinaryValue).toString("hex") : a.StringValue;
    return [name, [a.DataType, value]];
  }));
  assert.deepEqual(plain(received), plain(attributes));
}

/** The URL of a new queue; of a FIFO queue if the attributes say so. */
export async function newQueue(Attributes = {}) {
  const QueueName = `client-${randomUUID()}${Attributes.FifoQueue ? ".fifo" : ""}`;
  return (await sqs.createQueue({ QueueName, Attributes })).QueueUrl;
}

/** The messages of one receive, up to 10, waiting for the first up to 5 s. */
export async function receive(QueueUrl, options = {}) {
  const all = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, ...options };
  return (await sqs.receiveMessage(all)).Messages ?? [];
}

export const receiveNow = (url, options) => receive(url, { WaitTimeSeconds: 0, ...options });

export const remove = (QueueUrl, { ReceiptHandle }) => (
  sqs.deleteMessage({ QueueUrl, ReceiptHandle })
);

export async function attributesOf(QueueUrl, ...names) {
  const AttributeNames = names.length ? names : ["All"];
  return (await sqs.getQueueAttributes({ QueueUrl, AttributeNames })).Attributes ?? {};
}

export const arn = async (url) => (await attributesOf(url, "QueueArn")).QueueArn;

/** How many messages are visible, in flight, delayed. */
export async function counts(QueueUrl) {
  const names = ["", "NotVisible", "Delayed"].map((n) => `ApproximateNumberOfMessages${n}`);
  const values = await attributesOf(QueueUrl, ...names);
  return names.map((name) => Number(values[name]));
}

const prefix = "AWS.SimpleQueueService.";
// The codes of the Query protocol that are not the names of the JSON protocol.
const codes = {
  EmptyBatchRequest: `${prefix}EmptyBatchRequest`,
  QueueDoesNotExist: `${prefix}NonExistentQueue`,
  QueueNameExists: "QueueAlreadyExists",
  TooManyEntriesInBatchRequest: `${prefix}TooManyEntriesInBatchRequest`,
};
// The same the other way round.
const jsonNames = {
  InvalidParameterValue: "InvalidParameterValueException",
  MissingParameter: "MissingRequiredParameterException",
};

/** What the SDK may call the error SQS calls `name`. */
function namesOf(name) {
  // SDK v2 knows no errors, it takes what the protocol says; v3 has classes for some.
  if (version === "v2-query") return [codes[name] ?? name];
  if (version === "v2-json") return [jsonNames[name] ?? name];
  return [name, codes[name], jsonNames[name]];
}

/** The call must fail with this name and HTTP status; returns the error. */
export async function refused(name, status, call) {
  const error = await call.then(
    (answer) => assert.fail(`${name} was expected, the answer is ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.ok(error.$metadata, error.stack);
  assert.ok(namesOf(name).includes(error.name), `${error.name} is not ${name}: ${error.message}`);
  assert.equal(error.$metadata.httpStatusCode, status);
  return error;
}

/** Returns what `condition` gives as soon as that is true; fails after half a minute. */
export async function waitUntil(what, condition) {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(performance.now() < deadline, `${what}: not within 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Runs every check even when one fails; the script then ends with status 1. */
export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    const start = performance.now();
    try {
      await check();
      console.log(`ok     ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`FAILED ${name}\n${error.stack}`);
    }
  }
}

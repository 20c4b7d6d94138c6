// Counts the words of each message and sends the count to the queue "counts". Inside a function
// AWS_ENDPOINT_URL_SQS leads to karin; an AWS SDK would find it by itself.

async function send(queue, text) {
  const response = await fetch(process.env.AWS_ENDPOINT_URL_SQS, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "AmazonSQS.SendMessage",
    },
    body: JSON.stringify({ QueueUrl: queue, MessageBody: text }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}

async function count(record) {
  const words = record.body.trim();
  if (words === "") throw new Error("an empty text");
  await send("counts", `${words.split(/\s+/).length} words`);
}

export async function handler(event) {
  const results = await Promise.allSettled(event.Records.map(count));
  const failed = results.flatMap(({ reason }, index) => {
    if (reason === undefined) return [];
    console.error(`${event.Records[index].messageId}: ${reason.message}`);
    return [{ itemIdentifier: event.Records[index].messageId }];
  });
  return { batchItemFailures: failed };
}

// POST /greetings: "hello" in a second, "world" in two.

const { GetQueueUrlCommand, SQSClient, SendMessageCommand } = require("@aws-sdk/client-sqs");

const sqs = new SQSClient({});

exports.handler = async () => {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: process.env.QUEUE }));
  const send = (MessageBody, DelaySeconds) => (
    sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, DelaySeconds }))
  );
  const sent = await Promise.all([send("hello", 1), send("world", 2)]);
  return { statusCode: 202, body: JSON.stringify(sent.map(({ MessageId }) => MessageId)) };
};

// Prints what is due. A message that fails would be listed, and only it would come again.

exports.handler = async ({ Records }) => {
  const batchItemFailures = [];
  for (const { body, messageId } of Records) {
    if (body === "") batchItemFailures.push({ itemIdentifier: messageId });
    else console.log(`consumed: ${body}`);
  }
  return { batchItemFailures };
};

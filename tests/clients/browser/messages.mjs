// Messages: sent, looked at, changed, moved and deleted on the page, and read back through boto3.
import { readFile } from "node:fs/promises";
import { assert, checkAccessibility, eventually, open, queueUrl, rest, sqs, url, withBrowser }
  from "./browser.mjs";

const hostile = "<script>globalThis.hacked = 1</script><img src=x onerror='hacked=1'>&amp;\"'`\n" +
  "\u202Egnp.exe\u202C\u200Binvisible</textarea><b id=injected>x</b></pre>{{ 7*7 }}";

/** All messages of a queue, received and kept hidden for `seconds`. */
async function receive(name, seconds = 0) {
  const QueueUrl = await queueUrl(name);
  const all = [];
  for (;;) {
    const { Messages } = await sqs("receive_message", { QueueUrl, MaxNumberOfMessages: 10,
      VisibilityTimeout: 600, AttributeNames: ["All"], MessageAttributeNames: ["All"] });
    if (!Messages) break;
    all.push(...Messages);
  }
  for (const { ReceiptHandle } of seconds ? [] : all) {
    await sqs("change_message_visibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
  }
  return all;
}

const bodies = async (name) => (await receive(name)).map(({ Body }) => Body).sort();

async function send(page, queue, fill) {
  await page.goto(`${url}/admin/queues/${queue}/send`);
  await fill();
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

async function sendWithEverything(page) {
  await sqs("create_queue", { QueueName: "orders" });
  await send(page, "orders", async () => {
    await checkAccessibility(page);
    await page.getByLabel("Body").fill("two\nlines  ");
    await page.getByLabel("Group").fill("customer-7");
    await page.getByText("Attributes", { exact: true }).click();
    await page.getByLabel("Name 1", { exact: true }).fill("color");
    await page.getByLabel("Value 1", { exact: true }).fill("빨강");
    await page.getByLabel("Name 2", { exact: true }).fill("count");
    await page.getByLabel("Type 2", { exact: true }).fill("Number.int");
    await page.getByLabel("Value 2", { exact: true }).fill("3");
    await page.getByLabel("Name 3", { exact: true }).fill("raw");
    await page.getByLabel("Type 3", { exact: true }).fill("Binary");
    await page.getByLabel("Value 3", { exact: true }).fill("AP8=");
  });
  const id = await page.locator("#sent").innerText();
  const [message] = await receive("orders");
  assert.equal(message.MessageId, id);
  assert.equal(message.Body, "two\nlines  ");
  assert.equal(message.Attributes.MessageGroupId, "customer-7");
  assert.equal(message.MessageAttributes.color.StringValue, "빨강");
  assert.equal(message.MessageAttributes.count.DataType, "Number.int");
  assert.equal(message.MessageAttributes.count.StringValue, "3");
  assert.equal(message.MessageAttributes.raw.DataType, "Binary");
  await page.getByRole("link", { name: "See the message" }).click();
  assert.ok((await page.locator("main").innerText()).includes(id));
  assert.match(await page.locator("tbody").innerText(), /raw\s+Binary\s+AP8=/);
  await checkAccessibility(page);

  // Line ends, as somebody needs them.
  await send(page, "orders", async () => {
    await page.getByLabel("Body").fill("a\nb");
    await page.getByLabel("Lines end in").selectOption("crlf");
  });
  assert.ok((await bodies("orders")).includes("a\r\nb"));

  // A delay; and what SQS refuses is told beside what was written.
  await send(page, "orders", async () => {
    await page.getByLabel("Body").fill("later");
    await page.getByLabel("Delay in seconds").fill("901");
  });
  assert.match(await page.getByRole("alert").innerText(), /DelaySeconds must be >= 0 and <= 900/);
  assert.equal(await page.getByLabel("Body").inputValue(), "later");
  await page.getByLabel("Delay in seconds").fill("900");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator("#sent").waitFor();
  await page.goto(`${url}/admin/queues/orders/messages?state=delayed`);
  assert.match(await page.locator("tbody tr").innerText(), /later\s+Delayed\s+in 1\d min/);
}

async function peek(page) {
  const QueueUrl = await queueUrl("orders");
  await sqs("receive_message", { QueueUrl, VisibilityTimeout: 600 });
  await page.goto(`${url}/admin/queues/orders`);
  await page.getByRole("link", { name: "See messages" }).click();
  await checkAccessibility(page);
  const states = async () => page.locator("tbody .badge").allInnerTexts();
  assert.deepEqual((await states()).sort(), ["Delayed", "In flight", "Ready"]);
  for (const state of ["Ready", "Delayed", "In flight"]) {
    await page.locator(".tabs").getByRole("link", { name: state }).click();
    assert.deepEqual(await states(), [state]);
  }
  await page.locator(".tabs").getByRole("link", { name: "Dead" }).click();
  await page.locator(".empty").waitFor();
  await sqs("create_queue", { QueueName: "pages" });
  for (let n = 0; n < 6; n++) {
    const Entries = [...Array(10).keys()].map((m) => ({ Id: `${m}`, MessageBody: `${n}${m}` }));
    await sqs("send_message_batch", { QueueUrl: await queueUrl("pages"), Entries });
  }
  await page.goto(`${url}/admin/queues/pages/messages`);
  assert.equal(await page.locator("tbody tr").count(), 50);
  await page.getByRole("link", { name: "Next page" }).click();
  assert.equal(await page.locator("tbody tr").count(), 10);
  await page.getByRole("link", { name: "First page" }).click();
  assert.equal(await page.locator("tbody th").first().innerText(), "1");
}

async function deleteSome(page) {
  await page.goto(`${url}/admin/queues/pages/messages`);
  await page.getByRole("button", { name: "Delete the chosen ones" }).click();
  assert.match(await page.locator("main").innerText(), /No message is ticked/);
  await page.goto(`${url}/admin/queues/pages/messages`);
  const QueueUrl = await queueUrl("pages");
  const { Messages: [held] } = await sqs("receive_message", { QueueUrl, VisibilityTimeout: 600 });
  assert.equal(held.Body, "00");
  for (const sequence of [1, 2, 3]) {
    await page.getByLabel(`Choose message ${sequence}`, { exact: true }).check();
  }
  await page.getByRole("button", { name: "Delete the chosen ones" }).click();
  assert.equal(await page.locator("h1").innerText(), "Delete 3 messages?");
  await checkAccessibility(page);
  await page.getByRole("button", { name: "Delete" }).click();
  assert.match(await page.getByRole("status").innerText(), /receiving were not deleted/);
  assert.equal(await page.locator("tbody th").first().innerText(), "1");
  assert.equal(await page.locator("tbody th").nth(1).innerText(), "4");
  // One alone, in spite of who works on it.
  await page.getByRole("link", { name: "1", exact: true }).click();
  await page.getByRole("link", { name: "Delete" }).click();
  await page.getByLabel(/Also those somebody is receiving/).check();
  await page.getByRole("button", { name: "Delete" }).click();
  assert.match(await page.getByRole("status").innerText(), /^Deleted/);
  assert.equal(await page.locator("tbody th").first().innerText(), "4");
  await page.goto(`${url}/admin/queues/pages/messages/1`);
  assert.equal(await page.locator("h1").innerText(), "There is no such message");
  // A form that is older than the queue touches nothing of the new one.
  await page.goto(`${url}/admin/queues/pages/messages/delete?sequence=4`);
  await sqs("delete_queue", { QueueUrl });
  await sqs("create_queue", { QueueName: "pages" });
  for (let n = 0; n < 4; n++) await sqs("send_message", { QueueUrl, MessageBody: `new ${n}` });
  await page.getByRole("button", { name: "Delete" }).click();
  assert.equal(await page.locator("h1").innerText(), "There is no such queue");
  assert.equal((await bodies("pages")).length, 4);
}

async function edit(page) {
  await sqs("create_queue", { QueueName: "drafts" });
  const QueueUrl = await queueUrl("drafts");
  await sqs("send_message", { QueueUrl, MessageBody: "\n a\r\nb\r\n", MessageAttributes: {
    kept: { DataType: "String.label", StringValue: "one\ntwo" } },
    MessageSystemAttributes: {
      AWSTraceHeader: { DataType: "String",
        StringValue: "Root=1-5759e988-bd862e3fe1be46a994272793" } } });
  await sqs("send_message", { QueueUrl, MessageBody: "b\r\nc\r\n" });
  await page.goto(`${url}/admin/queues/drafts/messages/1/edit`);
  await checkAccessibility(page);
  assert.match(await page.locator("main .notice.warn").innerText(), /Some lines of this message/);
  assert.equal(await page.getByLabel("Body").inputValue(), "\n a\nb\n");
  assert.equal(await page.getByLabel("Value 1", { exact: true }).inputValue(), "one\ntwo");
  await page.getByLabel("Body").fill("changed");
  await page.getByRole("button", { name: "delete the old one" }).click();
  assert.match(await page.locator("main .notice.good").innerText(), /old one was deleted/);
  await page.goto(`${url}/admin/queues/drafts/messages/2/edit`);
  assert.equal(await page.getByLabel("Lines end in").inputValue(), "crlf");
  await page.getByRole("button", { name: "keep the old one" }).click();
  assert.match(await page.locator("main .notice.good").innerText(), /old one is still there/);
  const all = await receive("drafts");
  const texts = all.map(({ Body }) => Body).sort();
  assert.deepEqual(texts, ["b\r\nc\r\n", "b\r\nc\r\n", "changed"], "as they were, unless changed");
  const changed = all.find(({ Body }) => Body === "changed");
  assert.equal(changed.MessageAttributes.kept.StringValue, "one\ntwo");
  assert.equal(changed.MessageAttributes.kept.DataType, "String.label");
  assert.match(changed.Attributes.AWSTraceHeader, /Root=1-5759e988/);

  // Received while somebody writes: nothing is sent, and nothing that was written is lost.
  await page.goto(`${url}/admin/queues/drafts/messages/2/edit`);
  await page.getByLabel("Body").fill("too late");
  await receive("drafts", 600);
  await page.getByRole("button", { name: "delete the old one" }).click();
  assert.match(await page.getByRole("alert").innerText(), /Nothing was sent/);
  assert.equal(await page.getByLabel("Body").inputValue(), "too late");
  assert.deepEqual(await bodies("drafts"), []);
  await page.getByRole("button", { name: "keep the old one" }).click();
  await page.locator("#sent").waitFor();
  assert.deepEqual(await bodies("drafts"), ["too late"]);
  // What SQS refuses leaves the old one as it was, and receivable at once.
  await page.goto(`${url}/admin/queues/drafts/messages`);
  await page.locator(".tabs").getByRole("link", { name: "Ready" }).click();
  await page.locator("tbody th a").click();
  await page.getByRole("link", { name: "Change and send" }).click();
  await page.getByLabel("Delay in seconds").fill("x");
  await page.getByRole("button", { name: "delete the old one" }).click();
  assert.match(await page.getByRole("alert").innerText(), /DelaySeconds/);
  assert.deepEqual(await bodies("drafts"), ["too late"]);
}

async function fifo(page) {
  await sqs("create_queue", { QueueName: "line.fifo", Attributes: { FifoQueue: "true" } });
  const QueueUrl = await queueUrl("line.fifo");
  await send(page, "line.fifo", async () => {
    await page.getByLabel("Body").fill("first");
    await page.getByLabel("Group").fill("g");
    await page.getByLabel("Deduplication ID").fill("once");
  });
  await page.locator("#sent").waitFor();
  await send(page, "line.fifo", async () => {
    await page.getByLabel("Body").fill("again");
    await page.getByLabel("Group").fill("g");
    await page.getByLabel("Deduplication ID").fill("once");
  });
  assert.match(await page.getByRole("alert").innerText(), /Nothing was sent/);
  await sqs("send_message", { QueueUrl, MessageBody: "second", MessageGroupId: "g",
    MessageDeduplicationId: "two" });
  await page.goto(`${url}/admin/queues/line.fifo/messages/1`);
  assert.match(await page.locator("main").innerText(), /Deduplication ID\s+once/);
  assert.match(await page.locator("main").innerText(), /Sequence number\s+1\d{19}/);
  // With its own deduplication id the changed one would count as the old one's repetition: then
  // the old one must stay.
  await page.getByRole("link", { name: "Change and send" }).click();
  await page.getByLabel("Body").fill("changed");
  const fresh = await page.getByLabel("Deduplication ID").inputValue();
  await page.getByLabel("Deduplication ID").fill("once");
  await page.getByRole("button", { name: "delete the old one" }).click();
  assert.match(await page.getByRole("alert").innerText(), /Nothing was sent/);
  await page.getByLabel("Deduplication ID").fill(fresh);
  await page.getByRole("button", { name: "delete the old one" }).click();
  await page.locator("#sent").waitFor();
  const received = (await receive("line.fifo", 600)).map(({ Body }) => Body);
  assert.deepEqual(received, ["second", "changed"]);
  // The first of the group is in flight; deleting it lets the next one go.
  await page.goto(`${url}/admin/queues/line.fifo/messages/delete?sequence=2`);
  await page.getByRole("button", { name: "Delete" }).click();
  assert.match(await page.getByRole("status").innerText(), /were not deleted/);
}

/** Messages that died, moved back: all, and some. */
async function redrive(page) {
  const { QueueUrl: failed } = await sqs("create_queue", { QueueName: "failed" });
  const { Attributes: { QueueArn } } = await sqs("get_queue_attributes",
    { QueueUrl: failed, AttributeNames: ["QueueArn"] });
  const policy = { deadLetterTargetArn: QueueArn, maxReceiveCount: 1 };
  const Attributes = { RedrivePolicy: JSON.stringify(policy) };
  const { QueueUrl: jobs } = await sqs("create_queue", { QueueName: "jobs", Attributes });
  await sqs("create_queue", { QueueName: "aside" });
  const die = async (texts) => {
    for (const MessageBody of texts) await sqs("send_message", { QueueUrl: jobs, MessageBody });
    await receive("jobs");
    await eventually(async () => {
      await sqs("receive_message", { QueueUrl: jobs });
      assert.equal((await bodies("failed")).length, texts.length);
    });
  };
  await die(["a", "b", "c", "d"]);
  await page.goto(`${url}/admin/queues/failed/messages`);
  const choose = async (body) => {
    const excerpt = page.locator(".excerpt", { hasText: body });
    const row = page.locator("tbody tr").filter({ has: excerpt });
    await row.getByRole("checkbox").check();
  };
  await choose("b");
  await choose("d");
  await page.getByRole("button", { name: "Move the chosen ones" }).click();
  assert.match(await page.locator("main").innerText(), /Chosen messages: 2/);
  await checkAccessibility(page);
  await page.getByRole("radio", { name: "another queue" }).check();
  await page.getByLabel("Name of the other queue").fill("none");
  await page.getByRole("button", { name: "Move" }).click();
  assert.match(await page.getByRole("alert").innerText(), /DestinationArn/);
  await page.getByLabel("Name of the other queue").fill("aside");
  await page.getByRole("button", { name: "Move" }).click();
  await eventually(async () => assert.deepEqual(await bodies("aside"), ["b", "d"]));
  assert.deepEqual(await bodies("failed"), ["a", "c"]);
  await eventually(async () =>
    assert.match(await page.locator("#live").innerText(), /completed\s+aside\s+2 of about 2/));
  // One alone, back to where it came from.
  await page.goto(`${url}/admin/queues/failed/messages`);
  await page.locator("tbody th a").first().click();
  assert.match(await page.locator("main").innerText(), /Died in\s+arn:aws:sqs:.*:jobs/);
  await page.getByRole("link", { name: "Move it" }).click();
  await page.getByRole("button", { name: "Move" }).click();
  await eventually(async () => assert.deepEqual(await bodies("failed"), ["c"]));
  const back = /completed\s+where each came from\s+1 of/;
  await eventually(async () => assert.match(await page.locator("#live").innerText(), back));
  // All of them; slowly, so that it can be cancelled.
  await sqs("purge_queue", { QueueUrl: jobs });
  for (let n = 0; n < 9; n++) await sqs("send_message", { QueueUrl: failed, MessageBody: `${n}` });
  await page.getByRole("link", { name: "Move messages back" }).click();
  await page.getByRole("radio", { name: "jobs" }).check();
  await page.getByLabel("At most so many a second").fill("501");
  await page.getByRole("button", { name: "Move" }).click();
  assert.match(await page.getByRole("alert").innerText(), /between 1 and 500/);
  await page.getByLabel("At most so many a second").fill("1");
  await page.getByRole("button", { name: "Move" }).click();
  await page.getByRole("link", { name: "Cancel the task" }).click();
  await page.getByRole("button", { name: "Cancel the task" }).click();
  assert.match(await page.getByRole("status").innerText(), /is being cancelled/);
  await eventually(async () =>
    assert.match(await page.locator("#live tbody tr").first().innerText(), /^cancelled/));
  const left = (await bodies("failed")).length;
  assert.ok(left > 0, "some stayed");
  await page.getByRole("link", { name: "Move messages back" }).click();
  await page.getByRole("radio", { name: "aside" }).count();
  await page.getByRole("radio", { name: "jobs" }).check();
  await page.getByRole("button", { name: "Move" }).click();
  await eventually(async () => assert.deepEqual(await bodies("failed"), []));
  // Only a dead-letter queue can be moved from.
  await page.goto(`${url}/admin/queues/aside/redrive`);
  assert.match(await page.locator("main").innerText(), /This is no dead-letter queue/);
}

/** Texts of strangers do nothing, and are seen as what they are. */
async function harmless(page) {
  const { QueueUrl } = await sqs("create_queue", { QueueName: "strangers" });
  const MessageAttributes = { name: { DataType: "String", StringValue: hostile } };
  await sqs("send_message", { QueueUrl, MessageBody: hostile, MessageAttributes });
  for (const path of ["", "/1", "/1/edit"]) {
    await page.goto(`${url}/admin/queues/strangers/messages${path}`);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.equal(await page.locator("#injected, img, main script").count(), 0);
    if (!path.endsWith("edit")) {
      const text = await page.locator("main").innerText();
      assert.ok(text.includes("<script>"), "it is seen");
      assert.ok(!/[\u202E\u200B]/.test(text), "nothing turns round or hides");
    }
  }
  await page.goto(`${url}/admin/queues/strangers/messages/1/edit`);
  await page.getByRole("button", { name: "delete the old one" }).click();
  const [same] = await receive("strangers");
  assert.equal(same.Body, hostile, "a form keeps every character");
  assert.equal(same.MessageAttributes.name.StringValue, hostile);
  await page.goto(`${url}/admin/queues/strangers/messages/2`);
  assert.match(await page.locator("#body").innerText(), /⟨U\+202E⟩gnp\.exe⟨U\+202C⟩⟨U\+200B⟩/);
}

/** What redis-cli can send, and what is large. The test's server has sent both. */
async function bytes(page) {
  await page.goto(`${url}/admin/queues/raw/messages`);
  await page.goto(`${url}/admin/queues/raw/messages/1`);
  assert.match(await page.locator("main .notice").innerText(), /not UTF-8/);
  assert.match(await page.locator("#body").innerText(), /^\uFFFD⟨U\+0000⟩<b>/);
  assert.equal(await page.getByRole("link", { name: "Change and send" }).count(), 0);
  await page.goto(`${url}/admin/queues/raw/messages/1/edit`);
  assert.match(await page.locator("main").innerText(), /no form can keep/);
  const download = async (sequence) => {
    await page.goto(`${url}/admin/queues/raw/messages/${sequence}`);
    const [file] = await Promise.all([page.waitForEvent("download"),
      page.getByRole("link", { name: "Download the body" }).click()]);
    assert.equal(file.suggestedFilename(), `raw-${sequence}.bin`);
    return readFile(await file.path());
  };
  assert.deepEqual([...await download(1)], [0xff, 0, ...Buffer.from("<b>")]);
  const answer = await page.request.get(`${url}/admin/queues/raw/messages/1/body`);
  assert.equal(answer.headers()["content-type"], "application/octet-stream");
  assert.equal(answer.headers()["x-content-type-options"], "nosniff");
  assert.match(answer.headers()["content-disposition"], /^attachment;/);

  const large = "<é가>\n".repeat(104_857) + "x";
  await send(page, "raw", () => page.getByLabel("Body").evaluate((field, text) => {
    field.value = text;
  }, large));
  await page.locator("#sent").waitFor();
  assert.equal((await download(2)).toString(), large);
  await page.goto(`${url}/admin/queues/raw/messages/2`);
  assert.match(await page.locator("main .notice").innerText(), /Only the beginning/);
  assert.ok((await page.content()).length < 60_000);
  await page.goto(`${url}/admin/queues/raw/messages/2/edit`);
  await page.getByRole("button", { name: "delete the old one" }).click();
  await page.locator("#sent").waitFor();
  assert.equal((await download(3)).toString(), large);
  await send(page, "raw", () => page.getByLabel("Body").evaluate((field) => {
    field.value = "\u00E9".repeat(600_000);
  }));
  assert.match(await page.getByRole("alert").innerText(), /shorter than 1048576 bytes/);

  await sqs("send_message", { QueueUrl: await queueUrl("raw"),
    MessageBody: "{\"b\":[1.50,{}],\"a\":\"<i>\"}" });
  await page.goto(`${url}/admin/queues/raw/messages/4`);
  assert.equal(await page.locator("#json").innerText(),
    "{\n  \"b\": [\n    1.50,\n    {}\n  ],\n  \"a\": \"<i>\"\n}");
}

/** Letters that wait for a queue nobody made; the test's server has such a queue. */
async function revive(page) {
  await page.goto(`${url}/admin/queues/stuck/messages?state=dead`);
  assert.match(await page.locator("tbody").innerText(), /Dead/);
  await page.goto(`${url}/admin/queues/stuck`);
  await page.getByRole("link", { name: "Give dead letters back" }).click();
  assert.match(await page.locator("main").innerText(), /dead-letter queue: 1\./);
  await page.getByRole("button", { name: "Give dead letters back" }).click();
  assert.match(await page.getByRole("status").innerText(), /messages of this queue again/);
  assert.deepEqual(await bodies("stuck"), ["letter"]);
}

/** Starts to move some, slowly; what becomes of it the test sees. */
async function startMoving(page) {
  await page.goto(`${url}/admin/queues/failed/messages`);
  for (let sequence = 20; sequence > 5; sequence--) {
    await page.getByLabel(`Choose message ${sequence}`, { exact: true }).check();
  }
  await page.getByRole("button", { name: "Move the chosen ones" }).click();
  await page.getByRole("radio", { name: "jobs" }).check();
  await page.getByLabel("At most so many a second").fill("1");
  await page.getByRole("button", { name: "Move" }).click();
  await eventually(async () => {
    await page.reload();
    assert.match(await page.locator("#live").innerText(), /running\s+jobs\s+[1-9] of about 15/);
  });
}

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/queues");
  if (rest[0] === "revive") return revive(page);
  if (rest[0] === "move") return startMoving(page);
  await sendWithEverything(page);
  await peek(page);
  await deleteSome(page);
  await edit(page);
  await fifo(page);
  await redrive(page);
  await harmless(page);
  await bytes(page);
  const phone = { viewport: { width: 360, height: 740 }, locale: "ko-KR", colorScheme: "dark" };
  const small = await open(browser, "/admin/queues/strangers/messages", phone);
  for (const path of ["strangers/messages", "strangers/messages/2", "strangers/messages/2/edit",
    "line.fifo/send", "failed", "failed/redrive"]) {
    await small.goto(`${url}/admin/queues/${path}`);
    await checkAccessibility(small);
    const wide = await small.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wide, `${path} scrolls sideways`);
  }
});

// Queues: found, made, changed, emptied and deleted on the page, and read back through boto3.
import { assert, checkAccessibility, eventually, open, queueUrl, rest, sqs, url, withBrowser }
  from "./browser.mjs";

/** A queue's attributes, as SQS tells them. */
async function attributes(name) {
  const QueueUrl = await queueUrl(name);
  return (await sqs("get_queue_attributes", { QueueUrl, AttributeNames: ["All"] })).Attributes;
}

async function count(name) {
  return Number((await attributes(name)).ApproximateNumberOfMessages);
}

/** Nothing of the page lies beside the screen. */
async function checkWidth(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!wide, `${page.url()} scrolls sideways`);
}

async function create(page) {
  await page.goto(`${url}/admin/queues`);
  assert.match(await page.locator(".empty").innerText(), /no queue yet/);
  await page.getByRole("link", { name: "New queue" }).click();
  await checkAccessibility(page);
  await page.getByLabel("Name", { exact: true }).fill("failed-orders");
  await page.getByRole("button", { name: "Create" }).click();
  assert.equal(await page.locator("h1").innerText(), "failed-orders");
  assert.match(await page.getByRole("status").innerText(), /was created/);

  await page.goto(`${url}/admin/queues/new`);
  await page.getByLabel("Name", { exact: true }).fill("orders");
  await page.getByLabel("Visibility timeout").fill("45");
  await page.getByLabel("Retention").fill("86400");
  await page.getByLabel("Dead-letter queue").fill("failed-orders");
  await page.getByLabel("Receives before a message dies").fill("3");
  await page.getByLabel("Key 1", { exact: true }).fill("team");
  await page.getByLabel("Value 1", { exact: true }).fill("shop & <b>");
  await page.getByRole("button", { name: "Create" }).click();
  assert.match(await page.getByRole("alert").innerText(), /Tag values may only contain/);
  assert.equal(await page.getByLabel("Visibility timeout").inputValue(), "45", "nothing is lost");
  await page.getByLabel("Value 1", { exact: true }).fill("shop");
  await page.getByRole("button", { name: "Create" }).click();
  assert.equal(await page.locator("h1").innerText(), "orders");
  const made = await attributes("orders");
  assert.equal(made.VisibilityTimeout, "45");
  assert.equal(made.MessageRetentionPeriod, "86400");
  assert.equal(made.DelaySeconds, "0");
  const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(made.RedrivePolicy);
  assert.match(deadLetterTargetArn, /:failed-orders$/);
  assert.equal(maxReceiveCount, 3);
  const QueueUrl = await queueUrl("orders");
  assert.deepEqual((await sqs("list_queue_tags", { QueueUrl })).Tags, { team: "shop" });
  const live = await page.locator("#live").innerText();
  assert.match(live, /1 day\b/);
  assert.match(live, /after 3 receives to failed-orders/);
  assert.ok(live.includes(QueueUrl), "its URL");

  await page.goto(`${url}/admin/queues/new`);
  await page.getByLabel("Name", { exact: true }).fill("orders");
  await page.getByRole("button", { name: "Create" }).click();
  assert.match(await page.getByRole("alert").innerText(), /is a queue orders already/);
  await page.getByLabel("Name", { exact: true }).fill("a b");
  await page.getByRole("button", { name: "Create" }).click();
  assert.match(await page.getByRole("alert").innerText(), /alphanumeric/);
}

async function createFifo(page) {
  await page.goto(`${url}/admin/queues/new`);
  await page.getByLabel("Name", { exact: true }).fill("line");
  await page.getByLabel("Type").selectOption("fifo");
  await page.getByLabel("Content-based deduplication").selectOption("true");
  await page.getByRole("button", { name: "Create" }).click();
  assert.equal(await page.locator("h1").innerText(), "line.fifo");
  const made = await attributes("line.fifo");
  assert.equal(made.FifoQueue, "true");
  assert.equal(made.ContentBasedDeduplication, "true");
}

async function find(page) {
  for (let n = 0; n < 60; n++) {
    await sqs("create_queue", { QueueName: `many-${String(n).padStart(2, "0")}` });
  }
  await page.goto(`${url}/admin/queues`);
  assert.equal(await page.locator("tbody tr").count(), 50);
  await page.getByRole("link", { name: "Next page" }).click();
  assert.equal(await page.locator("tbody tr").count(), 13);
  await page.getByRole("link", { name: "First page" }).click();
  await page.getByLabel("Names that begin with").fill("ord");
  await page.getByRole("button", { name: "Search" }).click();
  assert.equal(await page.locator("tbody tr").count(), 1);
  const row = page.locator("tbody tr");
  assert.match(await row.innerText(), /orders\s+Standard\s+0\s+0\s+0\s+0\s+failed-orders/);
  // The list changes by itself.
  const QueueUrl = await queueUrl("orders");
  await sqs("send_message", { QueueUrl, MessageBody: "x" });
  await eventually(async () => assert.match(await row.innerText(), /Standard\s+1\s/));
  await page.getByLabel("Names that begin with").fill("<b>\"'&");
  await page.getByRole("button", { name: "Search" }).click();
  assert.match(await page.locator(".empty").innerText(), /begins so/);
}

async function change(page) {
  await page.goto(`${url}/admin/queues/orders`);
  await page.getByRole("link", { name: "Change", exact: true }).click();
  await checkAccessibility(page);
  // Meanwhile somebody else changes what this form does not.
  const QueueUrl = await queueUrl("orders");
  await sqs("set_queue_attributes", { QueueUrl, Attributes: { VisibilityTimeout: "50" } });
  await page.getByLabel("Delay", { exact: true }).fill("901");
  await page.getByRole("button", { name: "Save" }).first().click();
  assert.match(await page.getByRole("alert").innerText(), /DelaySeconds/);
  await page.getByLabel("Delay", { exact: true }).fill("7");
  await page.getByLabel("Dead-letter queue").fill("");
  await page.getByLabel("Receives before a message dies").fill("");
  await page.getByRole("button", { name: "Save" }).first().click();
  assert.match(await page.getByRole("status").innerText(), /attributes were changed/);
  const changed = await attributes("orders");
  assert.equal(changed.DelaySeconds, "7");
  assert.equal(changed.VisibilityTimeout, "50");
  assert.equal(changed.RedrivePolicy, undefined);

  await page.getByRole("link", { name: "Change", exact: true }).click();
  await page.getByLabel("Key 1", { exact: true }).fill("");
  await page.getByLabel("Value 1", { exact: true }).fill("");
  await page.getByLabel("Key 2", { exact: true }).fill("단계");
  await page.getByLabel("Value 2", { exact: true }).fill("시험");
  await page.getByRole("button", { name: "Save" }).last().click();
  assert.match(await page.getByRole("status").innerText(), /tags were changed/);
  assert.deepEqual((await sqs("list_queue_tags", { QueueUrl })).Tags, { "단계": "시험" });
}

async function purgeAndDelete(page) {
  const QueueUrl = await queueUrl("many-00");
  for (let n = 0; n < 3; n++) await sqs("send_message", { QueueUrl, MessageBody: `${n}` });
  await page.goto(`${url}/admin/queues/many-00`);
  await page.getByRole("link", { name: "Purge" }).click();
  assert.match(await page.locator("main").innerText(), /are lost, those in flight too: 3/);
  await checkAccessibility(page);
  assert.equal(await count("many-00"), 3, "asking does nothing");
  await page.getByRole("button", { name: "Purge" }).click();
  assert.match(await page.getByRole("status").innerText(), /was purged/);
  assert.equal(await count("many-00"), 0);

  const failed = await queueUrl("failed-orders");
  const policy = { deadLetterTargetArn: (await attributes("failed-orders")).QueueArn,
    maxReceiveCount: 2 };
  await sqs("set_queue_attributes", { QueueUrl,
    Attributes: { RedrivePolicy: JSON.stringify(policy) } });
  await sqs("send_message", { QueueUrl: failed, MessageBody: "x" });
  await page.goto(`${url}/admin/queues/failed-orders`);
  assert.match(await page.locator("main").innerText(), /Dead-letter queue of\s+many-00/);
  await page.getByRole("link", { name: "Delete" }).click();
  await checkAccessibility(page);
  assert.match(await page.locator("main").innerText(), /all its messages are lost: 1\./);
  assert.match(await page.locator("main li").innerText(), /many-00/);
  await page.getByLabel(/Type the name/).fill("failed");
  await page.getByRole("button", { name: "Delete" }).click();
  assert.match(await page.getByRole("alert").innerText(), /not its name/);
  assert.equal(await queueUrl("failed-orders"), failed);
  await page.getByLabel(/Type the name/).fill("failed-orders");
  await page.getByRole("button", { name: "Delete" }).click();
  assert.match(await page.getByRole("status").innerText(), /was deleted/);
  await assert.rejects(queueUrl("failed-orders"), /does not exist/);
}

/** Who deletes a queue hears which functions it fed. */
async function deleteMapped(page) {
  await page.goto(`${url}/admin/queues/mapped`);
  await eventually(() => page.getByRole("link", { name: "worker" }).waitFor());
  await page.getByRole("link", { name: "Delete" }).click();
  assert.match(await page.locator("main").innerText(), /These functions get no more/);
  assert.match(await page.locator("main li").innerText(), /worker/);
}

/** Names nobody has, and a queue that goes away while somebody looks. */
async function friendly(page) {
  for (const name of ["none", "..%2Fx", "%2F", "%ff", "a".repeat(81), "<b>", "x%00", ".fifo"]) {
    const response = await page.goto(`${url}/admin/queues/${name}`);
    assert.equal(response.status(), 404, name);
    assert.equal(await page.locator("h1 b").count(), 0);
  }
  const longest = "n".repeat(80);
  await sqs("create_queue", { QueueName: longest });
  await page.goto(`${url}/admin/queues/${longest}`);
  await checkWidth(page);
  // A queue whose name is a page's.
  await sqs("create_queue", { QueueName: "new" });
  await page.goto(`${url}/admin/queues?prefix=new`);
  await page.getByRole("link", { name: "new", exact: true }).click();
  await page.getByRole("link", { name: "Send a message" }).click();
  assert.equal(await page.locator("h1").innerText(), "Send to new");
  await page.goto(`${url}/admin/queues/many-01/send`);
  await sqs("delete_queue", { QueueUrl: await queueUrl("many-01") });
  await page.getByLabel("Body").fill("too late");
  await page.getByRole("button", { name: "Send" }).click();
  assert.equal(await page.locator("h1").innerText(), "There is no such queue");
}

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/queues");
  if (rest[0] === "mapped") return deleteMapped(page);
  await create(page);
  await createFifo(page);
  await find(page);
  await change(page);
  await purgeAndDelete(page);
  await friendly(page);
  const phone = { viewport: { width: 360, height: 740 }, locale: "ko-KR", colorScheme: "dark" };
  const small = await open(browser, "/admin/queues", phone);
  assert.equal(await small.locator("h1").innerText(), "대기열");
  for (const path of ["", "/orders", "/orders/change", "/orders/purge", "/orders/delete", "/new"]) {
    await small.goto(`${url}/admin/queues${path}`);
    await checkAccessibility(small);
    await checkWidth(small);
  }
});

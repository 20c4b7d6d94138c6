// Two gateways: what the other one serves is seen and stopped here.
// node fleet.mjs URL PYTHON OTHER-ADDRESS
import { assert, eventually, lambda, open, queueUrl, rest, sqs, withBrowser } from "./browser.mjs";

const [other] = rest;

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/mappings");
  const two = page.locator("tr", { hasText: "two → f2" });
  await eventually(async () => {
    assert.match(await two.innerText(), /Running[^]*PROBLEM: Function call failed/);
  });
  assert.match(await page.locator("tr", { hasText: "one → f1" }).innerText(), /Running/);
  await two.getByRole("link").click();
  const live = page.locator("#live");
  await eventually(async () => assert.ok((await live.innerText()).includes(other)));
  assert.ok(!(await live.innerText()).includes("this gateway"));
  await page.getByRole("link", { name: "Stop", exact: true }).click();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await eventually(async () => assert.match(await live.innerText(), /Stopped/));
  const QueueUrl = await queueUrl("two");
  await sqs("purge_queue", { QueueUrl });
  await sqs("send_message", { QueueUrl, MessageBody: "stays" });
  const functions = await open(browser, "/admin/functions");
  assert.ok((await functions.locator("section", { hasText: "f2" }).innerText()).includes(other));
  const attributes = ["ApproximateNumberOfMessages"];
  const asked = { QueueUrl, AttributeNames: attributes };
  const { Attributes } = await sqs("get_queue_attributes", asked);
  assert.equal(Attributes.ApproximateNumberOfMessages, "1");
  const { EventSourceMappings } = await lambda("list_event_source_mappings");
  assert.equal(EventSourceMappings.length, 1, "of its own configuration it knows one");
});

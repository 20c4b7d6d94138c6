// Mappings: their states without a reload, starting, stopping and draining them, a paused one, the
// functions, the drawing, and filters tried on messages.
// node mappings.mjs URL PYTHON FUNCTIONS-FOLDER BOOTSTRAP
import { copyFile } from "node:fs/promises";
import { assert, checkAccessibility, eventually, lambda, open, queueUrl, rest, sqs, withBrowser }
  from "./browser.mjs";

const [functions, bootstrap] = rest;

async function count(queue, name) {
  const QueueUrl = await queueUrl(queue);
  const { Attributes } = await sqs("get_queue_attributes", { QueueUrl, AttributeNames: ["All"] });
  return Number(Attributes[name]);
}
const waiting = (queue) => count(queue, "ApproximateNumberOfMessages");
const delayed = (queue) => count(queue, "ApproximateNumberOfMessagesDelayed");

async function send(queue, body, more = {}) {
  await sqs("send_message", { QueueUrl: await queueUrl(queue), MessageBody: body, ...more });
}

/** The badge of the mapping that is shown, once it says so; nothing is loaded anew for that. */
async function seeState(page, word) {
  const state = page.locator("#state .badge");
  await eventually(async () => assert.equal(await state.innerText(), word));
}

async function mappingState(UUID) {
  return (await lambda("get_event_source_mapping", { UUID })).State;
}

/** Clicks what asks first, reads what it says, and does it. */
async function doAsked(page, name, says) {
  await page.getByRole("link", { name, exact: true }).click();
  assert.match(await page.locator("main").innerText(), says);
  await checkAccessibility(page);
  await page.getByRole("button", { name, exact: true }).click();
}

async function noSideways(page) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `${page.url()} is ${width} px wide`);
}

async function switches(browser) {
  const page = await open(browser, "/admin/mappings");
  await eventually(async () => {
    const mails = page.locator("tr", { hasText: "mails → broken" });
    assert.match(await mails.innerText(), /Paused[^]*bootstrap does not exist/);
  });
  await checkAccessibility(page);
  await page.getByRole("link", { name: "orders → worker" }).click();
  const uuid = page.url().split("/").pop();
  await seeState(page, "Running");
  await checkAccessibility(page);

  await doAsked(page, "Stop", /no more messages are taken/);
  await seeState(page, "Stopped");
  assert.match(await page.getByRole("status").first().innerText(), /was stopped/);
  assert.equal(await mappingState(uuid), "Disabled");
  for (let n = 0; n < 8; n++) await send("orders", `{"n": ${n}}`);
  await send("orders", "later", { DelaySeconds: 900 });
  await eventually(async () => {
    assert.match(await page.locator("#live").innerText(), /8 waiting, 0 in flight, 1 delayed/);
  });
  assert.equal(await waiting("orders"), 8);

  await doAsked(page, "Drain", /until no message is waiting or in flight/);
  await seeState(page, "Draining");
  assert.match(await page.locator("#live").innerText(), /1 delayed will stay in the queue/);
  await seeState(page, "Stopped");
  assert.equal(await mappingState(uuid), "Disabled");
  assert.equal(await waiting("orders"), 0);
  assert.equal(await delayed("orders"), 1);
  assert.match(await page.locator(".card", { hasText: "DeletedEventCount" }).innerText(), /^8\b/);

  await page.getByRole("button", { name: "Start", exact: true }).click();
  await seeState(page, "Running");
  assert.equal(await mappingState(uuid), "Enabled");
  await send("orders", "once more");
  await eventually(async () => {
    assert.match(await page.locator(".card", { hasText: "DeletedEventCount" }).innerText(), /^9\b/);
  });
  return uuid;
}

async function paused(browser) {
  const page = await open(browser, "/admin/mappings?q=mails");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.getByRole("link", { name: "mails → broken" }).click();
  await seeState(page, "Paused");
  assert.match(await page.locator("#live").innerText(), /Paused since/);
  await copyFile(bootstrap, `${functions}/broken/bootstrap`);
  await page.getByRole("button", { name: "Look again now" }).click();
  assert.match(await page.getByRole("status").first().innerText(), /looked at again/);
  await seeState(page, "Running");
  await eventually(async () => assert.equal(await waiting("mails"), 0));
}

async function filters(browser, uuid) {
  await sqs("create_queue", { QueueName: "tried" });
  await send("tried", '{"kind": "order"}');
  await send("tried", '<b onclick="alert(1)">{"kind": "other"}\u202e');
  const page = await open(browser, `/admin/queues/tried/try-filter?mapping=${uuid}`);
  await checkAccessibility(page);
  const patterns = page.getByLabel("Filter patterns");
  await patterns.fill('{"body": {"kind": ["order"]}}');
  await page.getByRole("button", { name: "Try" }).click();
  assert.match(await page.getByRole("status").first().innerText(), /1 of 2 messages pass\./);
  const rows = page.locator("tbody tr");
  assert.match(await rows.nth(0).innerText(), /^passes[^]*order/);
  assert.match(await rows.nth(1).innerText(), /^filtered out[^]*<b onclick[^]*U\+202E/);
  assert.equal(await page.locator("tbody b").count(), 0);
  assert.match(await patterns.inputValue(), /order/);
  await checkAccessibility(page);
  await patterns.fill('{"body": "order"}');
  await page.getByRole("button", { name: "Try" }).click();
  const alert = await page.getByRole("alert").innerText();
  assert.match(alert, /Invalid filter pattern definition\.[^]*filter 1: /);
  assert.equal(await patterns.inputValue(), '{"body": "order"}');
  await checkAccessibility(page);
  assert.equal(await waiting("tried"), 2, "they were only looked at");
  await page.goto(new URL("/admin/queues/nowhere/try-filter", page.url()).href);
  assert.match(await page.locator("h1").innerText(), /no such queue/);
}

async function others(browser) {
  const page = await open(browser, "/admin/functions");
  const worker = page.locator("section", { hasText: "worker" });
  assert.match(await worker.innerText(), /here[^]*orders/);
  await checkAccessibility(page);
  await page.goto(new URL("/admin/map", page.url()).href);
  assert.equal(await page.locator("svg path.line").count(), 2);
  assert.match(await page.locator(".flows").innerText(), /mails → broken/);
  await checkAccessibility(page);
  await page.locator("svg").getByRole("link", { name: /^orders/ }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/admin/queues/orders");
  await page.goto(new URL("/admin/mappings/no-such-mapping", page.url()).href);
  assert.match(await page.locator("h1").innerText(), /no such mapping/);
  const small = { locale: "ko-KR", colorScheme: "dark", viewport: { width: 360, height: 740 } };
  const korean = await open(browser, "/admin/mappings", small);
  const first = await korean.locator("tbody a").first().getAttribute("href");
  const paths = ["/admin/mappings", first, `${first}/drain`, "/admin/functions", "/admin/map",
    "/admin/queues/orders/try-filter"];
  for (const path of paths) {
    await korean.goto(new URL(path, korean.url()).href);
    assert.equal(await korean.locator("html").getAttribute("lang"), "ko");
    assert.match(await korean.locator("main").innerText(), /[가-힣]/);
    await noSideways(korean);
    await checkAccessibility(korean);
  }
}

await withBrowser(async (browser) => {
  const uuid = await switches(browser);
  await paused(browser);
  await filters(browser, uuid);
  await others(browser);
});

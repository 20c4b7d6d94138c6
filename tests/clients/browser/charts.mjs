// Charts: a line rises after messages were sent, without a reload; spans, numbers. There is the
// queue orders, which has been empty for some minutes.
import {
  assert, checkAccessibility, eventually, open, queueUrl, sqs, url, withBrowser,
} from "./browser.mjs";

const cell = (page, queue, column) =>
  page.locator("tr", { has: page.getByRole("link", { name: queue, exact: true }) })
    .locator("td.num").nth(column).innerText();

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/charts");
  assert.equal(await page.locator("h1").innerText(), "Charts");
  assert.equal(await page.locator("nav a[aria-current=page]").innerText(), "Charts");
  assert.equal(await cell(page, "jobs", 0), "0");
  await page.evaluate(() => { document.body.dataset.kept = "yes"; });
  const spark = page.locator("tr", { hasText: "orders" }).locator("svg.spark").first();
  const line = spark.locator("path.line");
  const flat = await line.getAttribute("d");
  assert.match(flat, / 26$/, "it ends at the bottom");
  const QueueUrl = await queueUrl("orders");
  for (let n = 0; n < 3; n += 1) await sqs("send_message", { QueueUrl, MessageBody: "x" });
  await eventually(async () => assert.equal(await cell(page, "orders", 0), "3"));
  assert.notEqual(await line.getAttribute("d"), flat, "the line rises");
  await sqs("receive_message", { QueueUrl });
  await sqs("send_message_batch", {
    QueueUrl, Entries: [..."abcdefgh"].map((Id) => ({ Id, MessageBody: "x" })),
  });
  await eventually(async () => {
    assert.equal(await cell(page, "orders", 0), "10");
    assert.equal(await cell(page, "orders", 1), "1");
  });
  assert.notEqual(await cell(page, "orders", 4), "0", "messages were sent within the last minute");
  assert.equal(await page.evaluate(() => document.body.dataset.kept), "yes", "without a reload");
  await checkAccessibility(page);

  await page.getByRole("link", { name: "orders", exact: true }).click();
  await page.waitForURL(/queues\/orders\/charts/);
  const charts = page.locator("svg.chart");
  assert.equal(await charts.count(), 3);
  const summary = await charts.first().getAttribute("aria-label");
  assert.match(summary, /^Messages, the last hour\. ready: now 10, /);
  await page.getByRole("link", { name: "Show the numbers" }).click();
  const rows = page.getByRole("region", { name: "The numbers of the charts" }).locator("tbody tr");
  assert.match(await rows.first().innerText(), /10\s+1\s+0\s+0/);
  await sqs("send_message", { QueueUrl, MessageBody: "x" });
  await eventually(async () => assert.match(await rows.first().innerText(), /11\s+1\s+0\s+0/));
  await checkAccessibility(page);
  await page.getByRole("link", { name: "Week", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/span=week/);
  assert.equal(await page.locator(".tabs a[aria-current]").innerText(), "Week");
  assert.ok(await rows.count() >= 1, "the numbers stay");
  await page.getByRole("link", { name: "Hide the numbers" }).click();
  assert.equal(await rows.count(), 0);

  const gone = await page.goto(new URL("/admin/queues/nobody/charts", url).href);
  assert.equal(gone.status(), 404);

  const korean = await open(browser, "/admin/charts?span=day", {
    locale: "ko-KR", colorScheme: "dark", viewport: { width: 360, height: 740 },
  });
  assert.equal(await korean.locator("h1").innerText(), "차트");
  const width = await korean.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `the page is ${width} px wide`);
  await checkAccessibility(korean);
  await korean.goto(new URL("/admin/queues/orders/charts?numbers=1", url).href);
  assert.match(await korean.locator("svg.chart").first().getAttribute("aria-label"), /지난 1시간/);
  assert.ok(await korean.evaluate(() => document.documentElement.scrollWidth) <= 360);
  await checkAccessibility(korean);
});

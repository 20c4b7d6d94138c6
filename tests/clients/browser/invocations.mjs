// Recent invocations: what they were, and one of them invoked again, once as it was and once with
// another event. The function notes each event in its directory; the queue must not notice.
// Started with the function's directory.
import { readFile, readdir } from "node:fs/promises";
import { assert, checkAccessibility, eventually, open, queueUrl, rest, sqs, withBrowser }
  from "./browser.mjs";

const [directory] = rest;

/** The bodies of all events the function got. */
async function events() {
  const files = (await readdir(directory)).filter((name) => name.startsWith("events."));
  const texts = await Promise.all(files.map((name) => readFile(`${directory}/${name}`, "utf8")));
  return texts.join("").split("\n").filter((line) => line.length > 0);
}

async function counts(QueueUrl) {
  const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed"];
  const { Attributes } = await sqs("get_queue_attributes", { QueueUrl, AttributeNames });
  return AttributeNames.map((name) => Number(Attributes[name]));
}

/** The page is no wider than the window. */
async function checkWidth(page) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= page.viewportSize().width, `${page.url()} is ${width} pixels wide`);
}

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/invocations");
  assert.match(await page.locator("#live").innerText(), /No invocation is known/);

  // They appear without a reload.
  const QueueUrl = await queueUrl("q");
  const MessageBody = "please-fail <b>now</b>";
  await sqs("send_message", { QueueUrl, MessageBody });
  await sqs("send_message", { QueueUrl, MessageBody: "please-report" });
  await sqs("send_message", { QueueUrl, MessageBody: "fine" });
  await eventually(async () => {
    const badges = await page.locator("tbody .badge").allInnerTexts();
    assert.deepEqual(badges.toSorted(), ["function error", "messages failed", "succeeded"]);
  });
  await checkAccessibility(page);

  // Filters.
  await page.selectOption("select[name=outcome]", "failures");
  await page.click("button:text('Filter')");
  assert.equal(await page.locator("tbody tr").count(), 2);
  await page.fill("input[name=name]", "no such name");
  await page.press("input[name=name]", "Enter");
  assert.match(await page.locator("#live").innerText(), /No invocation is known/);
  await page.fill("input[name=name]", "F");
  await page.selectOption("select[name=outcome]", "function_error");
  await page.click("button:text('Filter')");
  assert.equal(await page.locator("tbody tr").count(), 1);

  // One of them.
  await page.click("tbody a");
  assert.match(await page.locator("#live").innerText(), /The function ran and failed/);
  assert.match(await page.locator("#event pre").innerText(), /"body": "please-fail <b>now<\/b>"/);
  assert.match(await page.locator("#answer pre").innerText(), /"errorMessage": "boom hunter2"/);
  assert.match(await page.locator("#log pre").innerText(), /the log of it\n.*END RequestId/s);
  assert.match(await page.locator("tbody").innerText(), /failed\s+still in the queue/);
  const failed = page.url();
  await checkAccessibility(page);
  const [download] = await Promise.all(
    [page.waitForEvent("download"), page.click("#event a[download]")]);
  const event = JSON.parse(await readFile(await download.path(), "utf8"));
  assert.equal(event.Records[0].body, MessageBody);

  // Again, as it was: it is asked first, and the queue does not notice.
  await eventually(async () => assert.deepEqual(await counts(QueueUrl), [0, 2, 0]));
  const before = (await events()).length;
  await page.click("a:text('Invoke again')");
  assert.match(await page.locator("main").innerText(), /No message of the queue is received/);
  await checkAccessibility(page);
  assert.equal((await events()).length, before, "to be asked runs nothing");
  const asked = page.url();
  await page.click("#same button");
  await page.waitForURL((url) => url.href !== asked && url.href !== failed);
  await eventually(async () => {
    assert.match(await page.locator("#live").innerText(), /function error/);
  });
  assert.match(await page.locator("#live").innerText(), /somebody, by hand/);
  assert.match(await page.locator("#answer pre").innerText(), /boom hunter2/);
  assert.match(await page.locator("#log pre").innerText(), /the log of it/);
  const after = await events();
  assert.equal(after.length, before + 1);
  const same = after.filter((line) => line.includes("please-fail"));
  assert.equal(same.length, 2);
  assert.equal(same[0].slice(same[0].indexOf("{")), same[1].slice(same[1].indexOf("{")));
  assert.deepEqual(await counts(QueueUrl), [0, 2, 0]);

  // Neither a reload nor the same form sent twice runs it again.
  const second = page.url();
  await page.reload();
  await page.goto(asked);
  const run = await page.locator("#same input[name=run]").inputValue();
  await page.click("#same button");
  await page.waitForURL(`**/${run}`);
  const rows = (await events()).length;
  assert.equal(rows, before + 2);
  await page.goBack();
  await page.locator("#same input[name=run]").evaluate((input, value) => { input.value = value; },
    run);
  await page.click("#same button");
  await page.waitForURL(`**/${run}`);
  assert.equal((await events()).length, rows);

  // With another event; what is no JSON is refused.
  await page.goto(asked);
  await page.click("summary");
  const written = page.locator("textarea");
  assert.equal(JSON.parse(await written.inputValue()).Records[0].body, MessageBody);
  await written.fill("{");
  await page.click("#changed button");
  assert.match(await page.locator("main").innerText(), /The event is no JSON/);
  assert.equal((await events()).length, rows);
  await page.goto(asked);
  await page.click("summary");
  await written.fill('{"Records":[{"body":"다른 이벤트"}]}');
  await page.click("#changed button");
  await eventually(async () => {
    assert.match(await page.locator("#live").innerText(), /succeeded/);
  });
  assert.match(await page.locator("#answer pre").innerText(), /"well": "done"/);
  assert.ok((await events()).some((line) => line.includes("다른 이벤트")));
  assert.deepEqual(await counts(QueueUrl), [0, 2, 0]);
  assert.ok((await page.locator("dd a").allInnerTexts()).some((id) => failed.endsWith(id)));

  // In Korean, in the dark, on a telephone.
  const options = { locale: "ko-KR", colorScheme: "dark", viewport: { width: 360, height: 740 } };
  const korean = await open(browser, "/admin/invocations", options);
  assert.equal(await korean.locator("h1").innerText(), "호출");
  await checkAccessibility(korean);
  await checkWidth(korean);
  for (const url of [second, asked]) {
    await korean.goto(url);
    await checkAccessibility(korean);
    await checkWidth(korean);
  }
});

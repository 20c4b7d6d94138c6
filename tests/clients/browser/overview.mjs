// The first page: every visitor sees how things are, in their language, without a reload.
import { assert, checkAccessibility, eventually, open, sqs, withBrowser } from "./browser.mjs";

/** Nothing is wider than the window; wide tables scroll within themselves. */
async function checkWidth(page) {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth, document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${page.url()}: ${content} px in ${window} px`);
}

await withBrowser(async (browser) => {
  await sqs("create_queue", { QueueName: "failed" });
  const policy = {
    deadLetterTargetArn: "arn:aws:sqs:us-east-1:000000000000:failed", maxReceiveCount: "3",
  };
  const { QueueUrl } = await sqs("create_queue", {
    QueueName: "a-rather-long-name-of-a-queue-that-does-not-fit-on-a-phone",
    Attributes: { RedrivePolicy: JSON.stringify(policy) },
  });

  const page = await open(browser);
  assert.equal(await page.title(), "Overview · karin");
  const live = page.locator("#live");
  await live.getByText("Nothing needs attention").waitFor();
  await checkAccessibility(page);

  // What happens appears without a reload.
  await page.evaluate(() => { globalThis.isSamePage = true; });
  for (let index = 0; index < 3; index += 1) {
    await sqs("send_message", { QueueUrl, MessageBody: "x" });
  }
  const url = QueueUrl.replace(/[^/]+$/, "failed");
  await sqs("send_message", { QueueUrl: url, MessageBody: "x" });
  const row = page.locator("#live tbody tr", { hasText: "a-rather-long-name" });
  await row.locator("td", { hasText: /^3$/ }).first().waitFor();
  await eventually(async () => assert.match(await live.innerText(), /Ready\s+4/));
  assert.ok(await page.evaluate(() => globalThis.isSamePage));

  // Dead letters need attention; which queue is one is looked up once a minute.
  const attention = await open(browser, "/admin", { colorScheme: "dark" });
  await checkAccessibility(attention);
  await attention.goto(new URL("/admin/settings", attention.url()).href);
  assert.equal(await attention.title(), "Settings and health · karin");
  await attention.locator("text=connected").waitFor();
  await checkAccessibility(attention);

  for (const colorScheme of ["light", "dark"]) {
    const viewport = { width: 360, height: 740 };
    const phone = await open(browser, "/admin", { viewport, colorScheme, locale: "ko-KR" });
    assert.equal(await phone.locator("h1").innerText(), "개요");
    await checkWidth(phone);
    await checkAccessibility(phone);
    await phone.goto(new URL("/admin/settings", phone.url()).href);
    await checkWidth(phone);
    await checkAccessibility(phone);
    // The other language, on the same page, and from then on.
    await phone.getByRole("link", { name: "English" }).click();
    await phone.waitForURL("**/admin/settings");
    assert.equal(await phone.locator("h1").innerText(), "Settings and health");
    await phone.getByRole("link", { name: "karin" }).click();
    assert.equal(await phone.locator("h1").innerText(), "Overview");
  }

  // Times are the reader's own.
  const tokyo = await open(browser, "/admin/nothing", { timezoneId: "Asia/Tokyo" });
  assert.match(await tokyo.locator("main").innerText(), /There is no such page/);
  await checkAccessibility(tokyo);

  // Everything is there without scripts, too.
  const plain = await open(browser, "/admin", { javaScriptEnabled: false });
  assert.match(await plain.locator("#live").innerText(), /a-rather-long-name/);
});

// Events and answers of strangers, shown harmless: markup, texts that turn around, bytes that are
// no text, and an answer of 6 MB.
import { readFile } from "node:fs/promises";
import { assert, checkAccessibility, eventually, open, queueUrl, sqs, withBrowser }
  from "./browser.mjs";

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/invocations");
  page.on("dialog", () => page.faults.push("a dialog"));
  const QueueUrl = await queueUrl("q");
  for (const body of ["markup", "bidi", "bytes", "size"]) {
    const before = await page.locator("tbody tr").count();
    const MessageBody = `${body} <script>alert(3)</script> \u202E\u200B "}]`;
    await sqs("send_message", { QueueUrl, MessageBody });
    await eventually(async () => {
      assert.equal(await page.locator("tbody tr").count(), before + 1);
    });
  }
  assert.equal(await page.locator("main script, main img, main b, main i").count(), 0);
  const links = await page.locator("tbody a").evaluateAll((all) => all.map((a) => a.href));
  const [size, bytes, bidi, markup] = links;
  for (const [url, expected] of [
    [markup, /<script>alert\(1\)<\/script><img src=x onerror=alert\(2\)>/],
    [bidi, /"a": "⟨U\+202E⟩<b>⟨U\+200B⟩"/],
    [bytes, /��/],
    [size, /<<<<<<<</],
  ]) {
    const response = await page.goto(url);
    assert.ok((await response.body()).length < 64_000, "a page is never large");
    assert.match(await page.locator("#answer pre").innerText(), expected);
    assert.match(await page.locator("#event pre").innerText(), /⟨U\+202E⟩/);
    assert.equal(await page.locator("main script, main img, main b, main i").count(), 0);
    await checkAccessibility(page);
    const [download] = await Promise.all(
      [page.waitForEvent("download"), page.click("#event a[download]")]);
    const event = JSON.parse(await readFile(await download.path(), "utf8"));
    assert.match(event.Records[0].body, /\u202E\u200B "}\]$/);
    // What can be changed has no tricks in it and is the same event.
    await page.click("a:text('Invoke again')");
    await page.click("summary");
    const written = await page.locator("textarea").inputValue();
    assert.ok(!/[\u202E\u200B]/.test(written));
    assert.deepEqual(JSON.parse(written), event);
  }
  await page.goto(size);
  assert.match(await page.locator("#answer").innerText(), /6000002 bytes; only the first 65536/);
});

// AWS is read on the button; what changed is told, and AWS's functions are shown with their URLs.
// node sync.mjs URL PYTHON FUNCTION-URL
import { assert, checkAccessibility, eventually, lambda, open, rest, withBrowser }
  from "./browser.mjs";

const [functionUrl] = rest;

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/mappings");
  await page.getByRole("button", { name: "Sync from AWS" }).click();
  assert.match(await page.getByRole("status").first().innerText(), /AWS is being read/);
  await eventually(async () => {
    const told = await page.locator("#sync").innerText();
    assert.match(told, /AWS was read/);
    assert.match(told, /1 mappings of AWS are served here; 1 new \(orders -> worker\)/);
  });
  const all = await page.locator("#live").innerText();
  assert.match(all, /Mappings on AWS that are not served here[^]*others[^]*is not served: /);
  await checkAccessibility(page);
  const { EventSourceMappings } = await lambda("list_event_source_mappings");
  assert.match(EventSourceMappings[0].EventSourceArn, /:orders$/);
  await page.goto(new URL("/admin/functions", page.url()).href);
  const link = page.getByRole("link", { name: functionUrl });
  await eventually(async () => assert.equal(await link.getAttribute("href"), functionUrl));
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  const worker = await page.locator("section", { hasText: "worker" }).innerText();
  assert.match(worker, /on AWS[^]*python3[^]*4 s[^]*orders/);
  await checkAccessibility(page);
});

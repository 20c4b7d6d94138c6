// A page that is left open.
import { assert, eventually, open, withBrowser } from "./browser.mjs";

await withBrowser(async (browser) => {
  const page = await open(browser);
  let fetched = 0;
  page.on("request", (request) => {
    if (request.headers()["hx-request"] === "true") fetched += 1;
  });
  const patience = { timeout: 15_000 };
  const isLive = (request) => request.headers()["hx-request"] === "true";
  await page.waitForRequest(isLive, patience);

  // In the background nothing is asked for; in front again, at once.
  const set = (state) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
  await set(true);
  const before = fetched;
  // The page's own clock tells when it would have asked.
  await page.evaluate(() => new Promise((done) => {
    let ticks = 0;
    document.getElementById("live").addEventListener("every", () => { if (++ticks === 2) done(); });
  }));
  assert.equal(fetched, before, "a page in the background asks for nothing");
  const start = Date.now();
  const asked = page.waitForRequest(isLive, patience);
  await set(false);
  await asked;
  assert.ok(Date.now() - start < 2_000, "it asks at once when somebody looks again");

  // karin does not answer: what was seen stays, and the page says so until it goes on.
  const lost = page.locator("#lost");
  assert.ok(await lost.isHidden());
  await page.route("**/admin", (route) => route.abort());
  await lost.waitFor({ state: "visible" });
  assert.match(await lost.innerText(), /karin does not answer/);
  assert.match(await page.locator("#live").innerText(), /Queues/);
  await page.unroute("**/admin");
  await lost.waitFor({ state: "hidden" });
  await page.route("**/admin", (route) => route.fulfill({ status: 503, body: "away" }));
  await eventually(async () => assert.match(await lost.innerText(), /Redis is away/));
  assert.match(await page.locator("#live").innerText(), /Queues/);
  await page.unroute("**/admin");
  await lost.waitFor({ state: "hidden" });
  // That it could not be fetched is what was tried.
  page.faults = page.faults.filter((fault) => !fault.includes("Failed to fetch"));
});

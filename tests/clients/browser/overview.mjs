// The first page: every visitor sees how things are, in their language, without a reload.
import { assert, checkAccessibility, open, withBrowser } from "./browser.mjs";

await withBrowser(async (browser) => {
  const page = await open(browser);
  assert.equal(await page.title(), "Overview · karin");
  assert.match(await page.locator("#live").innerText(), /1 mapping\b/);
  await page.waitForResponse((response) => response.request().headers()["hx-request"] === "true");
  await checkAccessibility(page);
  const korean = await open(browser, "/admin", { locale: "ko-KR", colorScheme: "dark" });
  assert.equal(await korean.locator("h1").innerText(), "개요");
  await checkAccessibility(korean);
});

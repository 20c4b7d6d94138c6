// Signing in and out, with the keyboard alone. Started with the password.
import { assert, checkAccessibility, open, rest, url, withBrowser } from "./browser.mjs";

const [password] = rest;

/** Presses Tab until this is what the next key goes to. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 30; presses += 1) {
    if (await page.evaluate((s) => document.activeElement.matches(s), selector)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${page.url()}: Tab does not lead to ${selector}`);
}

await withBrowser(async (browser) => {
  const page = await open(browser, "/admin/settings?x=1");
  assert.equal(await page.title(), "Sign in · karin");
  assert.equal(await page.locator("nav").count(), 0, "nothing tells what there is");
  await checkAccessibility(page);

  // The field has the focus already.
  await page.keyboard.type("wrong horse");
  await page.keyboard.press("Enter");
  await page.locator("[role=alert]", { hasText: "This is not the password." }).waitFor();
  assert.ok(!(await page.content()).includes("wrong horse"));
  await checkAccessibility(page);

  await tabTo(page, "#password");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/admin/settings?x=1`);
  const cookies = await page.context().cookies();
  const session = cookies.find(({ name }) => name === "karin_session");
  assert.deepEqual(
    [session.httpOnly, session.sameSite, session.path, session.secure],
    [true, "Lax", "/admin", false],
  );
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees a cookie");

  // Through the pages, and past the navigation to the content.
  await page.goto(`${url}/admin`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.ok(page.url().endsWith("#content"));
  await page.goto(`${url}/admin`);
  await tabTo(page, "nav a[href='/admin/settings']");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid", "one sees where one is");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/admin/settings`);
  assert.equal(await page.locator("nav [aria-current=page]").innerText(), "Settings");

  // Signed out elsewhere, a page that is left open says so by itself.
  const left = await page.context().newPage();
  left.faults = [];
  await left.goto(`${url}/admin`);
  await page.bringToFront();
  await tabTo(page, "form[action='/admin/sign-out'] button");
  await page.keyboard.press("Enter");
  await page.locator("#password").waitFor();
  await left.bringToFront();
  await left.locator("#password").waitFor();
  await page.goto(`${url}/admin/settings`);
  assert.equal(await page.title(), "Sign in · karin");
});

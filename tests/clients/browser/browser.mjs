// What the scripts beside this one share: a real Chromium on the admin page of a real karin, and
// boto3 to read back what was done. Started as: node SCRIPT.mjs URL PYTHON [ARGUMENT...]
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export { assert };
export const [url, python, ...rest] = process.argv.slice(2);

const chromiumArguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

let boto;
const answers = [];

/** Calls boto3's client for SQS: `await sqs("send_message", { QueueUrl, MessageBody: "x" })`. */
export function sqs(method, parameters = {}) {
  return boto3("sqs", method, parameters);
}

/** The same for Lambda: `await lambda("get_event_source_mapping", { UUID })`. */
export function lambda(method, parameters = {}) {
  return boto3("lambda", method, parameters);
}

function boto3(service, method, parameters) {
  if (!boto) {
    const script = new URL("boto_calls.py", import.meta.url).pathname;
    boto = spawn(python, [script, url], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: boto.stdout }).on("line", (line) => answers.shift()(JSON.parse(line)));
  }
  return new Promise((resolve, reject) => {
    answers.push(({ result, error }) => (error ? reject(new Error(error)) : resolve(result)));
    boto.stdin.write(JSON.stringify({ service, method, parameters }) + "\n");
  });
}

/** The URL of a queue. */
export async function queueUrl(name) {
  return (await sqs("get_queue_url", { QueueName: name })).QueueUrl;
}

/** Tries again until it does not throw; for what comes a moment later. */
export async function eventually(check, patienceMs = 15_000) {
  const end = Date.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** A new page with options of Playwright's newContext (locale, colorScheme, viewport, ...). */
export async function open(browser, path = "/admin", options = {}) {
  const context = await browser.newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`script: ${error}`));
  page.on("console", (message) => {
    // Among others what the Content-Security-Policy forbids. Answers that are no 200 are tested.
    if (message.type() === "error" && !message.text().includes("Failed to load resource")) {
      page.faults.push(`console: ${message.text()}`);
    }
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) {
      page.faults.push(`a request to ${request.url()}`);
    }
  });
  await page.goto(url + path);
  return page;
}

/** No serious fault for people with disabilities, as axe-core sees it. */
export async function checkAccessibility(page) {
  // As part of the browser, which is not subject to the page's policy.
  await page.evaluate(await readFile(axePath, "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(" | ")}`);
  assert.deepEqual(told, [], `${page.url()}: axe-core`);
}

/** Runs `work(browser)`; every page opened must have had no fault. */
export async function withBrowser(work) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: chromiumArguments });
  try {
    await work(browser);
    for (const page of browser.contexts().flatMap((context) => context.pages())) {
      assert.deepEqual(page.faults, [], `faults at ${page.url()}`);
    }
  } finally {
    await browser.close();
    boto?.stdin.end();
  }
}

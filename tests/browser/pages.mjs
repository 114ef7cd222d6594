// Tests the pages at / and /api in Chromium against the built program: node pages.mjs PROGRAM [FOLDER for screenshots]

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [program, screenshots] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "tenter-browser-"));
const FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

/** Starts the service and returns its origin and a function that ends it. */
async function serve() {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TENTER_")));
  const service = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir", folder], {
    // Mesa's device selection layer writes to standard error.
    env: { ...environment, NODEVICE_SELECT: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let origin = null;
  for await (const line of createInterface({ input: service.stderr })) {
    const { message, address } = JSON.parse(line);
    if (message === "listening") origin = `http://${address}`;
    if (message === "ready") break;
  }
  service.stderr.resume();
  assert.ok(origin, "the service listens");
  return { origin, end: () => service.kill() };
}

/** Opens a page and collects all errors, violations of the content policy and requests to other origins in `violations`. */
async function open(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
  const page = await context.newPage();
  const violations = [];
  page.on("pageerror", (error) => violations.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // Refused renders are expected here; the browser logs them as failed resources.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) violations.push(message.text());
  });
  page.on("request", (request) => {
    // The browser's PDF viewer loads its own resources from the browser.
    if (!/^(blob:|data:|chrome:|chrome-extension:)/.test(request.url()) && new URL(request.url()).origin !== origin) {
      violations.push(`a request to ${request.url()}`);
    }
  });
  await page.goto(origin);
  return { page, violations, context };
}

const state = (page, wanted) => page.waitForSelector(`#sheet[data-state="${wanted}"]`, { timeout: 60_000 });
const shot = (page, name) => screenshots && page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

/** Number of different colours in the shown picture; a blank one has one. */
const colours = (page) =>
  page.evaluate(() => {
    const picture = document.getElementById("picture");
    const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size;
  });

async function write(page, design) {
  await page.fill("#source", typeof design === "string" ? design : JSON.stringify(design, null, 1));
}

/** Runs `action` and waits for the state `wanted` of the render that it causes, not of an earlier one. */
async function after(page, wanted, action) {
  await page.evaluate(() => (document.getElementById("sheet").dataset.state = "test"));
  await action();
  await state(page, wanted);
}

const tests = {
  async "an example is shown with its timings and follows the options"({ page }) {
    await shot(page, "empty");
    await page.click("text=Social post");
    await state(page, "done");
    assert.ok((await colours(page)) > 50, "a picture of many colours");
    assert.equal(await page.getAttribute("[data-example=social-post]", "aria-pressed"), "true");
    const stages = await page.$$eval("#stages dt", (names) => names.map((it) => it.textContent));
    assert.deepEqual(stages, ["queue", "parse", "assets", "resolve", "plan", "paint", "encode", "answer"]);
    assert.match(await page.textContent("#status"), /\d+ × \d+ px, \d+ kB, \d+ ms/);
    await shot(page, "picture");
    const width = () => page.$eval("#picture", (it) => it.naturalWidth);
    const whole = await width();
    await after(page, "done", () => page.locator("#scale").press("ArrowLeft").then(() => page.locator("#scale").press("ArrowLeft")));
    await page.waitForFunction((whole) => document.getElementById("picture").naturalWidth === Math.round(whole / 2), whole);
    assert.equal(await page.textContent("#scale-value"), "0.5×");
    await after(page, "done", () => page.click("label[for=format-jpeg]"));
    assert.equal(await page.getAttribute("#download", "download"), "design.jpg");
    assert.ok(await page.isVisible("#quality"), "JPEG has a quality");
  },

  async "PDF is shown, or an error if the service does not support it"({ page, origin }) {
    await page.click("text=Event ticket");
    await state(page, "done");
    const answer = page.waitForResponse((it) => it.url() === `${origin}/api/render`);
    await page.evaluate(() => (document.getElementById("sheet").dataset.state = "test"));
    await page.click("label[for=format-pdf]");
    if ((await answer).status() === 200) {
      await state(page, "done");
      assert.ok(await page.isVisible("#document"), "the PDF is in its frame");
      assert.equal(await page.getAttribute("#download", "download"), "design.pdf");
    } else {
      assert.equal((await answer).status(), 501);
      await state(page, "failed");
      assert.match(await page.textContent("#failure"), /Not built yet/);
    }
    await page.waitForTimeout(1500); // until the viewer has drawn the PDF, for the screenshot
    await shot(page, "pdf");
  },

  async "every problem is shown and selects its position in the source"({ page }) {
    await write(page, { width: "wide", pages: [{ children: [{ id: "a", type: "blob" }] }] });
    await state(page, "failed");
    const failure = await page.textContent("#failure");
    assert.match(failure, /The design or an option is not accepted/);
    assert.match(failure, /accepted: a number/);
    assert.match(failure, /Unknown element type: "blob"/);
    assert.equal(await page.getAttribute("#failure", "role"), "alert");
    await shot(page, "failure");
    const selected = () => page.$eval("#source", (it) => it.value.slice(it.selectionStart, it.selectionEnd));
    await page.click("text=design.width");
    assert.equal(await selected(), '"wide"');
    await page.click("text=design.pages[0].children[0].type");
    assert.equal(await selected(), '"blob"');
    await after(page, "failed", () => write(page, "{"));
    assert.match(await page.textContent("#failure"), /The design: this is not JSON/);
  },

  async "warnings name their element, and variables are substituted"({ page }) {
    const text = { id: "greeting", type: "text", text: "Hello {who}", width: 200, height: 40, fontSize: 24 };
    await write(page, { width: 220, height: 60, pages: [{ id: "p", children: [text] }] });
    await state(page, "done");
    assert.ok(!(await page.isVisible("#warnings")), "without variables, braces have no meaning");
    await page.click("summary:has-text('Variables')");
    await after(page, "done", () => page.fill("#variables", '{"other": 1}'));
    assert.equal(await page.textContent("#warning-count"), "2");
    assert.match(await page.textContent("#warning-list"), /no variable is called "who".*greeting at design\.pages\[0\]/s);
    await shot(page, "warnings");
    await after(page, "done", () => page.fill("#variables", '{"who": "Ada"}'));
    assert.ok(!(await page.isVisible("#warnings")));
  },

  async "the curl command gives the same file as the download"({ page }) {
    await page.click("text=Social post");
    await state(page, "done");
    await page.click("#copy");
    await page.waitForFunction(() => document.getElementById("status").textContent.includes("clipboard"));
    const command = await page.evaluate(() => navigator.clipboard.readText());
    execFileSync("bash", ["-c", command], { cwd: folder });
    const made = readFileSync(join(folder, "design.png"));
    assert.deepEqual([...made.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    assert.equal(download.suggestedFilename(), "design.png");
    assert.deepEqual(readFileSync(await download.path()), made, "the page and curl get the same picture");
  },

  async "a file can be dropped"({ page }) {
    const design = JSON.stringify({ width: 90, height: 60, pages: [{ background: "tomato" }] });
    const data = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], "dropped.json", { type: "application/json" }));
      return transfer;
    }, design);
    await page.dispatchEvent("body", "drop", { dataTransfer: data });
    await state(page, "done");
    assert.match(await page.textContent("#source-note"), /dropped\.json/);
    assert.equal(await page.$eval("#picture", (it) => it.naturalWidth), 90);
  },

  async "all controls have a name and can be reached by keyboard"({ page }) {
    const nameless = await page.$$eval("button, a[href], input, select, textarea, iframe", (controls) =>
      controls.filter((it) => !(it.textContent.trim() || it.labels?.length || it.ariaLabel || it.title || it.querySelector("img[alt]")))
        .map((it) => it.outerHTML));
    assert.deepEqual(nameless, []);
    for (let tabs = 0; tabs < 6 && (await page.evaluate(() => document.activeElement?.dataset?.example)) !== "social-post"; tabs += 1) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await state(page, "done");
  },
};

const service = await serve();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", ...FLAGS],
});
let failed = 0;
async function check(name, test, options) {
  const { page, violations, context } = await open(browser, service.origin, options);
  try {
    await test({ page, origin: service.origin });
    assert.deepEqual(violations, [], "no errors and no requests to other origins");
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
    await shot(page, `failed-${failed}`);
  }
  await context.close();
}
try {
  for (const [name, test] of Object.entries(tests)) await check(name, test);
  for (const [name, options] of [
    ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
    ["dark", { colorScheme: "dark" }],
    ["phone-dark", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: "dark" }],
  ]) {
    await check(`${name}: the page fits the screen and works`, async ({ page }) => {
      await page.click("text=Brochure");
      await state(page, "done");
      const { inner, scroll, paper } = await page.evaluate(() => ({
        inner: innerWidth,
        scroll: document.documentElement.scrollWidth,
        paper: getComputedStyle(document.body).backgroundColor,
      }));
      assert.ok(scroll <= inner, `${scroll} px wide on a screen of ${inner}`);
      assert.equal(paper === "rgb(19, 25, 23)", options.colorScheme === "dark", paper);
      await shot(page, name);
    }, options);
  }
  await check("the API page lists the calls", async ({ page, origin }) => {
    await page.goto(`${origin}/api`);
    await page.waitForSelector("#api:not([aria-busy])");
    const calls = await page.$$eval(".call > summary code", (paths) => paths.map((it) => it.textContent));
    assert.ok(calls.includes("/api/render") && calls.includes("/health/ready"), calls.join());
    assert.match(await page.textContent(".call[open]"), /exportOptions\.pixelRatio/);
    await shot(page, "api");
  });
} finally {
  await browser.close();
  service.end();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

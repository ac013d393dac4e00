// Opens every page of a folder in a real browser and says what is wrong with it.
//
//     node check.mjs FOLDER
//
// The folder holds NAME.LANG.html, and NAME.json, the report that the page was made of. One line
// for each thing that is wrong; exit 1 where there is one. CHROMIUM names the browser.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = process.argv[2];
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VERDICTS = {
  en: { pass: "Pass", conditional: "Conditional pass", fail: "Fail" },
  ja: { pass: "合格", conditional: "条件付き合格", fail: "不合格" },
};

const wrong = [];
const pages = fs.readdirSync(folder).filter((name) => name.endsWith(".html")).sort().map((name) => {
  const [report, lang] = name.split(".");
  const json = JSON.parse(fs.readFileSync(path.join(folder, `${report}.json`), "utf8"));
  return { name, report, lang, json, url: pathToFileURL(path.join(folder, name)).href };
});

const expect = (page, holds, what) => {
  if (!holds) wrong.push(`${page.name}: ${what}`);
};

// A tab that must load nothing but the page and must have nothing to complain of.
const open = async (browser, page, options) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const tab = await context.newPage();
  tab.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(`${page.name}: console: ${message.text()}`);
  });
  tab.on("pageerror", (error) => wrong.push(`${page.name}: ${error}`));
  tab.on("dialog", (dialog) => {
    wrong.push(`${page.name}: it opened a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  tab.on("request", (request) => {
    if (!/^(file|data):/.test(request.url())) wrong.push(`${page.name}: it asked for ${request.url()}`);
  });
  await tab.goto(page.url);
  return tab;
};

const openAll = (tab) => tab.evaluate(() => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});

// Of the items that were chosen, those with this standing; as the report has them.
const items = (json) => [...json.items, ...(json.extended ?? [])].filter((item) => item.reason !== "not selected (partial run)");
const shown = (tab) => tab.locator(".item:visible").count();

const structure = async (page, tab) => {
  expect(page, (await tab.getAttribute("html", "lang")) === page.lang, "the language is not declared");
  const banner = await tab.locator(".verdict h2").innerText();
  expect(page, banner.includes(VERDICTS[page.lang][page.json.verdict]), `the banner says ${banner}`);
  const levels = await tab.evaluate(() => [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((one) => +one.tagName[1]));
  const leaps = levels.filter((level, at) => at > 0 && level > levels[at - 1] + 1);
  expect(page, levels[0] === 1 && leaps.length === 0, `headings are out of order: ${levels.slice(0, 20)}`);
  expect(page, (await tab.locator("script").count()) === 1, "there is more than the page's own script");
  const ids = await tab.evaluate(() => [...document.querySelectorAll("[id]")].map((one) => one.id));
  expect(page, new Set(ids).size === ids.length, "an id is there twice");
  const dead = await tab.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].map((one) => one.hash.slice(1)).filter((id) => !document.getElementById(id)));
  expect(page, dead.length === 0, `links lead nowhere: ${dead}`);
};

const filters = async (page, tab) => {
  const all = items(page.json);
  expect(page, (await shown(tab)) === all.length, `${await shown(tab)} items are shown, not ${all.length}`);
  for (const status of ["passed", "skipped", "inconclusive"]) await tab.uncheck(`input[value=${status}]`);
  const failed = all.filter((item) => item.status === "failed").length;
  expect(page, (await shown(tab)) === failed, `${await shown(tab)} failed items are shown, not ${failed}`);
  for (const status of ["passed", "skipped", "inconclusive"]) await tab.check(`input[value=${status}]`);
  await tab.selectOption("select[name=phase]", "3");
  const third = all.filter((item) => item.phase === 3).length;
  expect(page, third > 0 && (await shown(tab)) === third, `${await shown(tab)} items of phase 3 are shown, not ${third}`);
  await tab.selectOption("select[name=phase]", "");
  const one = all.find((item) => item.id === "3.4");
  const nonce = one.evidence.find((evidence) => evidence.trail)?.trail.nonce;
  await tab.fill("input[name=text]", nonce);
  const holding = all.filter((item) => JSON.stringify(item).includes(nonce)).length;
  expect(page, (await shown(tab)) === holding && holding > 0, `${await shown(tab)} items are shown for ${nonce}, not ${holding}`);
  expect(page, (await tab.locator("#count").innerText()) === `${holding} / ${all.length}`, "the count is not told");
  await tab.fill("input[name=text]", "");
  await tab.click("#fold");
  expect(page, (await tab.locator(".item details[open]").count()) === 0, "folding leaves something open");
  await tab.click("#unfold");
  await tab.click("#unfold");
  expect(page, (await tab.locator(".item details:not([open])").count()) === 0, "unfolding leaves something closed");
  await tab.click("#fold");
};

const keyboard = async (page, tab) => {
  await tab.evaluate(() => scrollTo(0, 0));
  await tab.goto(page.url);
  await tab.keyboard.press("Tab");
  const first = await tab.evaluate(() => document.activeElement.className);
  expect(page, first === "skip", `the first stop is ${first}, not the skip link`);
  await tab.keyboard.press("Enter");
  const main = await tab.evaluate(() => document.activeElement.id);
  expect(page, main === "content", `the skip link leads to ${main}`);
  const closed = tab.locator(".item > details:not([open]) > summary").first();
  await closed.focus();
  const outline = await closed.evaluate((one) => getComputedStyle(one).outlineStyle);
  expect(page, outline !== "none", "the focus cannot be seen");
  await tab.keyboard.press("Enter");
  expect(page, await tab.evaluate(() => document.activeElement.parentElement.open), "an item does not open by the keyboard");
  const finding = tab.locator("#findings a").first();
  if ((await finding.count()) > 0) {
    await tab.click("#fold");
    await finding.click();
    const id = (await finding.getAttribute("href")).slice(1);
    const isOpen = await tab.evaluate((id) => document.getElementById(id).querySelector("details").open, id);
    expect(page, isOpen, "a link to an item leaves it closed");
  }
};

// Colours alone differ between the schemes.
const accessible = async (page, tab, scheme) => {
  await tab.emulateMedia({ colorScheme: scheme });
  if (scheme === "light") await tab.evaluate(axe);
  const only = scheme === "light" ? {} : { runOnly: ["color-contrast"] };
  const found = await tab.evaluate((only) => window.axe.run(document, { resultTypes: ["violations"], ...only }), only);
  for (const violation of found.violations) {
    const nodes = violation.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join(" | ");
    wrong.push(`${page.name}: ${scheme}: ${violation.id}: ${violation.help}: ${nodes}`);
  }
  expect(page, found.violations.length + found.passes.length > (scheme === "light" ? 20 : 0), "axe looked at nothing");
};

const narrow = async (page, tab) => {
  await tab.setViewportSize({ width: 320, height: 640 });
  await openAll(tab);
  const width = await tab.evaluate(() => document.documentElement.scrollWidth);
  expect(page, width <= 320, `at 320 px it is ${width} px wide`);
};

const printed = async (page, tab) => {
  const file = path.join(folder, `${page.name}.pdf`);
  fs.writeFileSync(file, await tab.pdf({ format: "A4", preferCSSPageSize: true }));
  const text = execFileSync("pdftotext", [file, "-"], { encoding: "utf8", maxBuffer: 1 << 28 });
  expect(page, text.includes(VERDICTS[page.lang][page.json.verdict]), "the verdict is not in print");
  const nonce = page.json.items.flatMap((item) => item.evidence).find((one) => one.trail).trail.nonce;
  expect(page, text.includes(nonce), "the evidence is folded away in print");
};

const withoutScripts = async (browser, page) => {
  const tab = await open(browser, page, { javaScriptEnabled: false });
  expect(page, !(await tab.isVisible("#filter")), "a filter that does nothing is shown");
  const count = items(page.json).length;
  expect(page, (await shown(tab)) === count, "without scripts items are missing");
  const item = tab.locator(".item", { has: tab.locator("details:not([open])") }).first();
  await item.locator("summary").first().click();
  expect(page, await item.locator(".steps").isVisible(), "without scripts an item does not open");
  // Opened for print, too: by the style alone.
  await printed(page, tab);
  await tab.context().close();
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const took = (name, since) => console.log(`# ${name}: ${Math.round(performance.now() - since)} ms`);
for (const page of pages) {
  const since = performance.now();
  const tab = await open(browser, page, {});
  await structure(page, tab);
  await filters(page, tab);
  await keyboard(page, tab);
  for (const scheme of ["light", "dark"]) await accessible(page, tab, scheme);
  await narrow(page, tab);
  await tab.context().close();
  took(page.name, since);
}
for (const page of pages.filter((page) => (page.lang === "ja") === (page.report === "fail"))) {
  const since = performance.now();
  await withoutScripts(browser, page);
  took(`${page.name} without scripts, printed`, since);
}
await browser.close();
for (const line of wrong) console.log(line);
process.exitCode = wrong.length > 0 || pages.length === 0 ? 1 : 0;

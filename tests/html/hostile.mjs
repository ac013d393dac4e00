// Opens every page of a folder in a real browser and prints what acted in it.
//
//     node hostile.mjs FOLDER
//
// control.html must act: by it is known that the others would be seen to. One line for each thing
// that is wrong; exit 1 where there is one. CHROMIUM names the browser.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = process.argv[2];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// Everything that a page did beside being shown.
const acts = async (file) => {
  const acted = [];
  const context = await browser.newContext();
  const tab = await context.newPage();
  await context.route(/^https?:/, (route) => route.abort());
  tab.on("console", (message) => acted.push(`console: ${message.text()}`));
  tab.on("pageerror", (error) => acted.push(`error: ${error}`));
  tab.on("dialog", (dialog) => {
    acted.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  const url = pathToFileURL(file).href;
  tab.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) acted.push(`request: ${request.url()}`);
  });
  tab.on("framenavigated", (frame) => {
    if (frame.url() !== url) acted.push(`went to: ${frame.url()}`);
  });
  await tab.goto(url);
  for (const mark of await tab.locator("summary").all()) if (await mark.isVisible()) await mark.click();
  acted.push(...await tab.evaluate(() => {
    const found = [];
    if ("evil" in window) found.push("a script ran");
    if (document.scripts.length > 1) found.push(`${document.scripts.length} scripts`);
    for (const one of document.querySelectorAll("*")) {
      const name = one.tagName.toLowerCase();
      if (["iframe", "object", "embed", "base", "evil-element"].includes(name)) found.push(`<${name}>`);
      for (const { name: attribute, value } of one.attributes) {
        if (attribute.startsWith("on")) found.push(`<${name} ${attribute}>`);
        if (["src", "href", "action", "srcdoc"].includes(attribute) && !/^(#|data:image\/)/.test(value)) found.push(`<${name} ${attribute}=${value.slice(0, 80)}>`);
      }
    }
    const policy = document.querySelector("meta[http-equiv=Content-Security-Policy]")?.content ?? "";
    if (!policy.startsWith("default-src 'none';") || /unsafe|https?:|\*/.test(policy)) found.push(`policy: ${policy}`);
    return found;
  }));
  await context.close();
  return acted;
};

const wrong = [];
const pages = fs.readdirSync(folder).filter((name) => name.endsWith(".html"));
for (const name of pages) {
  const acted = await acts(path.join(folder, name));
  if (name !== "control.html") {
    wrong.push(...acted.map((what) => `${name}: ${what}`));
    continue;
  }
  for (const must of ["dialog: evil", "request: http://evil.example/x", "a script ran"]) {
    if (!acted.includes(must)) wrong.push(`${name}: not seen: ${must}`);
  }
}
await browser.close();
for (const line of wrong) console.log(line);
process.exitCode = wrong.length > 0 || pages.length < 2 ? 1 : 0;

// Runs the script of a study's page on a stand-in of the few parts of a browser that it uses. `node browser.js PAGE`
// reads lines of JSON from standard input: {"key": ...}, {"click": id}, {"reload": search} or {"choose": {id: value}},
// and writes after all of them what can be seen. Images load at once, except the one that {"broken": file} names.
"use strict";
const fs = require("fs"), vm = require("vm");
const page = fs.readFileSync(process.argv[2], "utf8");
const script = page.match(/<script>([\s\S]*)<\/script>/)[1];
const data = page.match(/<script type="application\/json" id="data">([\s\S]*?)<\/script>/)[1];
const kept = new Map(), saved = [], fetched = [];
let broken = null, document = null, stores = true;

class Element {
  constructor(tag) { Object.assign(this, { tag, children: [], listeners: {}, textContent: "", hidden: false, value: "" }); }
  append(child) { this.children.push(child); if (child.id) document.ids[child.id] = child; }
  replaceChildren() { this.children = []; }
  addEventListener(name, handler) { this.listeners[name] = handler; }
  querySelector() { return new Element("h1"); }
  focus() {}
  click() { if (this.tag === "a") saved.push([this.download, this.href]); else if (!this.disabled) this.listeners.click?.(); }
  set src(value) { this.source = value; fetched.push(value); }
  decode() { return this.source === broken ? Promise.reject(new Error()) : Promise.resolve(); }
}

function open(search) {
  document = { ids: {}, listeners: {}, createElement: (tag) => new Element(tag),
    getElementById: (id) => document.ids[id] ?? null,
    addEventListener: (name, handler) => { document.listeners[name] = handler; } };
  for (const [, tag, id] of page.matchAll(/<(\w+)[^>]* id="([\w-]+)"/g)) document.ids[id] = new Element(tag);
  document.ids.data.textContent = data;
  vm.runInNewContext(script, { document, location: { search }, URLSearchParams, Uint32Array, setTimeout: () => {},
    crypto: require("crypto").webcrypto, confirm: () => true, Blob: class { constructor(parts) { this.text = parts.join(""); } },
    URL: { createObjectURL: (blob) => blob.text, revokeObjectURL() {} }, Image: class extends Element {},
    localStorage: { getItem(name) { if (!stores) throw new Error("SecurityError"); return kept.get(name) ?? null; },
      setItem(name, value) { if (!stores) throw new Error("SecurityError"); kept.set(name, value); },
      removeItem: (name) => kept.delete(name) } });
}

async function main() {
  const commands = fs.readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  if (commands[0]?.nothing_is_stored) stores = false;
  open("");
  for (const command of commands) {
    if ("broken" in command) broken = command.broken;
    if ("reload" in command) open(command.reload);
    if (command.stored) kept.set([...kept.keys()][0], command.stored);
    for (const [id, value] of Object.entries(command.choose ?? {})) document.ids[id].value = value;
    if (command.click) document.ids[command.click].click();
    if (command.key) document.listeners.keydown({ preventDefault() {}, ...command });
    await new Promise(setImmediate);
  }
  const section = ["consent", "study", "end"].filter((id) => !document.ids[id].hidden);
  const text = Object.fromEntries(["question", "place", "length", "words", "receiver"].map((id) => [id, document.ids[id].textContent]));
  const images = [...document.ids.left.children, ...document.ids.right.children].filter((child) => child.tag === "img");
  console.log(JSON.stringify({ section, ...text, saved, fetched, disabled: Boolean(document.ids["choose-left"].disabled),
    progress: document.ids.progress.value, kept: [...kept.values()], shown: images.map((image) => image.source) }));
}
main();

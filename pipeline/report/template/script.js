"use strict";
const viewer = document.getElementById("viewer");

function make(tag, text, parent) {
  const element = Object.assign(document.createElement(tag), { textContent: text });
  parent.append(element);
  return element;
}

// Where a number or an image comes from: what stands at the link itself, then the receipt of its unit in the appendix.
function receipt(link) {
  const list = document.createElement("dl");
  const own = { row: "row", metric: "metric", measure: "measured by", interval: "95 % interval", n: "n", real: "real images", comparison: "difference" };
  if (link.dataset.metric) { make("dt", "value", list); make("dd", link.textContent, list); }
  for (const [key, title] of Object.entries(own)) if (link.dataset[key]) { make("dt", title, list); make("dd", link.dataset[key], list); }
  const unit = document.getElementById("receipt-" + link.dataset.unit);
  if (unit) list.append(...[...unit.children].map((child) => child.cloneNode(true)));
  return list;
}

function show(...content) {
  viewer.firstElementChild.replaceChildren(...content);
  viewer.showModal();
}

addEventListener("click", (event) => {
  const tile = event.target.closest(".tile"), link = event.target.closest("a.number"), head = event.target.closest(".sortable th button");
  if (tile) {
    const note = Object.assign(document.createElement("p"), { textContent: tile.dataset.note });
    show(tile.firstElementChild.cloneNode(true), note, ...(tile.dataset.unit ? [receipt(tile)] : []));
  } else if (link) {
    event.preventDefault();
    show(receipt(link));
  } else if (head) sort(head.parentElement);
  else if (event.target === viewer || event.target.closest("#viewer a")) viewer.close();
});

// Numbers come before words, and empty cells come last in both directions.
function sort(head) {
  const body = head.closest("table").tBodies[0], column = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
  const value = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const order = (one, other) => {
    const [a, b] = [value(one), value(other)];
    if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1);
    const gap = isNaN(parseFloat(a)) || isNaN(parseFloat(b)) ? a.localeCompare(b) : parseFloat(a) - parseFloat(b);
    return down ? -gap : gap;
  };
  for (const other of head.parentElement.children) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...[...body.rows].sort(order));
}

document.getElementById("filter").addEventListener("input", (event) => {
  const word = event.target.value.trim().toLowerCase();
  for (const table of document.querySelectorAll("#tables details")) {
    let matches = 0;
    for (const row of table.querySelectorAll("tbody tr")) {
      const fits = row.cells[0].textContent.toLowerCase().includes(word);
      row.classList.toggle("unmatched", !fits);
      matches += fits && getComputedStyle(row).display !== "none";
    }
    table.hidden = !matches && word !== "";
    table.open = word !== "" && matches > 0;
  }
});

for (const dial of document.querySelectorAll(".dial")) dial.addEventListener("input", () => {
  const at = Object.fromEntries([...dial.querySelectorAll("[data-of]")].map((input) => [input.dataset.of, Number(input.value)]));
  for (const input of dial.querySelectorAll("input")) input.nextElementSibling.value = input.dataset.names?.split("|")[input.value] ?? input.value;
  const names = dial.querySelector("select").selectedOptions[0].text + ", " + dial.querySelector("output").value + ", seed " + at.seed;
  for (const view of dial.querySelectorAll(".views figure")) {
    const tile = view.querySelector(".cut");
    tile.style.setProperty("--s", at.seed);
    tile.style.setProperty("--r", at.row * Number(dial.dataset.columns) + at.column);
    tile.setAttribute("aria-label", names + ", " + view.querySelector("figcaption").textContent);
  }
});

const theme = document.getElementById("theme"), isDark = () => (document.documentElement.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.addEventListener("click", () => { document.documentElement.style.colorScheme = isDark() ? "light" : "dark"; label(); });
label();

// A link into the appendix opens what it points into, and printing opens everything.
function reveal() {
  for (let at = document.getElementById(decodeURIComponent(location.hash.slice(1))); at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
}
addEventListener("hashchange", () => { reveal(); document.querySelector(":target")?.scrollIntoView(); });
addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
reveal();

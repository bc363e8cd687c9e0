"use strict";
const { head, fields, rows } = JSON.parse(document.getElementById("data").textContent);
const place = ["pseudolink-review", head.candidates, head.reviewer, head.pairs, head.seed].join(":");
const at = (id) => document.getElementById(id);
const kinds = { "equal": "equal", "similar 0.85": "similar", "similar 0.70": "similar", "dissimilar": "different", "equal in part": "in-part", "different": "different", "not shown": "not-shown" };
let lines = [];
let keeps = true;
try {
  lines = JSON.parse(localStorage.getItem(place) || "[]");
  localStorage.setItem(place, JSON.stringify(lines));
} catch { keeps = false; lines = []; }
const labels = new Map(lines.map((line) => [line.left + line.right, line.label]));
const shown = new Set();
let front = rows.findIndex((row) => !labels.has(row.left + row.right));
if (front < 0) front = rows.length;
let downloaded = lines.length;

function cell(kind, text, name) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function draw() {
  const over = front >= rows.length;
  at("standing").textContent = over
    ? `All ${rows.length} pairs are labelled. Download the labels; B goes back.`
    : `Pair ${front + 1} of ${rows.length}; ${labels.size} labelled.`;
  at("progress").value = labels.size;
  at("kept").textContent = keeps
    ? `${lines.length} labels kept in this browser until they are downloaded.`
    : "This browser keeps nothing: download the labels before you close the page.";
  at("levels").replaceChildren();
  at("scores").hidden = true;
  for (const id of ["match", "non-match", "unsure", "show"]) at(id).disabled = over;
  if (over) {
    at("title").textContent = "Nothing left";
    at("passes").textContent = at("label").textContent = "";
    return;
  }
  const row = rows[front];
  at("title").textContent = `A record of ${row.parties[0]} and one of ${row.parties[1]}`;
  fields.forEach((field, number) => {
    const line = document.createElement("tr");
    const name = cell("th", field);
    name.scope = "row";
    line.append(name, cell("td", row.levels[number], kinds[row.levels[number]]));
    at("levels").append(line);
  });
  at("passes").textContent = `Passes shared: ${row.passes}`;
  const label = labels.get(row.left + row.right);
  at("label").textContent = label ? `Labelled: ${label}` : "Not labelled yet";
  for (const id of ["match", "non-match", "unsure"]) at(id).setAttribute("aria-pressed", String(label === id));
  if (shown.has(front)) {
    at("scores").textContent = `Weight ${row.weight.toFixed(2)} bits, probability ${row.probability.toFixed(4)}`;
    at("scores").hidden = false;
  }
}

function say(label) {
  if (front >= rows.length) return;
  const row = rows[front];
  const now = new Date().toISOString().slice(0, 19) + "Z";
  lines.push({ left: row.left, right: row.right, label, shown: shown.has(front), at: now });
  labels.set(row.left + row.right, label);
  try { localStorage.setItem(place, JSON.stringify(lines)); } catch { keeps = false; }
  front += 1;
  draw();
}

const acts = {
  "match": () => say("match"),
  "non-match": () => say("non-match"),
  "unsure": () => say("unsure"),
  "back": () => { front = Math.max(front - 1, 0); draw(); },
  "show": () => { if (front < rows.length) { shown.add(front); draw(); } },
  "download": () => {
    const text = [head, ...lines].map((line) => JSON.stringify(line) + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
    link.download = "labels.jsonl";
    link.click();
    downloaded = lines.length;
  },
};
for (const [id, act] of Object.entries(acts)) at(id).addEventListener("click", act);
const keys = { m: "match", n: "non-match", u: "unsure", b: "back", s: "show" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const act = acts[keys[event.key.toLowerCase()]];
  if (act) { event.preventDefault(); act(); }
});
addEventListener("beforeunload", (event) => { if (!keeps && lines.length > downloaded) event.preventDefault(); });
draw();

"use strict";
// Moves a threshold: the lines in both charts, the links in the histogram, and what to expect of them.
const { pairs } = JSON.parse(document.getElementById("data").textContent);
const whole = (value) => Math.round(value).toLocaleString("en-GB");
const share = (value) => value.toFixed(4);

function place(chart, x) {
  const line = chart.querySelector("line.mark");
  const word = chart.querySelector("text.strong");
  const right = x > Number(chart.dataset.left) + Number(chart.dataset.inner) / 2;
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  word.setAttribute("x", x + (right ? -5 : 5));
  word.setAttribute("text-anchor", right ? "end" : "start");
}

function control(pair, number) {
  const box = document.getElementById(`control${number}`);
  const slider = document.getElementById(`slider${number}`);
  const weights = document.getElementById(`weights${number}`);
  const curve = document.getElementById(`curve${number}`);
  const taken = [...weights.querySelectorAll("rect.taken")].slice(0, pair.bins);
  const { low, high, left, inner, base, top, most } = Object.fromEntries(
    Object.entries(weights.dataset).map(([name, value]) => [name, Number(value)]));
  // Points come with falling thresholds; to the right a threshold rises.
  const last = pair.points.length - 1;

  function draw() {
    const at = last - Number(slider.value);
    const [threshold, precision, recall, f1, links, weight] = pair.points[at];
    const counts = new Array(pair.bins).fill(0);
    for (const step of pair.steps.slice(0, at + 1)) for (const [bin, more] of step) counts[bin] += more;
    taken.forEach((bar, bin) => {
      const tall = (base - top) * Math.sqrt(counts[bin] / most);
      bar.setAttribute("y", base - tall);
      bar.setAttribute("height", tall);
    });
    place(weights, left + inner * (weight - low) / (high - low));
    const inside = Math.min(0.999, Math.max(0.001, threshold));
    const odds = 0.5 + Math.log(inside / (1 - inside)) / (2 * Number(curve.dataset.odds));
    place(curve, Number(curve.dataset.left) + Number(curve.dataset.inner) * odds);
    const told = {
      threshold: share(threshold), weight: weight.toFixed(2), links: whole(links),
      precision: share(precision), recall: share(recall), f1: share(f1),
      wrong: whole(links * (1 - precision)), missed: whole(pair.matches * (1 - recall)),
    };
    for (const [name, text] of Object.entries(told)) {
      box.querySelector(`[data-told="${name}"]`).textContent = text;
    }
    slider.setAttribute("aria-valuetext",
      `threshold ${told.threshold}: precision ${told.precision}, recall ${told.recall}, ${told.links} links`);
    document.getElementById(`same${number}`).hidden = Number(slider.value) === last - pair.start;
  }

  slider.max = last;
  slider.value = last - pair.start;
  slider.addEventListener("input", draw);
  document.getElementById(`reset${number}`).addEventListener("click", () => {
    slider.value = last - pair.start;
    draw();
  });
  box.hidden = false;
  draw();
}

pairs.forEach((pair, number) => { if (pair) control(pair, number + 1); });

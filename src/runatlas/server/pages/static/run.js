// Makes the pages of a run live: courses in the table, a slider over steps, figures, lines that follow, and the state.

import { load, read, refresh } from "./chart.js";

const page = document.getElementById("run");
const address = page.dataset.address;
const QUICK_MS = 2000;
const SLOW_MS = 30000;
const LINES_MOST = 5000;

// -- courses in the table of metrics ---------------------------------------------------------------------------

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    course(entry.target);
  }
}, { rootMargin: "100px" });

async function course(cell) {
  const { key, series } = cell.closest("tr").dataset;
  const asked = { source: page.dataset.curves, runs: [page.dataset.cuid], keys: [key], x: "step", points: 60 };
  try {
    const found = await read({ ...asked, from: null, to: null });
    const own = found.series.find((each) => each.name === series);
    if (own) cell.replaceChildren(drawn(own.y));
  } catch {
    cell.textContent = "";
  }
}

/** Draw numbers as a line, as the server does where they are few. */
function drawn(values) {
  const [width, height, edge] = [120, 24, 3];
  const there = values.filter((value) => value !== null);
  const low = Math.min(...there);
  const high = Math.max(...there);
  let path = "";
  let isNew = true;
  values.forEach((value, place) => {
    if (value === null) {
      isNew = true;
      return;
    }
    const x = edge + (width - 2 * edge) * (values.length > 1 ? place / (values.length - 1) : 0.5);
    const y = height - edge - (height - 2 * edge) * (high > low ? (value - low) / (high - low) : 0.5);
    path += `${isNew ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}${isNew ? `L${x.toFixed(1)} ${y.toFixed(1)}` : ""}`;
    isNew = false;
  });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({ role: "img", width, height, viewBox: `0 0 ${width} ${height}` })) {
    svg.setAttribute(name, value);
  }
  svg.setAttribute("aria-label", there.length ? `between ${low} and ${high}` : "no number");
  for (const [name, value] of Object.entries({ d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.5 })) {
    line.setAttribute(name, value);
  }
  line.setAttribute("stroke-linecap", "round");
  svg.append(line);
  return svg;
}

/** Draw the courses anew when they are seen: those of a run that goes on have changed. */
function courses() {
  for (const cell of document.querySelectorAll("[data-spark]")) {
    seen.unobserve(cell);
    seen.observe(cell);
  }
}

for (const cell of document.querySelectorAll("[data-spark]:empty")) seen.observe(cell);

// -- media -----------------------------------------------------------------------------------------------------

const RARELY = 10;

/** Read the page that is at an address. */
async function pageAt(url) {
  const response = await fetch(url, { cache: "no-store" });
  if (!response.ok) throw new Error(`the server said ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Put what a page shows in the place of what is shown. */
function putMedia(made) {
  const shelves = made.getElementById("media");
  if (!shelves) return;
  heldMedia = wordsOf(made);
  document.getElementById("media").replaceWith(document.adoptNode(shelves));
  drawFigures();
}

/** Tell what a page shows from what it showed before. */
function wordsOf(made) {
  const shelves = made.getElementById("media");
  return shelves ? `${shelves.querySelectorAll(".thing").length} ${shelves.textContent}` : "";
}

let heldMedia = wordsOf(document);
let mediaReadAt = 0;
let mediaTook = 0;

/** Show what is there by now, but for who looks at a step, or is about to do something; whether anything was new. */
async function followMedia(isLast) {
  const begun = performance.now();
  if (!isLast && begun - mediaReadAt < RARELY * mediaTook) return false;
  const address = window.location.href;
  const made = await pageAt(address);
  mediaReadAt = performance.now();
  mediaTook = mediaReadAt - begun;
  const fresh = made.getElementById("media-bar");
  if (!fresh || address !== window.location.href) return false;
  const bar = document.getElementById("media-bar");
  if (!bar) {
    page.replaceChildren(...made.getElementById("run").childNodes);
    heldMedia = wordsOf(document);
    slide();
    drawFigures();
    return true;
  }
  const isLonger = bar.dataset.steps !== fresh.dataset.steps;
  if (isLonger) {
    bar.dataset.steps = fresh.dataset.steps;
    bar.dispatchEvent(new Event("steps"));
  }
  const shelves = document.getElementById("media");
  const isUsed = shelves.contains(document.activeElement) || [...shelves.querySelectorAll("audio, video")].some((each) => !each.paused);
  const isOther = wordsOf(made) !== heldMedia;
  if (isOther && !isUsed) putMedia(made);
  return isLonger || isOther;
}

function slide() {
  const bar = document.getElementById("media-bar");
  let steps = JSON.parse(bar.dataset.steps);
  if (steps.length < 2) {
    bar.addEventListener("steps", slide, { once: true });
    return;
  }
  const label = document.createElement("label");
  label.className = "slider";
  const shown = document.createElement("output");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.setAttribute("aria-label", "Step");
  slider.min = 0;
  slider.max = steps.length - 1;
  const now = bar.dataset.step === "" ? steps.length - 1 : steps.indexOf(Number(bar.dataset.step));
  slider.value = now < 0 ? steps.length - 1 : now;
  const tell = () => {
    const step = steps[slider.value];
    shown.textContent = `Step ${step.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", shown.textContent);
    return step;
  };
  tell();
  bar.addEventListener("steps", () => {
    const isLast = Number(slider.value) === steps.length - 1 && !bar.elements.step.value;
    const shown = steps[slider.value];
    steps = JSON.parse(bar.dataset.steps);
    slider.max = steps.length - 1;
    slider.value = isLast ? steps.length - 1 : Math.max(steps.findLastIndex((each) => each <= shown), 0);
    tell();
  });
  let waiting = null;
  let turn = 0;
  slider.addEventListener("input", () => {
    const step = tell();
    clearTimeout(waiting);
    const mine = (turn += 1);
    waiting = setTimeout(async () => {
      const url = new URL(window.location.href);
      url.searchParams.set("step", step);
      url.searchParams.delete("skip");
      bar.elements.step.value = step;
      try {
        const made = await pageAt(url);
        if (mine !== turn) return;
        putMedia(made);
        window.history.replaceState(null, "", url);
      } catch (error) {
        tellLive(`Step ${step} could not be loaded: ${error.message}.`);
      }
    }, 120);
  });
  label.append(shown, slider);
  bar.append(label);
}

/** Figures are plotly's own; WebGL needs what this page does not allow, so that such lines are drawn as others. */
function drawFigures() {
  for (const place of document.querySelectorAll("[data-figure]")) figures.observe(place);
}

const figures = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    figures.unobserve(target);
    drawFigure(target);
  }
}, { rootMargin: "100px" });

async function drawFigure(place) {
  try {
    const response = await fetch(place.querySelector("a").href);
    if (!response.ok) return;
    const [figure, plotly] = [await response.json(), await load()];
    const traces = (figure.data ?? []).map((trace) => ({ ...trace, type: (trace.type ?? "scatter").replace(/gl$/, "") }));
    const canvas = document.createElement("div");
    place.prepend(canvas);
    const config = { displaylogo: false, showSendToCloud: false, plotlyServerURL: "", responsive: true };
    await plotly.newPlot(canvas, { data: traces, layout: figure.layout ?? {}, frames: figure.frames ?? [], config });
  } catch (error) {
    place.prepend(`The figure cannot be drawn: ${error.message} `);
  }
}

if (document.getElementById("media-bar")) slide();
drawFigures();

// -- lines -----------------------------------------------------------------------------------------------------

const logs = document.getElementById("logs");
const follow = document.querySelector("#follow input");

async function readLines() {
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const query = new URLSearchParams({ after: logs.dataset.after, level: logs.dataset.level, search: logs.dataset.search });
    const response = await fetch(`${address}/lines?${query}`);
    if (!response.ok) return;
    const found = await response.json();
    logs.dataset.after = found.after;
    const body = logs.querySelector("tbody");
    body.append(...found.lines.map(row));
    while (body.rows.length > LINES_MOST) body.rows[0].remove();
    if (found.lines.length && follow?.checked) logs.scrollTop = logs.scrollHeight;
    if (!found.more) return;
  }
}

function row({ line, level, time, message }) {
  const made = document.createElement("tr");
  made.className = level.toLowerCase();
  const text = document.createElement("pre");
  text.textContent = message;
  for (const [held, name] of [[line, "number"], [time, ""], [level, ""], [text, "message"]]) {
    const cell = document.createElement("td");
    if (name) cell.className = name;
    cell.append(held);
    made.append(cell);
  }
  return made;
}

if (logs && "end" in logs.dataset) {
  logs.scrollTop = logs.scrollHeight;
  if (page.dataset.state === "RUNNING") document.getElementById("follow").hidden = false;
}

// -- the state -------------------------------------------------------------------------------------------------

const live = document.getElementById("live");
let wait = QUICK_MS;
let timer = null;
let held = "";
let heldLines = null;

function tellLive(text) {
  live.textContent = text;
  live.hidden = text === "";
}

async function look() {
  timer = null;
  if (document.hidden) return;
  let response;
  try {
    const skip = document.getElementById("metric-table")?.dataset.skip ?? 0;
    response = await fetch(`${address}/state?skip=${skip}`, { cache: "no-store" });
  } catch {
    tellLive("The server cannot be reached; this page goes on when it can.");
    return later(Math.min(wait * 2, SLOW_MS));
  }
  if (response.status === 404 || response.status === 401) {
    tellLive("This run is not there any more: it was deleted, moved or is kept from you. What is shown is what it was.");
    document.getElementById("state").textContent = "GONE";
    document.getElementById("state").className = "state aborted";
    return undefined;
  }
  if (!response.ok) {
    tellLive(`The server answers with ${response.status}; this page goes on when it can.`);
    return later(Math.min(wait * 2, SLOW_MS));
  }
  const found = await response.json();
  tellLive("");
  const text = JSON.stringify(found.metrics);
  const isNew = text !== held || found.lines !== heldLines || found.state !== page.dataset.state;
  const isOther = apply(found.metrics) || (held !== "" && text !== held);
  if (isOther || found.state !== page.dataset.state) {
    refresh(found.state !== "RUNNING");
    courses();
  }
  if (logs && "end" in logs.dataset && follow?.checked) await readLines().catch(() => undefined);
  const isMore = page.dataset.tab === "media" && (await followMedia(found.state !== "RUNNING").catch(() => false));
  [held, heldLines] = [text, found.lines];
  for (const name of ["ended", "heard", "lasted"]) tellFact(name, found[name]);
  const term = document.getElementById("lasted")?.previousElementSibling;
  if (term) term.textContent = found.state === "RUNNING" ? "Going on for" : "Lasted";
  const silence = document.getElementById("silence");
  silence.hidden = found.silence === "";
  silence.textContent = found.silence;
  const state = document.getElementById("state");
  state.textContent = found.state;
  state.className = `state ${found.state.toLowerCase()}`;
  if (found.state !== page.dataset.state) {
    page.dataset.state = found.state;
    tellLive(`The run is ${found.state} now.`);
  }
  return found.state === "RUNNING" ? later(isNew || isMore ? QUICK_MS : Math.min(wait * 1.5, SLOW_MS)) : undefined;
}

/** Write the numbers that are there by now into the table, and tell of metrics that it does not have; whether there was any. */
function apply(metrics) {
  const table = document.getElementById("metric-table");
  const rows = new Set([...(table?.tBodies[0].rows ?? [])].map((line) => line.dataset.series));
  const unseen = Object.keys(metrics).filter((name) => !rows.has(name)).length;
  const isWhole = document.getElementById("no-metrics") || (table && "whole" in table.dataset);
  if (unseen && isWhole) {
    const again = document.createElement("a");
    again.href = location.pathname + location.search;
    again.textContent = "Show them";
    tellLive(unseen === 1 ? "There is another metric by now. " : `There are ${unseen} more metrics by now. `);
    live.append(again);
  }
  let isOther = false;
  for (const line of table?.tBodies[0].rows ?? []) {
    const numbers = metrics[line.dataset.series];
    if (!numbers) continue;
    numbers.forEach((text, place) => {
      const cell = line.cells[place + 1];
      if (cell.textContent === text) return;
      cell.textContent = text;
      isOther = true;
    });
  }
  return isOther;
}

/** Write what is known of the run; what is not has no place. */
function tellFact(name, text) {
  const place = document.getElementById(name);
  if (!place) return;
  place.parentElement.hidden = text === "";
  if (place.textContent !== text) place.textContent = text;
}

function later(ms) {
  wait = ms;
  clearTimeout(timer);
  timer = setTimeout(look, ms);
}

function soon() {
  if (page.dataset.state === "RUNNING" && !document.hidden) later(Math.min(wait, QUICK_MS));
}

document.addEventListener("visibilitychange", soon);
window.addEventListener("online", soon);
if (page.dataset.state === "RUNNING") later(QUICK_MS);

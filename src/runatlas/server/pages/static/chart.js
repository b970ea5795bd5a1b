// Draws curves into the figures of a page that ask for them, when they come into view: as plain lines. Reading plotly's
// script takes longer than all else, so that it is loaded when somebody points at a chart, to read values and to zoom.
//
// <figure class="chart" data-chart data-source="/@ann/iris/curves" data-runs='["cuid"]' data-keys='["loss"]'
//         data-title="loss" data-x="step" data-log="y" data-smooth="0.6" data-points="600">text for readers</figure>
// With data-band (and data-color, a field) a figure shows the means of runs, each with a band. data-colors of anything
// around the figures: of each run its colour and what that stands for.
// data-plotly="VERSION" is on any element of the page. What stands in a figure stays there for those who do not see.
// Keys may be long: data-row="NAME" instead of data-keys is the key of the row of a table with that data-series.
// A form with data-chart-controls and the fields x, log and smooth sets those of all figures, and the page's address.

const LIGHT = ["#0072b2", "#c24e00", "#008060", "#b0508a", "#8f6800", "#2a8ac4", "#6a51a3", "#5b6570"];
const DARK = ["#5aaee8", "#ff8a4c", "#3fc79a", "#e58fc0", "#e6b84a", "#8fd3ff", "#b3a2f0", "#aab4bf"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const AXES = { step: "step", time: "time (UTC)", relative: "since the run began" };
const BLOCKS_MOST = 20;
const REST = 10;
const KEYS_AT_ONCE = 12;
const KEYS_LENGTH = 40_000;
const LONG = 80;
const VALUE = 40;
const STAY_MS = 120;

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const charts = new Map();
let plotly = null;

/** Draw a figure, now and whenever its data- attributes are read again. */
export function attach(figure) {
  if (!charts.has(figure)) {
    charts.set(figure, new Chart(figure));
    inView.observe(figure);
  }
  return charts.get(figure);
}

/**
 * Read the points of all figures again; those out of view wait until they are seen. What takes long to read is not read
 * all the time, unless it is the last.
 */
export function refresh(isLast = false) {
  for (const chart of charts.values()) {
    if (isLast || performance.now() - chart.readAt > REST * chart.took) chart.invalidate();
  }
}

/** The key of the metric in a row of a table. */
export function keyOf(row) {
  return document.querySelector(`[data-series="${CSS.escape(row)}"]`)?.dataset.key ?? "";
}

/** Load what lets charts be zoomed, and draw those in view with it. */
async function enliven(chart) {
  chart.figure.setAttribute("aria-busy", "true");
  try {
    await load();
    for (const each of charts.values()) if (each.isSeen || each === chart) each.draw();
  } catch (error) {
    chart.fail(error);
  } finally {
    chart.figure.removeAttribute("aria-busy");
  }
}

/** Draw what is there of all figures again. */
export function redraw() {
  for (const chart of charts.values()) chart.draw();
}

const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const chart = charts.get(entry.target);
    if (chart) chart.seen(entry.isIntersecting);
  }
}, { rootMargin: "200px" });

/** Load the script that draws; once for all. */
export function load() {
  plotly ??= new Promise((resolve, reject) => {
    const version = document.querySelector("[data-plotly]")?.dataset.plotly;
    const script = document.createElement("script");
    script.src = `/static/plotly/${encodeURIComponent(version ?? "")}/plotly.js`;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      plotly = null;
      script.remove();
      reject(new Error("the script that draws charts could not be loaded"));
    });
    document.head.append(script);
  });
  return plotly;
}

// -- reading ---------------------------------------------------------------------------------------------------

const waiting = new Map();

/** Read curves: `{source, runs, keys, x, points, from, to}`; what figures ask for in one moment goes out as one question. */
export function read(asked) {
  const { keys, ...rest } = asked;
  const name = JSON.stringify(rest);
  if (!waiting.has(name)) {
    waiting.set(name, { rest, wants: [] });
    setTimeout(() => {
      const group = waiting.get(name);
      waiting.delete(name);
      send(group);
    }, 20);
  }
  return new Promise((resolve, reject) => waiting.get(name).wants.push({ keys, resolve, reject }));
}

async function send({ rest, wants }) {
  let batch = [];
  const most = rest.band ? 1 : KEYS_AT_ONCE;
  const isFull = ({ keys }) => {
    const all = [...new Set([...batch.flatMap((want) => want.keys), ...keys])];
    return all.length > most || all.reduce((sum, key) => sum + encodeURIComponent(key).length, 0) > KEYS_LENGTH;
  };
  for (const want of [...wants, null]) {
    if (batch.length && (want === null || isFull(want))) {
      answer(rest, batch);
      batch = [];
    }
    if (want !== null) batch.push(want);
  }
}

async function answer(rest, batch) {
  try {
    const found = await fetchAll(rest, [...new Set(batch.flatMap((want) => want.keys))]);
    for (const want of batch) {
      const has = (each) => want.keys.includes(each.key);
      want.resolve({
        ...found,
        series: found.series.filter(has),
        failures: found.failures.filter(has),
        absent: found.absent.filter((key) => want.keys.includes(key)),
      });
    }
  } catch (error) {
    for (const want of batch) want.reject(error);
  }
}

async function fetchAll({ source, runs, x, points, from, to, band, color }, keys) {
  const query = new URLSearchParams();
  for (const run of runs) query.append("runs", run);
  for (const key of keys) query.append("keys", key);
  query.set("x", x);
  query.set("points", points);
  if (from !== null) query.set("from", from);
  if (to !== null) query.set("to", to);
  if (band) query.set("band", band);
  if (band && color) query.set("color", color);
  const whole = { runs: new Map(), series: [], missing: [], absent: [], failures: [], notes: [] };
  for (let block = 0; block < BLOCKS_MOST; block += 1) {
    const response = await fetch(`${source}?${query}`, { headers: { accept: "application/json" } });
    if (!response.ok) {
      throw new Error(response.status === 404 ? "there is nothing here any more" : `the server said ${response.status}`);
    }
    const found = await response.json();
    for (const run of found.runs) whole.runs.set(run.cuid, run);
    whole.series.push(...found.series.map((each) => ({ ...each, run: found.runs[each.run] })));
    whole.missing = found.missing;
    whole.absent.push(...found.absent);
    whole.failures.push(...found.failures);
    whole.notes.push(...found.notes);
    if (found.following === null) return whole;
    query.set("after", found.following);
  }
  whole.failures.push({ key: keys[0], run: "", reason: "these are too many curves to show all of them" });
  return whole;
}

// -- drawing ---------------------------------------------------------------------------------------------------

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.isSeen = false;
    this.isStale = true;
    this.turn = 0;
    this.readAt = 0;
    this.took = 0;
    this.range = { from: null, to: null };
    this.hidden = new Set();
    this.found = null;
    const text = document.createElement("div");
    text.className = "chart-text";
    text.append(...figure.childNodes);
    this.text = text;
    this.title = document.createElement("figcaption");
    this.title.textContent = figure.dataset.title ?? "";
    this.title.id = `chart-${charts.size}`;
    this.plot = document.createElement("div");
    this.plot.className = "chart-plot";
    this.legend = document.createElement("ul");
    this.legend.className = "chart-legend";
    this.note = document.createElement("p");
    this.note.className = "chart-note";
    figure.setAttribute("aria-labelledby", this.title.id);
    figure.append(this.title, this.plot, this.legend, this.note, text);
    this.listen();
  }

  /** Wait for somebody who points at it, and does not only pass over it. */
  listen() {
    let staying = null;
    const wanted = () => {
      if (!window.Plotly && this.found?.series.length) enliven(this);
    };
    this.plot.addEventListener("pointerenter", () => {
      staying = setTimeout(wanted, STAY_MS);
    });
    this.plot.addEventListener("pointerleave", () => clearTimeout(staying));
    this.plot.addEventListener("pointerdown", wanted);
    new ResizeObserver(() => {
      if (this.plot.querySelector(":scope > .chart-sketch")) this.sketch();
    }).observe(this.plot);
  }

  get asked() {
    const given = this.figure.dataset;
    return {
      source: given.source,
      runs: JSON.parse(given.runs),
      keys: given.keys ? JSON.parse(given.keys) : [keyOf(given.row)],
      x: given.x || "step",
      points: Number(given.points || 600),
      band: given.band ?? "",
      color: given.color ?? "",
      ...this.range,
    };
  }

  seen(isSeen) {
    this.isSeen = isSeen;
    if (isSeen && this.isStale) this.update();
    else if (isSeen && window.Plotly && this.plot.querySelector(":scope > .chart-sketch")) this.draw();
  }

  invalidate() {
    this.isStale = true;
    if (this.isSeen) this.update();
  }

  async update() {
    this.isStale = false;
    const turn = (this.turn += 1);
    this.figure.setAttribute("aria-busy", "true");
    const begun = performance.now();
    try {
      const reading = read(this.asked).finally(() => {
        this.readAt = performance.now();
        this.took = this.readAt - begun;
      });
      const found = await reading;
      if (turn !== this.turn) return;
      this.found = found;
      this.draw();
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    } finally {
      if (turn === this.turn) this.figure.removeAttribute("aria-busy");
    }
  }

  fail(error) {
    const isThere = this.plot.querySelector(":scope > .chart-sketch") !== null;
    const lacking = isThere ? "The curves cannot be zoomed" : "The curves could not be loaded";
    this.note.textContent = `${lacking}: ${error.message}. `;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "plain";
    again.textContent = "Try again";
    again.addEventListener("click", () => (isThere ? enliven(this) : this.update()));
    this.note.append(again);
  }

  /** Draw the curves as lines that answer to nothing, between the bounds of what they show. */
  sketch() {
    const { log = "", smooth = "0", x: axis } = this.figure.dataset;
    const place = (value, axis) => (log.includes(axis) ? (value > 0 ? Math.log10(value) : null) : value);
    this.colors = JSON.parse(this.figure.closest("[data-colors]")?.dataset.colors ?? "{}");
    const curves = this.found.series.map((each, at) => this.curve(each, at));
    const floor = log.includes("y") ? leastAbove(curves) : null;
    const unit = axis === "relative" ? unitOf(this.found.series) : null;
    const lines = curves.filter(({ id }) => !this.hidden.has(id)).map(({ each, color, dash }) => {
      const values = Number(smooth) > 0 ? smoothed(each.y, Number(smooth)) : each.y;
      const placed = (x, y) => [place(unit === null ? x : x / unit.size, "x"), place(y, "y")];
      const around = outlines(each, floor).map((outline) => outline.map(([x, y]) => placed(x, y)));
      return { color, dash, around, points: values.map((y, at) => placed(each.x[at], y)) };
    });
    const known = ([x, y]) => x !== null && y !== null;
    const there = lines.flatMap(({ points, around }) => [...points, ...around.flat()].filter(known));
    this.tell(curves, log);
    if (!there.length) {
      this.plot.replaceChildren();
      return;
    }
    const [left, right] = bounds(there.map(([x]) => x), axis === "time" ? 30 * SECOND : 0.5);
    const [low, high] = bounds(there.map(([, y]) => y), 0);
    const rows = ticks(low, high, 7, log.includes("y") ? "log" : "");
    const edge = Math.max(48, 12 + 7 * rows.reduce((most, [, said]) => Math.max(most, said.length), 0));
    const [width, height] = [Math.max(this.plot.clientWidth - edge - 12, 50), 206];
    const across = (x) => edge + ((x - left) / (right - left)) * width;
    const up = (y) => 8 + ((high - y) / (high - low)) * height;
    const whole = edge + width + 12;
    const drawing = element("svg", { class: "chart-sketch", width: whole, height: 260, "aria-hidden": "true" });
    const write = (x, y, anchor, said) => {
      const label = element("text", { x, y, "text-anchor": anchor });
      label.textContent = said;
      drawing.append(label);
    };
    const rule = (x1, y1, x2, y2) => drawing.append(element("line", { x1, y1, x2, y2 }));
    for (const [y, said] of rows) {
      write(edge - 6, up(y) + 4, "end", said);
      rule(edge, up(y), edge + width, up(y));
    }
    const bottom = 8 + height;
    rule(edge, bottom, edge + width, bottom);
    const kind = axis === "time" ? axis : log.includes("x") ? "log" : "";
    for (const [x, said] of ticks(left, right, Math.max(Math.floor(width / 80), 2), kind)) {
      write(Math.min(across(x), whole - 4 * said.length), bottom + 17, "middle", said);
      rule(across(x), bottom, across(x), bottom + 4);
    }
    write(edge + width / 2, bottom + 36, "middle", cut(titleOf(axis, unit, kind === "time" ? daysOf(left, right) : "")));
    for (const { points, color, dash, around } of lines) {
      for (const outline of around) {
        const corners = outline.filter(known).map(([x, y]) => `${across(x).toFixed(1)} ${up(y).toFixed(1)}`);
        if (corners.length) drawing.append(element("path", { d: `M${corners.join("L")}Z`, style: `fill:${color}`, class: "chart-band" }));
      }
      let isGap = true;
      const path = points.map(([x, y]) => {
        if (x === null || y === null) {
          isGap = true;
          return "";
        }
        const step = `${isGap ? "M" : "L"}${across(x).toFixed(1)} ${up(y).toFixed(1)}`;
        isGap = false;
        return step;
      });
      const pattern = dash === "solid" ? "none" : dash === "dot" ? "2 3" : "6 4";
      drawing.append(element("path", { d: path.join(""), stroke: color, "stroke-dasharray": pattern }));
      const isThere = (at) => at in points && known(points[at]);
      points.forEach(([x, y], at) => {
        // A line needs two points: one by itself is a dot.
        if (!isThere(at) || isThere(at - 1) || isThere(at + 1)) return;
        drawing.append(element("circle", { cx: across(x).toFixed(1), cy: up(y).toFixed(1), r: 3, style: `fill:${color}` }));
      });
    }
    this.plot.replaceChildren(drawing);
  }

  draw() {
    if (!this.found) return;
    if (!window.Plotly) {
      this.sketch();
      return;
    }
    this.plot.querySelector(":scope > .chart-sketch")?.remove();
    const given = this.figure.dataset;
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(name).trim();
    const smooth = Math.min(Math.max(Number(given.smooth) || 0, 0), 0.999);
    const log = given.log ?? "";
    const unit = given.x === "relative" ? unitOf(this.found.series) : null;
    this.colors = JSON.parse(this.figure.closest("[data-colors]")?.dataset.colors ?? "{}");
    const curves = this.found.series.map((each, place) => this.curve(each, place));
    const traces = [];
    const floor = log.includes("y") ? leastAbove(curves) : null;
    for (const { each, id, name, color } of curves) {
      const corners = outlines(each, floor).flatMap((outline) => [...outline, [null, null]]);
      if (!corners.length) continue;
      traces.push({
        type: "scatter", mode: "lines", x: corners.map(([x]) => x), y: corners.map(([, y]) => y), name: plain(name),
        fill: "toself", fillcolor: `${color}${dark.matches ? "52" : "2e"}`, line: { width: 0 }, hoverinfo: "skip", visible: !this.hidden.has(id),
      });
    }
    for (const { each, id, name, color, dash } of curves) {
      const x = unit ? each.x.map((seconds) => seconds / unit.size) : each.x;
      const isShown = !this.hidden.has(id);
      const line = { color, dash, width: 1.7 };
      const mode = each.y.length === 1 ? "markers" : "lines";
      const common = { type: "scatter", mode, x, connectgaps: false, visible: isShown, marker: { color, size: 6 } };
      if (smooth > 0 && each.y.length > 1) {
        traces.push({ ...common, y: each.y, line: { ...line, width: 1 }, opacity: 0.28, hoverinfo: "skip" });
        traces.push({ ...common, y: smoothed(each.y, smooth), name: plain(`${name} (smoothed)`), line });
      } else {
        const text = each.low && each.low.map((low, at) => (low === null ? "" : `(${short(low)} to ${short(each.high[at])})`));
        traces.push({ ...common, y: each.y, name: plain(name), line, ...(text && { text }) });
      }
    }
    for (const trace of traces) {
      if (trace.hoverinfo !== "skip") trace.hovertemplate = `%{y:.6g}${trace.text ? " %{text}" : ""} at %{x}`;
    }
    const axis = {
      gridcolor: ink("--line"), linecolor: ink("--line"), zerolinecolor: ink("--line"), automargin: true,
      tickfont: { color: ink("--soft"), size: 11 }, exponentformat: "e",
    };
    const title = titleOf(given.x, unit);
    const layout = {
      autosize: true, height: 260, margin: { l: 48, r: 12, t: 8, b: 40 }, showlegend: false, hovermode: "closest",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink("--ink"), family: "system-ui, sans-serif", size: 12 },
      hoverlabel: { bgcolor: ink("--raised"), bordercolor: ink("--line"), font: { color: ink("--ink") }, namelength: 60 },
      xaxis: {
        ...axis, exponentformat: "SI", title: { text: plain(title), font: { size: 11, color: ink("--soft") }, standoff: 8 },
        type: given.x === "time" ? "date" : log.includes("x") ? "log" : "linear",
      },
      yaxis: { ...axis, type: log.includes("y") ? "log" : "linear" },
      uirevision: `${given.x}${log}`,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: ink("--soft"), activecolor: ink("--ink") },
    };
    const config = {
      displaylogo: false, showSendToCloud: false, plotlyServerURL: "", responsive: true,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "toggleSpikelines"],
    };
    const isFirst = !this.plot.classList.contains("js-plotly-plot");
    window.Plotly.react(this.plot, traces, layout, config);
    if (isFirst) this.plot.on("plotly_relayout", (changed) => this.zoom(changed));
    this.tell(curves, log);
  }

  curve(each, place) {
    const colors = dark.matches ? DARK : LIGHT;
    const [chosen, value, order] = this.colors[each.run.cuid] ?? [null, null, 0];
    const labels = [...new Set(this.found.series.map((one) => one.label))];
    const who = each.n ? `${cut(each.name, VALUE)} (${each.n})` : each.run.name;
    const name = labels.length === 1 ? who : this.found.runs.size === 1 && !each.n ? each.label : `${who} · ${each.label}`;
    const turn = chosen ? labels.indexOf(each.label) : Math.floor(place / colors.length);
    const id = value !== null && !each.n ? `${value} ${each.label}` : `${each.run.cuid} ${each.label}`;
    const entry = value === null || each.n ? name : labels.length === 1 ? value : `${value} · ${each.label}`;
    const dash = DASHES[turn % DASHES.length];
    return { each, id, name: cut(name), entry: cut(entry), order, color: chosen ?? colors[place % colors.length], dash };
  }

  /** Show names, what was left out, and in words what the picture shows. */
  tell(curves, log) {
    // One entry of all the runs that a colour stands for.
    const entries = [...new Map(curves.toReversed().map((curve) => [curve.id, curve])).values()].reverse();
    entries.sort((one, other) => one.order - other.order);
    const isTold = curves.length > 1 || curves.some(({ each }) => each.n);
    this.legend.replaceChildren(...(isTold ? entries.map((curve) => this.entry(curve)) : []));
    const said = [];
    const thinned = curves.filter(({ each }) => each.total > each.y.length).length;
    const more = window.Plotly && (this.figure.dataset.x || "step") === "step" && !log.includes("x") ? "; zoom in for more" : "";
    if (thinned) said.push(`drawn from up to ${Number(this.figure.dataset.points || 600)} points a curve${more}`);
    const below = log.includes("y") ? curves.filter(({ each }) => [...each.y, ...(each.low ?? [])].some((y) => y !== null && y <= 0)).length : 0;
    if (below) said.push("values of 0 or less have no place on a logarithmic axis");
    said.push(...this.found.notes);
    for (const key of this.found.absent) said.push(`there is no ${cut(key)}`);
    if (this.found.missing.length) said.push(`${this.found.missing.length} of the runs are gone`);
    for (const each of this.found.failures.slice(0, 3)) said.push(`${cut(each.key)}: ${each.reason}`);
    this.note.textContent = said.join(" · ");
    const words = curves.slice(0, 20).map(({ each, name }) => {
      const there = each.y.filter((y) => y !== null);
      if (!there.length) return `${name}: no number`;
      const low = there.reduce((one, other) => Math.min(one, other));
      const high = there.reduce((one, other) => Math.max(one, other));
      return `${name}: last ${short(there[there.length - 1])}, between ${short(low)} and ${short(high)}`;
    });
    this.text.textContent = words.length ? words.join("; ") : "There is nothing to draw.";
    this.figure.classList.add("drawn");
    this.figure.classList.toggle("bare", !curves.length);
  }

  entry({ id, entry, color, dash }) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const mark = document.createElement("span");
    mark.className = "chart-mark";
    mark.style.borderTop = `3px ${dash === "solid" ? "solid" : dash === "dot" ? "dotted" : "dashed"} ${color}`;
    button.type = "button";
    button.setAttribute("aria-pressed", String(!this.hidden.has(id)));
    button.title = `Show or hide ${entry}`;
    button.append(mark, entry);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(id)) this.hidden.add(id);
      this.draw();
      this.legend.querySelector(`[data-entry="${CSS.escape(id)}"]`)?.focus();
    });
    button.dataset.entry = id;
    item.append(button);
    return item;
  }

  /** Read the part that is looked at in more detail. */
  zoom(changed) {
    if ((this.figure.dataset.x || "step") !== "step" || (this.figure.dataset.log ?? "").includes("x")) return;
    const [low, high] = [changed["xaxis.range[0]"], changed["xaxis.range[1]"]];
    if (changed["xaxis.autorange"]) {
      if (this.range.from === null) return;
      this.range = { from: null, to: null };
    } else if (low !== undefined && high !== undefined) {
      const margin = (high - low) / 10;
      this.range = { from: Math.floor(low - margin), to: Math.ceil(high + margin) };
    } else {
      return;
    }
    this.update();
  }
}

/** Average over what came before, each value weighing less than the one after it; gaps stay gaps. */
export function smoothed(values, weight) {
  let sum = 0;
  let weights = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * weight + value * (1 - weight);
    weights = weights * weight + (1 - weight);
    return sum / weights;
  });
}

/** Return the smallest number above 0 that curves have: a logarithmic axis has no place below. */
function leastAbove(curves) {
  const above = curves.flatMap(({ each }) => [...each.y, ...(each.low ?? [])]).filter((value) => value > 0);
  return above.length ? above.reduce((one, other) => Math.min(one, other)) : null;
}

/** Return the corners of each part of a band: along its upper edge, and back along the lower one. */
function outlines(each, floor) {
  const parts = [[]];
  (each.low ?? []).forEach((low, at) => {
    const high = each.high[at];
    if (low === null || high === null || (floor !== null && high < floor)) parts.push([]);
    else parts[parts.length - 1].push([each.x[at], floor === null ? low : Math.max(low, floor), high]);
  });
  return parts.filter((part) => part.length > 1).map((part) => [
    ...part.map(([x, , high]) => [x, high]),
    ...part.toReversed().map(([x, low]) => [x, low]),
  ]);
}

/** Return between which numbers values lie; around a single one there is a margin. */
function bounds(values, alone) {
  const low = values.reduce((one, other) => Math.min(one, other));
  const high = values.reduce((one, other) => Math.max(one, other));
  const margin = low < high ? 0 : alone || Math.abs(low) / 2 || 0.5;
  return [low - margin, high + margin];
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function unitOf(series) {
  const most = series.reduce((most, each) => Math.max(most, each.x[each.x.length - 1] ?? 0), 0);
  if (most > 48 * 3600) return { size: 86400, name: "days" };
  if (most > 2 * 3600) return { size: 3600, name: "hours" };
  return most > 180 ? { size: 60, name: "minutes" } : { size: 1, name: "seconds" };
}

const short = (value, digits = 6) => Number(value.toPrecision(digits)).toString();

const titleOf = (axis, unit, days = "") => (unit ? `${AXES.relative} (${unit.name})` : (AXES[axis || "step"] ?? axis) + days);

function daysOf(left, right) {
  const [first, last] = [left, right].map((time) => new Date(time).toISOString().slice(0, 10));
  return first === last ? `, ${first}` : `, ${first} to ${last}`;
}

const SECOND = 1000;
const DAY = 86_400 * SECOND;
const CLOCK = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];

/** Return how far apart round numbers are: at least so far, and 1, 2 or 5 times a power of ten. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((each) => each * power >= least) ?? 10);
}

function multiples(low, high, step, most) {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.min(Math.floor(high / step + 1e-9) - first, most) + 1;
  return Array.from({ length: count > 0 ? count : 0 }, (_, place) => (first + place) * step);
}

/** Return the places of an axis that have a number, and each number, of about as many as asked for. */
function ticks(low, high, most, kind) {
  const least = (high - low) / most;
  if (kind === "time") {
    const step = least < SECOND / 2
      ? Math.max(roundStep(least), 1)
      : SECOND * CLOCK.find((each) => each * SECOND >= least) || DAY * Math.max(roundStep(least / DAY), 1);
    const part = step < SECOND ? [11, 23] : step < 60 * SECOND ? [11, 19] : step < DAY ? [11, 16] : [0, 10];
    return multiples(low, high, step, most).map((time) => [time, new Date(time).toISOString().slice(...part)]);
  }
  if (kind !== "log") return multiples(low, high, roundStep(least), most).map((value) => [value, spell(value)]);
  const powers = multiples(low, high, Math.max(Math.ceil(least), 1), most);
  const within = (value) => Math.log10(value) >= low && Math.log10(value) <= high;
  let values = powers.map((power) => 10 ** power);
  if (values.length < 3 && high - low < 4) {
    const decades = multiples(Math.floor(low), Math.ceil(high), 1, 9);
    values = decades.flatMap((power) => [1, 2, 5].map((each) => each * 10 ** power)).filter(within);
  }
  if (values.length < 3) values = multiples(10 ** low, 10 ** high, roundStep((10 ** high - 10 ** low) / most), most);
  return values.map((value) => [Math.log10(value), spell(value)]);
}

/** Write a round number as short as it can be. */
function spell(value) {
  const number = Number(value.toPrecision(14));
  const [whole, power] = [String(number), number.toExponential().replace("e+", "e")];
  return whole.length > 6 && power.length < whole.length ? power : whole;
}

/** Shorten a text, and leave no half of a letter at its end. */
const cut = (text, most = LONG) => (text.length > most ? `${text.slice(0, most).replace(/[\uD800-\uDBFF]$/, "")}…` : text);
/** Plotly reads a little HTML in its texts: a name is none. */
const plain = (text) => cut(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// -- the page --------------------------------------------------------------------------------------------------

/** How a form says that charts are drawn. */
function chosen(form) {
  const said = new FormData(form);
  const row = form.elements.x?.selectedOptions[0]?.dataset.row;
  const x = (row ? keyOf(row) : said.get("x")) || "step";
  return { x, log: said.getAll("log").join(""), smooth: said.get("smooth") || "0" };
}

function control(form) {
  const apply = () => {
    const address = new URL(window.location.href);
    const values = chosen(form);
    for (const [name, value] of Object.entries(values)) {
      if (value === "" || value === "0" || value === "step") address.searchParams.delete(name);
      else address.searchParams.set(name, value);
    }
    window.history.replaceState(null, "", address);
    for (const [figure, chart] of charts) {
      const isMoved = (figure.dataset.x || "step") !== values.x;
      Object.assign(figure.dataset, values);
      if (isMoved) {
        chart.range = { from: null, to: null };
        chart.invalidate();
      } else {
        chart.draw();
      }
    }
    const shown = form.querySelector("output");
    if (shown) shown.textContent = values.smooth;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
}

const controls = document.querySelector("form[data-chart-controls]");
for (const figure of document.querySelectorAll("[data-chart]")) {
  if (controls && !("x" in figure.dataset)) Object.assign(figure.dataset, chosen(controls));
  attach(figure);
}
for (const form of document.querySelectorAll("form[data-chart-controls]")) control(form);
dark.addEventListener("change", redraw);

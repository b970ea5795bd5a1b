// Makes the table of runs live: completes keys in filters and orders, and keeps what is selected
// and how curves are drawn while one goes from page to page.

const WORD = /[A-Za-z_][\w.\/-]*$/;
const MOST = 12;

function complete(input, names, statistics) {
  const label = input.closest("label");
  // Beside the label, not in it: what is offered is no part of the field's name.
  const holder = document.createElement("div");
  holder.className = `completed ${label.className}`;
  label.replaceWith(holder);
  const list = document.createElement("ul");
  list.className = "completions";
  list.id = `completions-${input.name}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Keys");
  list.hidden = true;
  holder.append(label, list);
  input.removeAttribute("list");
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  let chosen = -1;

  const close = () => {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const word = () => {
    const found = WORD.exec(input.value.slice(0, input.selectionStart));
    return found ? found[0] : "";
  };
  const take = (name) => {
    const end = input.selectionStart;
    input.setRangeText(name, end - word().length, end, "end");
    close();
    input.focus();
  };
  const mark = (place) => {
    chosen = place;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === place)));
    if (place < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[place].id);
      list.children[place].scrollIntoView({ block: "nearest" });
    }
  };
  const open = () => {
    const begun = word().toLowerCase();
    // Behind a metric and a point: what there is of it.
    const metric = names.find((name) => name.startsWith("summary") && word().startsWith(`${name}.`));
    const offered = metric ? statistics.map((statistic) => `${metric}.${statistic}`) : names;
    const fitting = begun
      ? offered.filter((name) => name.toLowerCase().includes(begun) && name !== word())
      : [];
    fitting.sort((a, b) => Number(b.toLowerCase().startsWith(begun)) - Number(a.toLowerCase().startsWith(begun)));
    list.replaceChildren(
      ...fitting.slice(0, MOST).map((name, at) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${at}`;
        item.setAttribute("role", "option");
        item.textContent = name;
        item.addEventListener("mousedown", (event) => {
          event.preventDefault();
          take(name);
        });
        return item;
      }),
    );
    if (!fitting.length) return close();
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(-1);
  };

  close();
  input.addEventListener("input", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const count = list.children.length;
    if (event.key === "ArrowDown") mark((chosen + 1) % count);
    else if (event.key === "ArrowUp") mark(chosen > 0 ? chosen - 1 : count - 1);
    else if (event.key === "Escape") close();
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(list.children[chosen].textContent);
    else return;
    event.preventDefault();
  });
}

for (const input of document.querySelectorAll("[data-complete]")) {
  const held = document.getElementById(input.dataset.complete);
  const names = [...held.querySelectorAll("option")].map((option) => option.value);
  complete(input, names, (held.dataset.statistics ?? "").split(" "));
}

// Buttons that only show something of what is selected.
const SHOWING = ["compare", "draw", "report"];
const sentFrom = (project) => `sent ${project}`;
const selectedOf = (project) => `selected ${project}`;

// What was selected is selected no more once that was done which a button of the table was pressed for. The line that
// says what was done is also there when the page is shown again later, and then nothing is forgotten.
for (const line of document.querySelectorAll("[data-done]")) {
  const sent = sessionStorage.getItem(sentFrom(line.dataset.done));
  if (sent === null || sent === window.location.href) continue;
  sessionStorage.removeItem(selectedOf(line.dataset.done));
  sessionStorage.removeItem(sentFrom(line.dataset.done));
}

function select(form) {
  const key = selectedOf(form.dataset.selection);
  sessionStorage.removeItem(sentFrom(form.dataset.selection));
  const read = () => {
    try {
      return JSON.parse(sessionStorage.getItem(key)) ?? [];
    } catch {
      return [];
    }
  };
  const selected = new Set(read());
  const boxes = [...form.querySelectorAll('input[name="run"]')];
  const [chosen] = form.querySelectorAll('input[name="which"][value="chosen"]');
  const counts = form.querySelectorAll("[data-count]");
  const clears = form.querySelectorAll("[data-clear]");
  const head = form.querySelector("th.pick");
  if (!chosen || !head) return;
  const every = document.createElement("input");
  every.type = "checkbox";
  every.setAttribute("aria-label", "Select all on this page");
  head.append(every);

  const show = () => {
    for (const box of boxes) box.checked = selected.has(box.value);
    const here = boxes.filter((box) => box.checked).length;
    every.checked = here === boxes.length && here > 0;
    every.indeterminate = here > 0 && here < boxes.length;
    const elsewhere = selected.size - here;
    const told = `${selected.size.toLocaleString("en")} selected${elsewhere ? `, ${elsewhere.toLocaleString("en")} of them not on this page` : ""}`;
    for (const count of counts) count.textContent = told;
    for (const clear of clears) clear.hidden = !selected.size;
    form.classList.toggle("some", selected.size > 0);
  };
  const keep = () => {
    sessionStorage.setItem(key, JSON.stringify([...selected]));
    chosen.checked = true;
    show();
  };
  form.addEventListener("change", (event) => {
    if (event.target === every) for (const box of boxes) selected[every.checked ? "add" : "delete"](box.value);
    else if (event.target.name === "run") selected[event.target.checked ? "add" : "delete"](event.target.value);
    else return;
    keep();
  });
  for (const clear of clears) {
    clear.addEventListener("click", () => {
      selected.clear();
      keep();
    });
  }
  form.addEventListener("submit", (event) => {
    if (SHOWING.includes(event.submitter?.value)) return;
    sessionStorage.setItem(sentFrom(form.dataset.selection), window.location.href);
  });
  form.addEventListener("formdata", (event) => {
    event.formData.delete("run");
    event.formData.append("run", [...selected].join(" "));
  });
  sessionStorage.setItem(key, JSON.stringify([...selected]));
  show();
}

for (const form of document.querySelectorAll("form[data-selection]")) select(form);

// How curves are drawn is changed in the address alone: what leads away from this page takes it along.
const DRAWN = ["x", "log", "smooth"];

function carry(entries) {
  const here = new URL(window.location.href).searchParams;
  for (const name of DRAWN) {
    if (here.has(name)) entries.set(name, here.get(name));
    else entries.delete(name);
  }
}

if (document.querySelector("form[data-chart-controls]")) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("main a[href]");
    if (!link) return;
    const address = new URL(link.href);
    if (address.pathname !== window.location.pathname || address.origin !== window.location.origin) return;
    carry(address.searchParams);
    link.href = address.href;
  }, true);
  document.addEventListener("formdata", (event) => {
    if (event.target.matches("[data-chart-controls]")) return;
    if (event.target.method === "get") carry(event.formData);
    else if (event.formData.has("back")) event.formData.set("back", window.location.pathname + window.location.search);
  }, true);
}

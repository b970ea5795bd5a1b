// Makes the table of runs live: completes keys in filters and orders.

const WORD = /[A-Za-z_][\w.\/-]*$/;
const MOST = 12;

function complete(input, names) {
  const holder = input.closest("label");
  const list = document.createElement("ul");
  list.className = "completions";
  list.id = `completions-${input.name}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Keys");
  list.hidden = true;
  holder.classList.add("completed");
  holder.append(list);
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
    const fitting = begun
      ? names.filter((name) => name.toLowerCase().includes(begun) && name !== word())
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
  complete(input, [...held.querySelectorAll("option")].map((option) => option.value));
}

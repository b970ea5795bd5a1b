// What scrolls sideways can be reached and scrolled with the keyboard, also where nothing in it can be focused.

const fits = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));

function mark(part) {
  if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  else part.removeAttribute("tabindex");
}

function watch() {
  document.querySelectorAll(".wide").forEach((part) => fits.observe(part));
}

let due = false;
function watchSoon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    watch();
  });
}

watch();
new MutationObserver(watchSoon).observe(document.getElementById("main"), { childList: true, subtree: true });

// Moving from step to step, keys, theme, and the start of the page.

// ---- moving from step to step

function go(index, announce = true) {
  state.step = Math.max(0, Math.min(STEPS.length - 1, index));
  const step = STEPS[state.step];
  if (location.hash !== `#step-${state.step}`)
    history.replaceState(null, "", `#step-${state.step}`);
  show();
  const top = $("main").getBoundingClientRect().top;
  if (announce && (top < -1 || top > window.innerHeight * 0.6))
    $("main").scrollIntoView({ block: "start" });
  if (announce)
    $("announce").textContent =
      `Step ${step.index} of ${STEPS.length - 1}: ${step.title}, ${step.direction}, ${step.part}`;
}

function fromHash(announce) {
  const found = /^#step-(\d+)$/.exec(location.hash);
  if (found || !location.hash) go(found ? Number(found[1]) : 0, announce);
}

const KEYS = {
  ArrowRight: () => state.step + 1,
  j: () => state.step + 1,
  ArrowLeft: () => state.step - 1,
  k: () => state.step - 1,
  Home: () => 0,
  End: () => STEPS.length - 1,
};

function key(event) {
  const wanted = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (
    !wanted ||
    event.ctrlKey ||
    event.altKey ||
    event.metaKey ||
    event.shiftKey ||
    event.target.matches("input, select, textarea")
  )
    return;
  event.preventDefault();
  go(wanted());
}

// ---- light and dark

function theme() {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const set = (dark) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("theme").textContent = dark ? "Light" : "Dark";
    $("theme").setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
  };
  set(system.matches);
  system.addEventListener("change", () => {
    set(system.matches);
    show();
  });
  $("theme").addEventListener("click", () => {
    set(document.documentElement.dataset.theme !== "dark");
    show();
  });
}

function start() {
  theme();
  header();
  list();
  if (window.innerWidth < 960) $("list").open = false;
  $("previous").addEventListener("click", () => go(state.step - 1));
  $("next").addEventListener("click", () => go(state.step + 1));
  $("steps").addEventListener("click", (event) => {
    if (event.target.closest("a") && window.innerWidth < 960) $("list").open = false;
  });
  document.addEventListener("keydown", key);
  window.addEventListener("hashchange", () => fromHash(true));
  if (location.hash.startsWith("#step-")) fromHash(false);
  else go(0, false);
  let width = mainWidth();
  new ResizeObserver(() => {
    if (mainWidth() !== width) {
      width = mainWidth();
      show();
    }
  }).observe($("main"));
}

start();

// The page: its header, the list of steps, the step on show, keys, theme.

const STEPS = DATA.steps, FORWARD = STEPS.filter((step) => step.direction === "forward");
const stem = (step) => step.function.replace(/_(forward|backward)$/, "");

// ---- header

function header() {
  const m = DATA.model, plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const strong = (...inside) => el("strong", {}, ...inside);
  $("summary").append(
    `A GPT of ${plural(m.n_layer, "block")}, ${plural(m.n_head, "head")}, ${m.n_embd} channels and a vocabulary of ${m.vocab_size}: `,
    `${m.parameters.toLocaleString("en")} parameters. ${DATA.tokens.length} tokens go in. The loss is `, strong(`${fixed(DATA.loss)} nats`),
    `; a model that knows nothing pays ln\u00a0${m.vocab_size}\u00a0=\u00a0${fixed(Math.log(m.vocab_size))}. The walk has ${STEPS.length} steps, `,
    `0 to ${FORWARD.length - 1} there and ${FORWARD.length} to ${STEPS.length - 1} back.`);
  if (DATA.broken !== null) $("summary").append(" ", strong("The first NaN or infinity comes out of ", el("a", { href: `#step-${DATA.broken}` }, `step ${DATA.broken}`), "."));
  $("rounding").textContent = `Numbers on the page are rounded to three digits after the point, and the data in it to ${DATA.digits} significant ones. ` +
    "Where a matrix is too large for the page, a part of it is shown, and its caption says which share.";
  DATA.tokens.forEach((token, t) => $("tokens").append(chip(token, t)));
}

function chip(token, t) {
  const known = DATA.kept_tokens.includes(t), y = DATA.targets[t], input = el("input", { type: "radio", name: "token", value: t });
  input.checked = t === state.token;
  input.disabled = !known;
  input.addEventListener("change", () => { state.token = t; show(); });
  const next = y < 0 ? "–" : `→ ${symbol(y)}`;
  const label = `token ${t}: ${token}, ${y < 0 ? "no target" : `next is ${symbol(y)}`}${known ? "" : ", not kept on this page"}`;
  input.setAttribute("aria-label", label);
  return el("label", { title: label }, input, el("span", { "aria-hidden": "true" }, el("b", {}, token), el("small", {}, next)));
}

// ---- the list of steps, and the track: there above, back below

function list() {
  for (const [direction, title, note] of [["forward", "Forward →", "from the text to the loss"], ["backward", "← Backward", "from the loss to the gradients"]]) {
    const section = el("section", {}, el("h2", {}, title), el("p", {}, note));
    let part = null, items = null;
    for (const step of STEPS.filter((one) => one.direction === direction)) {
      if (step.part !== part) {
        part = step.part;
        items = el("ol", { "aria-label": `${direction}: ${part}` });
        section.append(el("h3", {}, part), items);
      }
      items.append(el("li", {}, el("a", { href: `#step-${step.index}`, "data-depth": Math.min(2, step.depth) },
        el("span", {}, String(step.index)), el("span", {}, step.title))));
    }
    $("steps").append(section);
  }
}

function track() {
  const width = $("track").clientWidth || 300, at = new Map();
  FORWARD.forEach((step, i) => at.set(`${step.name} ${stem(step)}`, 10 + ((width - 20) * (i + 0.5)) / FORWARD.length));
  const place = (step) => at.get(`${step.name} ${stem(step)}`) ?? width - 10;
  $("track").setAttribute("viewBox", `0 0 ${width} 40`);
  $("track").replaceChildren(svg("path", { class: "rail", d: `M4 12 H${width - 8} Q${width} 12 ${width} 20 T${width - 8} 28 H4` }),
    ...STEPS.map((step) => stop(step, place(step))));
}

function stop(step, x) {
  const now = step.index === state.step, past = step.index < state.step, radius = now ? 6 : step.depth ? 2 : 3;
  const circle = svg("circle", { cx: x, cy: step.direction === "forward" ? 12 : 28, r: radius, class: `stop ${now ? "now" : past ? "past" : ""}` },
    svg("title", {}, `${step.index} ${step.title}`));
  circle.addEventListener("click", () => go(step.index));
  return circle;
}

// ---- the step on show

function show() {
  const step = STEPS[state.step], forward = step.direction === "forward";
  pictures = []; // the old ones are gone
  const place = el("p", { class: "where" }, el("b", {}, forward ? "Forward →" : "← Backward"), ` ${step.part}, step ${step.index} of ${STEPS.length - 1}`);
  const called = el("p", { class: "called" }, el("code", {}, step.name), " calls ", el("code", {}, step.function === "add" ? "+" : step.function));
  const article = $("step");
  article.replaceChildren(place, el("h2", {}, step.title), el("p", { class: "what" }, step.what), called, formulas(step), flow(step));
  const product = step.function === "linear_forward" ? productOf(step) : null;
  if (product) article.append(el("h3", {}, "Goes in, and comes out: row times column"), product);
  else for (const [title, fields] of groups(step)) article.append(el("h3", {}, title), pictured(step, fields));
  article.append(rows(step));
  const predicts = forward && (step.name === "head" || step.name === "loss");
  if (predicts) article.append(prediction());
  if (predicts) drawBars();
  $("said").textContent = "";
  mark(step);
}

function mark(step) {
  for (const link of document.querySelectorAll("#steps a")) {
    const now = link.getAttribute("href") === `#step-${step.index}`;
    if (now) link.setAttribute("aria-current", "step");
    else link.removeAttribute("aria-current");
    if (now && link.offsetParent) within($("list").closest("nav"), link);
  }
  $("previous").disabled = step.index === 0;
  $("next").disabled = step.index === STEPS.length - 1;
  track();
}

// Scroll the list, and nothing else, until the link is in it.
function within(box, link) {
  const top = link.getBoundingClientRect().top - box.getBoundingClientRect().top;
  if (top < 40 || top > box.clientHeight - 80) box.scrollTop += top - box.clientHeight / 2;
}

function formulas(step) {
  const box = el("div", { class: "formulas" });
  if (!step.formulas.length) box.append(el("figure", { class: "formula" }, plainSum(step)));
  for (const id of step.formulas) {
    const { mathml, name, source } = DATA.formulas[id], figure = el("figure", { class: "formula", tabindex: 0, "aria-label": name });
    figure.innerHTML = mathml; // made by mathml.py from minigpt's own formulas, never from the text
    figure.append(el("figcaption", {}, `${name} (${source})`));
    box.append(figure);
  }
  return box;
}

function plainSum(step) {
  const [a, b] = step.fields.filter((one) => one.role === "in"), out = step.fields.find((one) => one.role === "out");
  return el("code", {}, `${out.name} = ${a.name} + ${b.name}`);
}

// What goes in, what happens inside, what comes out; for the way back, what arrives and what goes on.
function groups(step) {
  const forward = step.direction === "forward", of = (role) => step.fields.filter((one) => one.role === role);
  const isGradient = (one) => one.role === "in" && (["dout", "through"].includes(one.name));
  const parts = forward
    ? [["Goes in", of("in")], ["Inside", of("inside")], ["Comes out", of("out")], ["Kept for the way back", of("kept")]]
    : [["Arrives", of("in").filter(isGradient)], ["Goes on, back", of("out")],
      ["Known from the way there", [...of("in").filter((one) => !isGradient(one)), ...of("inside"), ...of("kept")]]];
  return parts.filter(([, fields]) => fields.length);
}

function pictured(step, fields) {
  const box = el("div", { class: "group" });
  for (const one of fields) box.append(figureOf(step, one));
  return box;
}

function figureOf(step, one, options = {}) {
  const limit = step.function === "add" ? sharedLimit(step) : undefined;
  const unit = step.function === "softmax_forward" && one.role === "out";
  const figure = matrix(step, one, { limit, unit, ...options });
  if (options.place !== undefined) figure.classList.add(`at-${["weight", "bias", "x", "out"][options.place]}`);
  for (const check of step.checks.filter((row) => row.name === one.name)) figure.append(checked(check));
  return figure;
}

const sharedLimit = (step) => nice(Math.max(...step.fields.map((one) => view(one)).map((v) => Math.max(-v.low, v.high))));

// A gradient's largest number, and the same by central differences.
function checked({ at, name, got, want, off }) {
  const agree = Math.abs(got - want) <= 1e-4 * (1 + Math.abs(got));
  const line = (what, number) => el("tr", {}, el("th", { scope: "row" }, what), el("td", { class: "n" }, number));
  return el("table", { class: "checks" }, el("caption", {}, `${name}[${at.join(", ")}], `, el("span", { class: agree ? "agree" : "differ" }, agree ? `agree, off by ${off}` : `differ by ${off}`)),
    el("tbody", {}, line("backward", got), line("central difference", want)));
}

// x left of out, weight above it, as one multiplies matrices by hand; null where there is no room for it.
function productOf(step) {
  const fields = ["weight", "bias", "x", "out"].map((name) => step.fields.find((one) => one.name === name && one.role !== "kept"));
  const [weight, , x, out] = fields.map((one) => (one ? view(one) : null));
  const left = gutter(x), right = Math.max(gutter(weight), gutter(out)), room = mainWidth() - left - right - 50;
  const width = room / (x.cols.length + out.cols.length), small = Math.max(weight.rows.length * weight.cols.length, out.rows.length * out.cols.length) <= MOST_RECTANGLES;
  if (window.innerWidth < 960 || (small && width < NUMBER_WIDTH) || width < 4) return null;
  const size = small ? { w: NUMBER_WIDTH, h: 25, numbers: true } : { w: Math.min(12, Math.floor(width)), h: Math.min(12, Math.max(5, Math.floor(width))), numbers: false };
  const box = el("div", { class: "product" });
  fields.forEach((one, i) => one && box.append(figureOf(step, one, { size, gutter: i === 2 ? left : right, place: i })));
  return box;
}

// One token's row of every array, at most six numbers each.
function rows(step) {
  const t = state.token, head = el("tr", {}, ...[["", ""], ["array", ""], ["shape", "shape"], ["numbers", ""]].map(([text, kind]) => el("th", { scope: "col", class: kind }, text)));
  const body = el("tbody");
  for (const one of step.fields) {
    const v = view(one), plane = v.data[0], numbers = plane[v.rowAxis.kind === "token" && v.rows.length > 1 ? v.rowAt.get(t) : 0];
    const text = numbers.slice(0, 6).map((x) => shown(v, x)).join(" ") + (v.colAxis.size > 6 ? " ..." : "");
    body.append(el("tr", { "data-name": v.name, "data-role": v.role }, el("td", {}, ROLES[v.role]), el("th", { scope: "row" }, v.name), el("td", { class: "shape" }, dims(v.shape)), el("td", {}, text)));
  }
  const box = el("section", {}, el("h3", {}, `The row of token ${tokenName(t)} (${t}), at most six numbers`), el("p", { class: "note" }, "Of arrays without tokens, the first row; of several heads, the first."));
  box.append(el("div", { class: "scroll" }, el("table", { class: "rows" }, el("thead", {}, head), body)));
  return box;
}

const ROLES = { in: "in", inside: "inside", out: "out", kept: "kept" };

// ---- the arrows: forward to the right, backward to the left

function flow(step) {
  const box = el("div", { class: "flow" }), forward = step.direction === "forward";
  box.append(...(step.function === "add" && step.name !== "embed" ? [sumFlow(step, forward)] : straightFlow(step, forward)));
  return box;
}

function straightFlow(step, forward) {
  const names = (role) => step.fields.filter((one) => one.role === role).map((one) => one.name);
  const ins = forward ? names("in") : names("in").filter((name) => name === "dout");
  const left = (forward ? ins : names("out")).join(", "), right = (forward ? names("out") : ins).join(", ") || "the loss";
  const middle = step.function === "add" ? "+" : stem(step).replaceAll("_", " ");
  const line = () => svg("svg", { width: 46, height: 12, viewBox: "0 0 46 12", role: "img", "aria-label": forward ? "to" : "from" }, forward ? arrow(0, 46, 6) : arrow(46, 0, 6));
  return [el("code", {}, left), line(), el("i", {}, middle), line(), el("code", {}, right)];
}

function arrow(from, to, y) {
  const side = Math.sign(to - from);
  return svg("g", {}, svg("path", { d: `M${from} ${y} H${to - 5 * side}` }), svg("path", { class: "tip", d: `M${to} ${y} l${-8 * side} -4.5 v9 z` }));
}

// The stream goes straight on; the part is a way round. Backward, the gradient takes both ways and meets itself again.
function sumFlow(step, forward) {
  const part = step.name.endsWith("1") ? "attention" : "MLP", picture = svg("svg", { width: 470, height: 96, viewBox: "0 0 470 96", role: "img",
    "aria-label": forward ? "x goes straight on, and what the part adds joins it" : "the gradient goes both ways: straight on along the stream, and through the part" });
  const [left, right] = forward ? ["x", "out"] : ["dx", "dout"], meet = forward ? 360 : 90, fork = forward ? 90 : 360;
  const way = forward ? 1 : -1;
  picture.append(svg("text", { x: 0, y: 28 }, left), svg("text", { x: 436, y: 28 }, right),
    arrow(forward ? 24 : 430, meet - 11 * way, 24), arrow(meet + 11 * way, forward ? 430 : 26, 24),
    svg("path", { d: `M${fork} 24 C${fork} 74 ${fork + 20 * way} 74 ${fork + 50 * way} 74 H${225 - 48 * way}` }),
    svg("path", { d: `M${225 + 48 * way} 74 H${meet - 50 * way} C${meet - 10 * way} 74 ${meet} 64 ${meet} 42` }),
    svg("path", { class: "tip", d: `M${meet} 35 l-4.5 8 h9 z` }), svg("circle", { cx: meet, cy: 24, r: 10 }),
    svg("path", { d: `M${meet - 5} 24 h10 M${meet} 19 v10` }),
    svg("text", { x: 225, y: 78, "text-anchor": "middle" }, part), svg("text", { x: 225, y: 16, "text-anchor": "middle", class: "soft" }, "the residual stream"),
    svg("text", { x: 225, y: 94, "text-anchor": "middle", class: "soft" }, forward ? "what it adds" : "the gradient goes both ways"));
  return picture;
}

// ---- moving about

function go(index, announce = true) {
  state.step = Math.max(0, Math.min(STEPS.length - 1, index));
  const step = STEPS[state.step];
  if (location.hash !== `#step-${state.step}`) history.replaceState(null, "", `#step-${state.step}`);
  show();
  const top = $("main").getBoundingClientRect().top;
  if (announce && (top < -1 || top > window.innerHeight * 0.6)) $("main").scrollIntoView({ block: "start" });
  if (announce) $("announce").textContent = `Step ${step.index} of ${STEPS.length - 1}: ${step.title}, ${step.direction}, ${step.part}`;
}

function fromHash(announce) {
  const found = /^#step-(\d+)$/.exec(location.hash);
  if (found || !location.hash) go(found ? Number(found[1]) : 0, announce);
}

const KEYS = { ArrowRight: () => state.step + 1, j: () => state.step + 1, ArrowLeft: () => state.step - 1, k: () => state.step - 1,
  Home: () => 0, End: () => STEPS.length - 1 };

function key(event) {
  const wanted = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!wanted || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.target.matches("input, select, textarea")) return;
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
  system.addEventListener("change", () => { set(system.matches); show(); });
  $("theme").addEventListener("click", () => { set(document.documentElement.dataset.theme !== "dark"); show(); });
}

function start() {
  theme();
  header();
  list();
  if (window.innerWidth < 960) $("list").open = false;
  $("previous").addEventListener("click", () => go(state.step - 1));
  $("next").addEventListener("click", () => go(state.step + 1));
  $("steps").addEventListener("click", (event) => { if (event.target.closest("a") && window.innerWidth < 960) $("list").open = false; });
  document.addEventListener("keydown", key);
  window.addEventListener("hashchange", () => fromHash(true));
  if (location.hash.startsWith("#step-")) fromHash(false);
  else go(0, false);
  let width = mainWidth();
  new ResizeObserver(() => { if (mainWidth() !== width) { width = mainWidth(); show(); } }).observe($("main"));
}

start();

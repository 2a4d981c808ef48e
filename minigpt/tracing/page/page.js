// The shown step: its arrays, its gradients, one row of each.

function show() {
  const step = STEPS[state.step],
    forward = step.direction === "forward";
  pictures = []; // those of the previous step are gone
  const place = el(
    "p",
    { class: "where" },
    el("b", {}, forward ? "Forward →" : "← Backward"),
    ` ${step.part}, step ${step.index} of ${STEPS.length - 1}`,
  );
  const called = el(
    "p",
    { class: "called" },
    el("code", {}, step.name),
    " calls ",
    el("code", {}, step.function === "add" ? "+" : step.function),
  );
  const article = $("step");
  article.replaceChildren(
    place,
    el("h2", {}, step.title),
    el("p", { class: "what" }, step.what),
    called,
    formulas(step),
    flow(step),
  );
  const product = step.function === "linear_forward" ? productOf(step) : null;
  if (product) article.append(el("h3", {}, "Input and output: row times column"), product);
  else
    for (const [title, fields] of groups(step))
      article.append(el("h3", {}, title), pictured(step, fields));
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

// Scrolls only the list, until it shows the link.
function within(box, link) {
  const top = link.getBoundingClientRect().top - box.getBoundingClientRect().top;
  if (top < 40 || top > box.clientHeight - 80) box.scrollTop += top - box.clientHeight / 2;
}

function formulas(step) {
  const box = el("div", { class: "formulas" });
  if (!step.formulas.length) box.append(el("figure", { class: "formula" }, plainSum(step)));
  for (const id of step.formulas) {
    const { mathml, name, source } = DATA.formulas[id],
      figure = el("figure", { class: "formula", tabindex: 0, "aria-label": name });
    figure.innerHTML = mathml; // made by mathml.py from minigpt.formulas, never from the text
    figure.append(el("figcaption", {}, `${name} (${source})`));
    box.append(figure);
  }
  return box;
}

function plainSum(step) {
  const [a, b] = step.fields.filter((one) => one.role === "in"),
    out = step.fields.find((one) => one.role === "out");
  return el("code", {}, `${out.name} = ${a.name} + ${b.name}`);
}

// The arrays of a step in groups, each with its heading.
function groups(step) {
  const forward = step.direction === "forward",
    of = (role) => step.fields.filter((one) => one.role === role);
  const isGradient = (one) => one.role === "in" && ["dout", "through"].includes(one.name);
  const found = forward
    ? [
        ["Input", of("in")],
        ["Inside", of("inside")],
        ["Output", of("out")],
        ["Kept for the backward pass", of("kept")],
      ]
    : [
        ["Upstream gradient", of("in").filter(isGradient)],
        ["Gradients passed on", of("out")],
        [
          "Known from the forward pass",
          [...of("in").filter((one) => !isGradient(one)), ...of("inside"), ...of("kept")],
        ],
      ];
  return found.filter(([, fields]) => fields.length);
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
  if (options.place !== undefined)
    figure.classList.add(`at-${["weight", "bias", "x", "out"][options.place]}`);
  for (const check of step.checks.filter((row) => row.name === one.name))
    figure.append(checked(check));
  return figure;
}

const sharedLimit = (step) =>
  nice(Math.max(...step.fields.map((one) => view(one)).map((v) => Math.max(-v.low, v.high))));

// A gradient's largest number, and its central difference.
function checked({ at, name, got, want, off }) {
  const agree = Math.abs(got - want) <= 1e-4 * (1 + Math.abs(got));
  const line = (what, number) =>
    el("tr", {}, el("th", { scope: "row" }, what), el("td", { class: "n" }, number));
  return el(
    "table",
    { class: "checks" },
    el(
      "caption",
      {},
      `${name}[${at.join(", ")}], `,
      el(
        "span",
        { class: agree ? "agree" : "differ" },
        agree ? `agree, off by ${off}` : `differ by ${off}`,
      ),
    ),
    el("tbody", {}, line("backward", got), line("central difference", want)),
  );
}

// x left of out, weight above out, as in a matrix product by hand; null if there is no room.
function productOf(step) {
  const fields = ["weight", "bias", "x", "out"].map((name) =>
    step.fields.find((one) => one.name === name && one.role !== "kept"),
  );
  const [weight, , x, out] = fields.map((one) => (one ? view(one) : null));
  const left = gutter(x),
    right = Math.max(gutter(weight), gutter(out)),
    room = mainWidth() - left - right - 50;
  const width = room / (x.cols.length + out.cols.length),
    small =
      Math.max(weight.rows.length * weight.cols.length, out.rows.length * out.cols.length) <=
      MOST_RECTANGLES;
  if (window.innerWidth < 960 || (small && width < NUMBER_WIDTH) || width < 4) return null;
  const size = small
    ? { w: NUMBER_WIDTH, h: 25, numbers: true }
    : {
        w: Math.min(12, Math.floor(width)),
        h: Math.min(12, Math.max(5, Math.floor(width))),
        numbers: false,
      };
  const box = el("div", { class: "product" });
  fields.forEach(
    (one, i) =>
      one && box.append(figureOf(step, one, { size, gutter: i === 2 ? left : right, place: i })),
  );
  return box;
}

// One token's row of every array, at most six numbers each.
function rows(step) {
  const t = state.token,
    head = el(
      "tr",
      {},
      ...[
        ["", ""],
        ["array", ""],
        ["shape", "shape"],
        ["numbers", ""],
      ].map(([text, kind]) => el("th", { scope: "col", class: kind }, text)),
    );
  const body = el("tbody");
  for (const one of step.fields) {
    const v = view(one),
      plane = v.data[0],
      numbers = plane[v.rowAxis.kind === "token" && v.rows.length > 1 ? v.rowAt.get(t) : 0];
    const text =
      numbers
        .slice(0, 6)
        .map((x) => shown(v, x))
        .join(" ") + (v.colAxis.size > 6 ? " ..." : "");
    body.append(
      el(
        "tr",
        { "data-name": v.name, "data-role": v.role },
        el("td", {}, ROLES[v.role]),
        el("th", { scope: "row" }, v.name),
        el("td", { class: "shape" }, dims(v.shape)),
        el("td", {}, text),
      ),
    );
  }
  const box = el(
    "section",
    {},
    el("h3", {}, `The row of token ${tokenName(t)} (${t}), at most six numbers`),
    el(
      "p",
      { class: "note" },
      "Arrays without tokens show their first row; arrays with heads show the first head.",
    ),
  );
  box.append(
    el("div", { class: "scroll" }, el("table", { class: "rows" }, el("thead", {}, head), body)),
  );
  return box;
}

const ROLES = { in: "in", inside: "inside", out: "out", kept: "kept" };

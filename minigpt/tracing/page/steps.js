// The header, the list of steps and the track.

const STEPS = DATA.steps,
  FORWARD = STEPS.filter((step) => step.direction === "forward");
const stem = (step) => step.function.replace(/_(forward|backward)$/, "");

// ---- header

function header() {
  const m = DATA.model,
    plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const strong = (...inside) => el("strong", {}, ...inside);
  $("summary").append(
    `A GPT of ${plural(m.n_layer, "block")}, ${plural(m.n_head, "head")}, ${m.n_embd} channels `,
    `and a vocabulary of ${m.vocab_size}: `,
    `${m.parameters.toLocaleString("en")} parameters. `,
    `The text has ${DATA.tokens.length} tokens. The loss is `,
    strong(`${fixed(DATA.loss)} nats`),
    `; a uniform guess has ln\u00a0${m.vocab_size}\u00a0=\u00a0${fixed(Math.log(m.vocab_size))}. `,
    `The walk has ${STEPS.length} steps: 0 to ${FORWARD.length - 1} forward, `,
    `and ${FORWARD.length} to ${STEPS.length - 1} backward.`,
  );
  if (DATA.broken !== null)
    $("summary").append(
      " ",
      strong(
        "The first NaN or infinity comes out of ",
        el("a", { href: `#step-${DATA.broken}` }, `step ${DATA.broken}`),
        ".",
      ),
    );
  $("rounding").textContent =
    "Numbers on the page are rounded to three digits after the point, " +
    `and its data to ${DATA.digits} significant digits. ` +
    "If a matrix is too large for the page, a crop is shown, and the caption says how much.";
  DATA.tokens.forEach((token, t) => $("tokens").append(chip(token, t)));
}

function chip(token, t) {
  const known = DATA.kept_tokens.includes(t),
    y = DATA.targets[t],
    input = el("input", { type: "radio", name: "token", value: t });
  input.checked = t === state.token;
  input.disabled = !known;
  input.addEventListener("change", () => {
    state.token = t;
    show();
  });
  const next = y < 0 ? "–" : `→ ${symbol(y)}`;
  const target = y < 0 ? "no target" : `next is ${symbol(y)}`;
  const label = `token ${t}: ${token}, ${target}${known ? "" : ", not kept on this page"}`;
  input.setAttribute("aria-label", label);
  return el(
    "label",
    { title: label },
    input,
    el("span", { "aria-hidden": "true" }, el("b", {}, token), el("small", {}, next)),
  );
}

// ---- the list of steps, and the track: forward above, backward below

function list() {
  for (const [direction, title, note] of [
    ["forward", "Forward →", "from the text to the loss"],
    ["backward", "← Backward", "from the loss to the gradients"],
  ]) {
    const section = el("section", {}, el("h2", {}, title), el("p", {}, note));
    let part = null,
      items = null;
    for (const step of STEPS.filter((one) => one.direction === direction)) {
      if (step.part !== part) {
        part = step.part;
        items = el("ol", { "aria-label": `${direction}: ${part}` });
        section.append(el("h3", {}, part), items);
      }
      items.append(
        el(
          "li",
          {},
          el(
            "a",
            { href: `#step-${step.index}`, "data-depth": Math.min(2, step.depth) },
            el("span", {}, String(step.index)),
            el("span", {}, step.title),
          ),
        ),
      );
    }
    $("steps").append(section);
  }
}

function track() {
  const width = $("track").clientWidth || 300,
    at = new Map();
  FORWARD.forEach((step, i) =>
    at.set(`${step.name} ${stem(step)}`, 10 + ((width - 20) * (i + 0.5)) / FORWARD.length),
  );
  const place = (step) => at.get(`${step.name} ${stem(step)}`) ?? width - 10;
  $("track").setAttribute("viewBox", `0 0 ${width} 40`);
  $("track").replaceChildren(
    svg("path", {
      class: "rail",
      d: `M4 12 H${width - 8} Q${width} 12 ${width} 20 T${width - 8} 28 H4`,
    }),
    ...STEPS.map((step) => stop(step, place(step))),
  );
}

function stop(step, x) {
  const now = step.index === state.step,
    past = step.index < state.step,
    radius = now ? 6 : step.depth ? 2 : 3;
  const circle = svg(
    "circle",
    {
      cx: x,
      cy: step.direction === "forward" ? 12 : 28,
      r: radius,
      class: `stop ${now ? "now" : past ? "past" : ""}`,
    },
    svg("title", {}, `${step.index} ${step.title}`),
  );
  circle.addEventListener("click", () => go(step.index));
  return circle;
}

// The prediction after the focused token: bars of the most likely tokens, computed as in
// minigpt.generation.sampling.probabilities.

const BARS = 20,
  MOST_K = 50;
const knobs = { temperature: 1, topK: Infinity, topP: 1 };

// softmax(logits / temperature), cut to the k most likely, then to the smallest set that reaches p.
// What is left is scaled to sum to 1.
function probabilities(logits, temperature, topK, topP) {
  const largest = Math.max(...logits),
    e = logits.map((z) => Math.exp((z - largest) / temperature));
  const total = e.reduce((a, b) => a + b, 0);
  const order = ranking(logits),
    ranked = order.map((i) => e[i] / total);
  const scaleUp = () => {
    const sum = ranked.reduce((a, b) => a + b, 0);
    ranked.forEach((x, i) => {
      ranked[i] = x / sum;
    });
  };
  if (topK < ranked.length) {
    ranked.fill(0, topK);
    scaleUp();
  }
  if (topP < 1) {
    let before = 0;
    ranked.forEach((x, i) => {
      if (before >= topP) ranked[i] = 0;
      before += x;
    });
    scaleUp();
  }
  const p = Array(logits.length);
  order.forEach((i, rank) => {
    p[i] = ranked[rank];
  });
  return p;
}

// Ids from the most likely down; of equal ones, the lower id first.
const ranking = (logits) => logits.map((_, i) => i).sort((a, b) => logits[b] - logits[a] || a - b);

function prediction() {
  const box = el("section", { class: "predict", "aria-labelledby": "predict-title" });
  box.append(
    el("h2", { id: "predict-title" }, "What comes next"),
    el("p", { class: "lead", id: "predict-said" }),
    controls(),
    el("div", { id: "bars" }),
  );
  return box;
}

function controls() {
  const V = DATA.model.vocab_size,
    most = Math.min(V, MOST_K);
  const all = most + (V > most ? 1 : 0); // the slider's right end means no cut
  return el(
    "div",
    { class: "knobs" },
    slider("temperature", "Temperature", 0.1, 3, 0.1, knobs.temperature, (x) => {
      knobs.temperature = x;
      return x.toFixed(1);
    }),
    slider("top-k", "top-k", 1, all, 1, Math.min(knobs.topK, all), (x) => {
      knobs.topK = x >= all ? Infinity : x;
      return x >= all ? "all" : String(x);
    }),
    slider("top-p", "top-p", 0.05, 1, 0.05, knobs.topP, (x) => {
      knobs.topP = x;
      return x >= 1 ? "all" : x.toFixed(2);
    }),
  );
}

function slider(id, name, min, max, step, value, change) {
  const output = el("output", { for: id }, change(value));
  const input = el("input", { type: "range", id, min, max, step, value });
  input.addEventListener("input", () => {
    output.textContent = change(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
    drawBars();
  });
  return el("label", { for: id }, el("span", {}, name, output), input);
}

// Why the focused token has no prediction.
function withoutLogits() {
  const which = `the logits after ${tokenName(state.token)} (${state.token})`;
  if (DATA.logits[state.token] === null) return `${which} hold NaN or infinity`;
  const keptLogits = Object.keys(DATA.logits).join(", ");
  return `the page does not keep ${which}, only those after tokens ${keptLogits}`;
}

function drawBars() {
  const logits = DATA.logits[state.token],
    said = $("predict-said"),
    box = $("bars");
  if (!box) return;
  if (!logits) {
    said.textContent = `Nothing to predict: ${withoutLogits()}.`;
    return box.replaceChildren();
  }
  const plain = probabilities(logits, knobs.temperature, Infinity, 1),
    p = probabilities(logits, knobs.temperature, knobs.topK, knobs.topP);
  said.textContent = saidOf(plain, p);
  box.replaceChildren(barTable(logits, p));
}

function saidOf(plain, p) {
  const t = state.token,
    y = DATA.targets[t],
    left = p.filter((x) => x > 0).length;
  const before = plain.reduce((sum, x, i) => sum + (p[i] > 0 ? x : 0), 0);
  const words = [`After ${tokenName(t)} (${t}), at temperature ${knobs.temperature.toFixed(1)}.`];
  if (left < p.length) {
    words.push(`${left} of ${p.length} tokens are left.`);
    words.push(`Before the cut they had ${fixed(before)} together.`);
  }
  if (y >= 0) {
    const cost = p[y] > 0 ? `a loss of ${fixed(-Math.log(p[y]))} nats` : "cut off";
    words.push(`The true next token was ${symbol(y)}: ${fixed(p[y])}, ${cost}.`);
  }
  return words.join(" ");
}

function barTable(logits, p) {
  const head = el(
    "tr",
    {},
    ...[
      ["token", ""],
      ["probability", "n"],
      ["", "bar"],
      ["logit", "n logit"],
    ].map(([text, kind]) => el("th", { scope: "col", class: kind }, text)),
  );
  const body = el("tbody"),
    order = ranking(logits).slice(0, BARS),
    longest = Math.max(...p);
  for (const i of order) {
    const bar = el("i");
    bar.style.width = `${(100 * p[i]) / longest}%`;
    const kind = [i === DATA.targets[state.token] ? "right" : "", p[i] === 0 ? "cut" : ""]
      .join(" ")
      .trim();
    body.append(
      el(
        "tr",
        { "data-id": i, "data-p": p[i], class: kind },
        el("th", { scope: "row" }, symbol(i)),
        el("td", { class: "n" }, fixed(p[i])),
        el("td", { class: "bar", "aria-hidden": "true" }, bar),
        el("td", { class: "n logit" }, fixed(logits[i])),
      ),
    );
  }
  const more = DATA.model.vocab_size - order.length;
  const caption = el(
    "caption",
    { class: "unseen" },
    `The ${order.length} most likely tokens${more ? ` of ${DATA.model.vocab_size}` : ""}`,
  );
  return el("table", { class: "bars" }, caption, el("thead", {}, head), body);
}

// The cells that a number was computed from, and a sentence about it, for every function of the
// contract.
//
//   reads(step, v, plane, r, c) -> {regions: [{array, plane, r, c}], text}
//
// r, c: an index, a list of indices, or null for all

const MOST_TERMS = 4; // a longer sum is described in words

function reads(step, v, plane, r, c) {
  const computed = v.role === "out" || v.role === "inside" || ["xhat", "rstd"].includes(v.name);
  const found =
    computed &&
    (INSIDE[v.name] || READS[step.function])?.({
      step,
      v,
      plane,
      r,
      c,
      name: v.name,
      value: v.value(plane, r, c),
      at: indexed(v, plane, r, c),
      end: ` = ${shownHere(v, plane, r, c)}`,
    });
  const regions = found ? found.regions.filter(Boolean) : [];
  const value = `${indexed(v, plane, r, c)} = ${shownHere(v, plane, r, c)}`;
  const text = `${capital(place(v, plane, r, c))}: ${found ? found.text : value}.`;
  return { regions, text };
}

const shownHere = (v, plane, r, c) =>
  v.type === "int" ? String(v.value(plane, r, c)) : inWords(v.value(plane, r, c));

// out[3, 7]; with heads out[0, 3, 7]; a row of numbers bias[7]; the loss has no index.
function indexed(v, plane, r, c) {
  const index = [];
  if (v.data.length > 1) index.push(plane);
  if (v.shape.length > 1 && v.rowAxis.kind !== "one") index.push(r);
  if (v.shape.length > 0) index.push(c);
  return v.name + (index.length ? `[${index.join(", ")}]` : "");
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// The place of a cell, in words.
function place(v, plane, r, c) {
  const words = [];
  if (v.data.length > 1) words.push(`head ${plane}`);
  if (v.colAxis.kind === "key")
    return [...words, `query ${tokenName(r)} (${r})`, `key ${tokenName(c)} (${c})`].join(", ");
  const say = (axis, i) =>
    ({
      token: `token ${DATA.tokens[i]} (${i})`,
      vocab: `${symbol(i)} of the vocabulary`,
      position: `position ${i}`,
      one: "",
    })[axis.kind] ?? `channel ${i}`;
  words.push(say(v.rowAxis, r), v.shape.length ? say(v.colAxis, c) : "");
  return words.filter(Boolean).join(", ") || "all tokens";
}

// A region of a field of the step; null if the step has no such field.
function region(step, name, plane, r, c) {
  const found = step.fields.find((one) => one.name === name || (one.also || []).includes(name));
  return found ? { array: found.array, plane, r, c } : null;
}

const planeOf = (step, name, plane) => ((field(step, name)?.data.length ?? 1) > 1 ? plane : 0);
const whole = (axis) => !axis.kept;

// x[3, 0] w[0, 7] + ... with numbers if there are few, else in words.
function product(a, b, size, pairs, words, rest = []) {
  const numbers = pairs.map(([p, q]) => [a.value(...p), b.value(...q)]);
  const added = rest.length ? ` + ${rest[0]}` : "",
    last = rest.length ? ` + ${inBrackets(rest[1])}` : "";
  if (size > MOST_TERMS || numbers.flat().some((x) => typeof x !== "number")) return words + added;
  const terms = numbers.map(([x, y]) => `${inWords(x)} × ${inBrackets(y)}`);
  return `${words}${added} = ${terms.join(" + ")}${last}`;
}

const range = (n) => [...Array(n).keys()];
const size = (v, axis) => DATA.axes[DATA.arrays[v.array][axis]].size;

// The keys that a query sees, and the queries that see a key.
function sees(step, i, j) {
  const { causal = true, window = null } = step.options;
  return (!causal || j <= i) && (window === null || Math.abs(i - j) < window);
}
const visibleKeys = (step, i) => range(DATA.tokens.length).filter((j) => sees(step, i, j));
const watchingQueries = (step, j) => range(DATA.tokens.length).filter((i) => sees(step, i, j));
const span = (list) => (list.length > 1 ? `${list[0]} .. ${list[list.length - 1]}` : `${list[0]}`);

// A head's q, k or v in this step: in multi-head attention they are side by side in qkv.
function headCells(step, kind, head, tokens, channel) {
  if (field(step, kind)) return region(step, kind, head, tokens, channel);
  const C = DATA.model.n_embd,
    hs = C / DATA.model.n_head,
    first = { q: 0, k: C, v: 2 * C }[kind] + head * hs;
  return region(
    step,
    "qkv",
    0,
    tokens,
    channel === null ? range(hs).map((i) => first + i) : first + channel,
  );
}

// The scores and weights inside attention, and what layer norm keeps.
const INSIDE = {
  S({ step, plane, r, c, at, end }) {
    const hs = DATA.model.n_embd / DATA.model.n_head;
    const regions = [headCells(step, "q", plane, r, null), headCells(step, "k", plane, c, null)];
    if (!sees(step, r, c))
      return { regions: [], text: `${at} is hidden: query ${r} must not see key ${c}` };
    return {
      regions,
      text:
        `${at} = sum over ${hs} channels of q[${r}, i] k[${c}, i], ` +
        `divided by sqrt(${hs})${end}`,
    };
  },
  P({ step, plane, r, c, at, end }) {
    const seen = visibleKeys(step, r);
    if (!sees(step, r, c))
      return { regions: [], text: `${at} = 0: query ${r} must not see key ${c}` };
    return {
      regions: [region(step, "S", plane, r, seen)],
      text: `${at} = e^S[${r}, ${c}] divided by the sum of e^S over keys ${span(seen)}${end}`,
    };
  },
  xhat({ step, r, c, at, end }) {
    return {
      regions: [region(step, "x", 0, r, null)],
      text: `${at} = (x[${r}, ${c}] − mean of row ${r}) / sqrt(its variance + eps)${end}`,
    };
  },
  rstd({ step, r, end }) {
    return {
      regions: [region(step, "x", 0, r, null)],
      text: `1 / sqrt(variance of row ${r} of x + eps)${end}`,
    };
  },
};

// The loss of the focused token.
function surprise(step) {
  const y = DATA.targets[state.token],
    logits = DATA.logits[state.token];
  if (y < 0) return `token ${tokenName(state.token)} has no target`;
  if (!logits) return withoutLogits();
  const p = probabilities(logits, 1, logits.length, 1)[y];
  const said = `after ${tokenName(state.token)} came ${symbol(y)}, p = ${inWords(p)}`;
  return `${said}, a loss of ${inWords(-Math.log(p))}`;
}

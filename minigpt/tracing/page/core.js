// The data, and what the other scripts share: elements, numbers, and arrays by their true indices.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = { step: 0, token: DATA.focus };
const $ = (id) => document.getElementById(id);

// An element: el("p", {class: "lead"}, "text", child). Text is always text: a token cannot become
// markup.
function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS($("track").namespaceURI, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes))
    if (value !== null) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Digits after the point as in Python's f"{x:z.3f}": an exact tie goes to the even digit, and 0 has
// no sign.
function fixed(x, digits = 3) {
  if (x === undefined) return "?";
  if (x === null) return "-inf";
  if (typeof x === "string") return x;
  if (digits === 3 && Number.isInteger(x * 16) && !Number.isInteger(x * 8)) return tie(x);
  const said = x.toFixed(digits);
  return Number(said) === 0 ? said.replace("-", "") : said; // no "-0.000"
}

// Rounds a tie. Only an odd number of sixteenths is halfway between two numbers of three digits.
function tie(x) {
  const below = Math.floor(Math.abs(x) * 1000);
  return (x < 0 ? "-" : "") + ((below % 2 ? below + 1 : below) / 1000).toFixed(3);
}

// In a sentence, small numbers keep three significant digits: 8.64e-5.
const inWords = (x) =>
  typeof x === "number" && x !== 0 && Math.abs(x) < 0.001 ? x.toPrecision(3) : fixed(x);
const shown = (array, x) => (array.type === "int" ? String(x) : fixed(x));
const inBrackets = (x) => (typeof x === "number" && x < 0 ? `(${inWords(x)})` : inWords(x));
const dims = (shape) => shape.join(" × ") || "1";
const kept = (axis) => DATA.axes[axis].kept || [...Array(DATA.axes[axis].size).keys()];
const tokenName = (t) => DATA.tokens[t];
const symbol = (i) => DATA.symbols[i] ?? String(i);

// A step's field with value(plane, row, column) by true indices; undefined if it was cropped.
function field(step, name) {
  const found = step.fields.find((one) => one.name === name || (one.also || []).includes(name));
  return found ? view(found) : null;
}

function view(one) {
  const array = DATA.arrays[one.array];
  const rows = kept(array.rows),
    cols = kept(array.cols);
  const rowAt = new Map(rows.map((r, i) => [r, i])),
    colAt = new Map(cols.map((c, i) => [c, i]));
  const value = (plane, r, c) => array.data[plane]?.[rowAt.get(r)]?.[colAt.get(c)];
  return {
    ...one,
    shape: array.shape,
    data: array.data,
    rows,
    cols,
    rowAt,
    colAt,
    value,
    type: array.type,
    low: array.low,
    high: array.high,
    rowAxis: DATA.axes[array.rows],
    colAxis: DATA.axes[array.cols],
  };
}

// The label of a row or a column.
function tick(axis, i) {
  if (axis.kind === "token" || axis.kind === "key") return tokenName(i);
  return axis.kind === "vocab" ? symbol(i) : String(i);
}

function axisWords(axis) {
  const words = {
    token: "tokens",
    key: "keys",
    vocab: "tokens of the vocabulary",
    position: "positions",
    qkv: "channels (q, k, v)",
  };
  return words[axis.kind] || "channels";
}

// The largest magnitude of a scale, rounded up to 1, 2 or 5 times a power of ten.
function nice(x) {
  if (!(x > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(x) + 1e-9);
  const factor = [1, 2, 5, 10].find((f) => x <= f * power * (1 + 1e-9));
  return Number((factor * power).toPrecision(1));
}

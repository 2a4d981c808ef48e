// A matrix as a picture with one cell per number. Small ones are rectangles with their numbers,
// large ones are one image.

const ARROWS = "Arrow keys move from cell to cell.";
const MOST_RECTANGLES = 900,
  NUMBER_WIDTH = 43,
  LEAST_WIDTH = 36;
let pictures = []; // of the shown step: {name, plane, svg, marks, place}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const triple = (name) => style.getPropertyValue(name).trim().split(/\s+/).map(Number);
  return {
    zero: triple("--zero"),
    broken: triple("--broken"),
    pos: triple("--pos"),
    neg: triple("--neg"),
    dark: style.getPropertyValue("--number-dark"),
    light: style.getPropertyValue("--number-light"),
  };
}

// The scale of a field: 0 to 1 for weights and probabilities, else from -limit to limit.
function scaleOf(one, limit) {
  const leaf = one.name.split(".").pop();
  if (["P", "p", "dropped"].includes(leaf) || one.unit) return { unit: true, limit: 1 };
  return { unit: false, limit: limit || nice(Math.max(-one.low, one.high)) };
}

function colour(x, scale, palette) {
  if (typeof x === "string") return palette.broken; // NaN, infinity
  if (typeof x !== "number") return palette.zero; // -infinity: a hidden score
  const share = Math.min(1, Math.abs(x) / scale.limit),
    end = x < 0 ? palette.neg : palette.pos;
  return palette.zero.map((from, i) => Math.round(from + (end[i] - from) * share));
}

const luminance = ([r, g, b]) =>
  0.2126 * (r / 255) ** 2.2 + 0.7152 * (g / 255) ** 2.2 + 0.0722 * (b / 255) ** 2.2;
const inkOn = (rgb, palette) => (luminance(rgb) > 0.179 ? palette.dark : palette.light);

// The size of a cell, if the columns have so much room.
function cellSize(rows, cols, room) {
  const width = room / cols;
  if (width >= LEAST_WIDTH && rows * cols <= MOST_RECTANGLES)
    return { w: Math.min(NUMBER_WIDTH, Math.floor(width)), h: 25, numbers: true };
  const w = Math.max(3, Math.min(22, Math.floor(width)));
  return { w, h: rows * cols > MOST_RECTANGLES ? Math.max(w, 5) : Math.max(w, 12), numbers: false };
}

function hidden(step, one, r, c) {
  if (step.mask === null || !one.map) return false;
  return DATA.masks[step.mask][one.rowAt.get(r)]?.[one.colAt.get(c)] === "0";
}

// A figure of a field: caption, one picture for each head, scale, table.
function matrix(step, one, options = {}) {
  const v = view(one),
    scale = scaleOf({ ...v, unit: options.unit }, options.limit);
  const caption = el(
    "figcaption",
    {},
    el("b", {}, one.name),
    el("span", {}, dims(v.shape)),
    el("small", {}, captionOf(step, v)),
  );
  const planes = el("div", { class: "planes" });
  v.data.forEach((_, plane) => {
    const picture = heat(step, v, plane, scale, options);
    planes.append(
      v.data.length > 1
        ? el("div", { class: "plane" }, el("p", {}, `head ${plane}`), picture)
        : picture,
    );
  });
  const figure = el("figure", { class: "matrix", "data-field": one.name }, caption, planes);
  figure.append(
    el("div", { class: "foot" }, v.type === "float" ? legend(scale) : null, asTable(v)),
  );
  return figure;
}

function captionOf(step, v) {
  const words = [v.what];
  if (v.colAxis.kind === "key") words.push("row: query, column: key");
  for (const axis of [v.rowAxis, v.colAxis]) {
    if (axis.kept) words.push(`${axis.kept.length} of ${axis.size} ${axisWords(axis)} shown`);
  }
  if (v.also?.length && v.also.some((name) => name !== v.name))
    words.push(`kept as ${v.also.join(", ")}`);
  else if (v.also?.length) words.push("kept for the backward pass");
  const origin = cameFrom(step, v);
  if (origin) words.push(origin);
  return words.filter(Boolean).join("; ");
}

// The earlier step that made this array.
function cameFrom(step, v) {
  if (v.role !== "in") return "";
  const made = DATA.steps.findLast(
    (other) =>
      other.index < step.index &&
      other.direction === step.direction &&
      other.depth <= step.depth &&
      other.fields.some((one) => one.role === "out" && one.array === v.array),
  );
  return made ? `from step ${made.index}` : "";
}

const mainWidth = () => $("main").clientWidth;

function roomFor(v) {
  const heads = v.data.length,
    all = mainWidth() - gutter(v) - 8;
  if (heads === 1) return all;
  const each =
    Math.max(
      window.innerWidth < 600 ? 160 : 200,
      Math.min(all, (mainWidth() - 22 * (heads - 1)) / heads),
    ) -
    gutter(v) -
    6;
  const needed = v.cols.length * NUMBER_WIDTH;
  const fits = needed <= all && heads <= 4 && v.rows.length <= 12;
  return Math.min(fits ? Math.max(each, needed) : each, all);
}

function gutter(v) {
  if (v.rowAxis.kind === "one") return 2;
  const longest = Math.max(...v.rows.map((r) => tick(v.rowAxis, r).length));
  return 14 + Math.min(10, longest) * 7;
}

function heat(step, v, plane, scale, options) {
  const { w, h, numbers } = options.size || cellSize(v.rows.length, v.cols.length, roomFor(v));
  const place = {
    x: options.gutter || gutter(v),
    y: w >= 12 || v.cols.length > 12 ? 17 : 2,
    w,
    h,
    numbers,
  };
  const width = place.x + w * v.cols.length + 3,
    height = place.y + h * v.rows.length + 3;
  const name = `${v.name}, ${dims(v.shape)}${v.data.length > 1 ? `, head ${plane}` : ""}`;
  const picture = svg("svg", {
    class: "heat",
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    tabindex: 0,
    role: "application",
    "aria-roledescription": "heatmap",
    "aria-label": `${name}: from ${fixed(v.low)} to ${fixed(v.high)}. ${ARROWS}`,
  });
  const palette = colours();
  if (v.rows.length * v.cols.length > MOST_RECTANGLES)
    picture.append(image(v, plane, scale, palette, place));
  else picture.append(rectangles(step, v, plane, scale, palette, place));
  picture.append(hatching(step, v, place), labels(v, place));
  const marks = svg("g", {});
  picture.append(marks);
  const entry = { name: v.name, array: v.array, plane, v, svg: picture, marks, place };
  pictures.push(entry);
  listen(entry);
  return picture;
}

function rectangles(step, v, plane, scale, palette, place) {
  const group = svg("g", {}),
    gap = place.w > 8 ? 1 : 0;
  v.rows.forEach((r, i) =>
    v.cols.forEach((c, j) => {
      const x = v.data[plane][i][j],
        rgb = v.type === "int" ? palette.zero : colour(x, scale, palette);
      const left = place.x + j * place.w,
        top = place.y + i * place.h;
      group.append(
        svg("rect", {
          x: left,
          y: top,
          width: place.w - gap,
          height: place.h - gap,
          fill: `rgb(${rgb})`,
          rx: gap ? 2 : 0,
        }),
      );
      if (place.numbers && !hidden(step, v, r, c)) {
        const text = svg(
          "text",
          { class: "number", x: left + place.w / 2, y: top + place.h / 2 + 4 },
          numberIn(v, x),
        );
        if (place.w < NUMBER_WIDTH) text.style.fontSize = "9.5px";
        // a style, because the sheet's fill is stronger than an attribute
        text.style.fill = inkOn(rgb, palette);
        group.append(text);
      }
    }),
  );
  return group;
}

function numberIn(v, x) {
  const text = shown(v, x);
  return text.length <= 7 || typeof x !== "number" ? text : x.toPrecision(3);
}

function image(v, plane, scale, palette, place) {
  const canvas = el("canvas", { width: v.cols.length, height: v.rows.length }),
    context = canvas.getContext("2d");
  const pixels = context.createImageData(v.cols.length, v.rows.length);
  v.data[plane]
    .flat()
    .forEach((x, i) => pixels.data.set([...colour(x, scale, palette), 255], 4 * i));
  context.putImageData(pixels, 0, 0);
  return svg("image", {
    href: canvas.toDataURL(),
    x: place.x,
    y: place.y,
    width: place.w * v.cols.length,
    height: place.h * v.rows.length,
    preserveAspectRatio: "none",
  });
}

function hatching(step, v, place) {
  const group = svg("g", { class: "hatching" });
  if (step.mask === null || !v.map) return group;
  const id = `hatch-${pictures.length}`;
  group.append(
    svg(
      "pattern",
      { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("line", { x1: 0, y1: 0, x2: 0, y2: 6 }),
    ),
  );
  v.rows.forEach((r, i) =>
    runs(v.cols.map((c, j) => (hidden(step, v, r, c) ? j : -1)).filter((j) => j >= 0)).forEach(
      ([from, to]) =>
        group.append(
          svg("rect", {
            x: place.x + from * place.w,
            y: place.y + i * place.h,
            width: (to - from + 1) * place.w,
            height: place.h,
            fill: `url(#${id})`,
            stroke: "none",
          }),
        ),
    ),
  );
  return group;
}

// Neighbouring indices joined: [0, 1, 2, 5] -> [[0, 2], [5, 5]].
function runs(list) {
  const joined = [];
  for (const i of list) {
    if (joined.length && joined[joined.length - 1][1] === i - 1) joined[joined.length - 1][1] = i;
    else joined.push([i, i]);
  }
  return joined;
}

function labels(v, place) {
  const group = svg("g", { "aria-hidden": "true" }),
    everyRow = Math.ceil((v.rows.length > 24 ? 18 : 11) / place.h);
  const cut = (text) => (text.length > 10 ? text.slice(0, 9) + "…" : text);
  const longest = Math.max(...v.cols.map((c) => tick(v.colAxis, c).length));
  const everyCol = Math.ceil((Math.min(longest, 10) * 6.5 + 5) / place.w);
  const marked = v.rowAxis.kind === "token";
  if (v.rowAxis.kind !== "one")
    v.rows.forEach((r, i) => {
      const focused = marked && r === state.token;
      if (i % everyRow && !focused) return;
      group.append(
        svg(
          "text",
          {
            class: focused ? "row focused" : "row",
            x: place.x - 7,
            y: place.y + (i + 0.5) * place.h + 4,
          },
          cut(tick(v.rowAxis, r)),
        ),
      );
      if (focused)
        group.append(
          svg("line", {
            class: "row-mark",
            x1: place.x - 3,
            x2: place.x - 3,
            y1: place.y + i * place.h,
            y2: place.y + (i + 1) * place.h - 1,
          }),
        );
    });
  if (place.y > 2)
    v.cols.forEach((c, j) => {
      if (j % everyCol) return;
      const focused = v.colAxis.kind === "token" && c === state.token;
      group.append(
        svg(
          "text",
          { class: focused ? "column focused" : "column", x: place.x + (j + 0.5) * place.w, y: 11 },
          cut(tick(v.colAxis, c)),
        ),
      );
    });
  return group;
}

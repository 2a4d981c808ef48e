// Pointing at cells: mark what a number was computed from.

function listen(entry) {
  const { svg: picture, v, place } = entry;
  const at = (event) => {
    const box = picture.getBoundingClientRect(),
      scale = picture.viewBox.baseVal.width / box.width;
    const j = Math.floor(((event.clientX - box.left) * scale - place.x) / place.w);
    const i = Math.floor(((event.clientY - box.top) * scale - place.y) / place.h);
    return i >= 0 && j >= 0 && i < v.rows.length && j < v.cols.length ? [i, j] : null;
  };
  const point = (event) => {
    const cell = at(event);
    if (cell) select(entry, ...cell);
  };
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && document.activeElement !== picture) unselect();
  });
  picture.addEventListener("focus", () => {
    if (picture.matches(":focus-visible")) select(entry, ...(entry.cell || firstCell(v)));
  });
  picture.addEventListener("blur", unselect);
  picture.addEventListener("keydown", (event) => moveCell(event, entry));
}

const firstCell = (v) => [
  v.rowAxis.kind === "token" && v.rowAt.has(state.token) ? v.rowAt.get(state.token) : 0,
  0,
];

function moveCell(event, entry) {
  const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
    event.key
  ];
  if (event.key === "Escape") return entry.svg.blur();
  if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const [i, j] = entry.cell || firstCell(entry.v),
    clamp = (x, n) => Math.max(0, Math.min(n - 1, x));
  select(entry, clamp(i + by[0], entry.v.rows.length), clamp(j + by[1], entry.v.cols.length));
}

// Marks a cell and the cells that it was computed from, and says so in words.
function select(entry, i, j) {
  entry.cell = [i, j];
  const { v, plane } = entry,
    step = DATA.steps[state.step],
    r = v.rows[i],
    c = v.cols[j];
  const { regions, text } = reads(step, v, plane, r, c);
  unselect();
  for (const picture of pictures)
    regions
      .filter((region) => region.array === picture.array)
      .forEach((region) => markRegion(picture, region));
  outline(entry, [[i, i]], [[j, j]], "here");
  $("said").textContent = text;
}

function unselect() {
  pictures.forEach((picture) => picture.marks.replaceChildren());
  $("said").textContent = "";
}

function markRegion(picture, region) {
  if (region.plane !== null && region.plane !== picture.plane) return;
  const places = (wanted, known, count) =>
    wanted === null
      ? [...Array(count).keys()]
      : [wanted]
          .flat()
          .map((i) => known.get(i))
          .filter((i) => i !== undefined);
  const rows = runs(places(region.r, picture.v.rowAt, picture.v.rows.length));
  const cols = runs(places(region.c, picture.v.colAt, picture.v.cols.length));
  outline(picture, rows, cols, "mark");
}

function outline(picture, rows, cols, kind) {
  const { x, y, w, h } = picture.place;
  for (const [top, bottom] of rows)
    for (const [left, right] of cols) {
      picture.marks.append(
        svg("rect", {
          class: kind,
          x: x + left * w - 1,
          y: y + top * h - 1,
          width: (right - left + 1) * w + 1,
          height: (bottom - top + 1) * h + 1,
          rx: 3,
        }),
      );
    }
}

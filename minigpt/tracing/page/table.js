// What stands under a picture: its scale, and its numbers as a table.

function legend(scale) {
  const end = String(scale.limit);
  return el(
    "div",
    { class: "scale" },
    scale.unit ? "0" : `-${end}`,
    el("i", { class: scale.unit ? "unit" : "" }),
    scale.unit ? "1" : end,
  );
}

// The same numbers as a table. It is made when it is opened.
function asTable(v) {
  const details = el("details", {}, el("summary", {}, "as a table"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const box = el("div", {
      class: "scroll",
      tabindex: 0,
      role: "region",
      "aria-label": `${v.name} as a table`,
    });
    v.data.forEach((rows, plane) => box.append(plainTable(v, rows, plane)));
    details.append(box);
  });
  return details;
}

function plainTable(v, rows, plane) {
  const head = el("tr", {}, el("th", { scope: "col" }, v.data.length > 1 ? `head ${plane}` : ""));
  v.cols.forEach((c) => head.append(el("th", { scope: "col" }, tick(v.colAxis, c))));
  const body = el("tbody");
  rows.forEach((numbers, i) =>
    body.append(
      el(
        "tr",
        {},
        el("th", { scope: "row" }, tick(v.rowAxis, v.rows[i])),
        ...numbers.map((x) => el("td", { class: "n" }, shown(v, x))),
      ),
    ),
  );
  return el("table", { class: "details-table" }, el("thead", {}, head), body);
}

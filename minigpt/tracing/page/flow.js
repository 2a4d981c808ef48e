// The arrows of a step: forward to the right, backward to the left.

function flow(step) {
  const box = el("div", { class: "flow" }),
    forward = step.direction === "forward";
  box.append(
    ...(step.function === "add" && step.name !== "embed"
      ? [sumFlow(step, forward)]
      : straightFlow(step, forward)),
  );
  return box;
}

function straightFlow(step, forward) {
  const names = (role) => step.fields.filter((one) => one.role === role).map((one) => one.name);
  const ins = forward ? names("in") : names("in").filter((name) => name === "dout");
  const left = (forward ? ins : names("out")).join(", "),
    right = (forward ? names("out") : ins).join(", ") || "the loss";
  const middle = step.function === "add" ? "+" : stem(step).replaceAll("_", " ");
  const line = () =>
    svg(
      "svg",
      {
        width: 46,
        height: 12,
        viewBox: "0 0 46 12",
        role: "img",
        "aria-label": forward ? "to" : "from",
      },
      forward ? arrow(0, 46, 6) : arrow(46, 0, 6),
    );
  return [el("code", {}, left), line(), el("i", {}, middle), line(), el("code", {}, right)];
}

function arrow(from, to, y) {
  const side = Math.sign(to - from);
  return svg(
    "g",
    {},
    svg("path", { d: `M${from} ${y} H${to - 5 * side}` }),
    svg("path", { class: "tip", d: `M${to} ${y} l${-8 * side} -4.5 v9 z` }),
  );
}

// The stream passes unchanged; the sublayer is a detour. Backward, the gradient takes both ways,
// and the two are added.
function sumFlow(step, forward) {
  const sublayer = step.name.endsWith("1") ? "attention" : "MLP",
    picture = svg("svg", {
      width: 470,
      height: 96,
      viewBox: "0 0 470 96",
      role: "img",
      "aria-label": forward
        ? "x passes unchanged, and the sublayer's output is added"
        : "the gradient goes both ways: along the stream, and through the sublayer",
    });
  const [left, right] = forward ? ["x", "out"] : ["dx", "dout"],
    meet = forward ? 360 : 90,
    fork = forward ? 90 : 360;
  const way = forward ? 1 : -1;
  picture.append(
    svg("text", { x: 0, y: 28 }, left),
    svg("text", { x: 436, y: 28 }, right),
    arrow(forward ? 24 : 430, meet - 11 * way, 24),
    arrow(meet + 11 * way, forward ? 430 : 26, 24),
    svg("path", {
      d: `M${fork} 24 C${fork} 74 ${fork + 20 * way} 74 ${fork + 50 * way} 74 H${225 - 48 * way}`,
    }),
    svg("path", {
      d: `M${225 + 48 * way} 74 H${meet - 50 * way} C${meet - 10 * way} 74 ${meet} 64 ${meet} 42`,
    }),
    svg("path", { class: "tip", d: `M${meet} 35 l-4.5 8 h9 z` }),
    svg("circle", { cx: meet, cy: 24, r: 10 }),
    svg("path", { d: `M${meet - 5} 24 h10 M${meet} 19 v10` }),
    svg("text", { x: 225, y: 78, "text-anchor": "middle" }, sublayer),
    svg("text", { x: 225, y: 16, "text-anchor": "middle", class: "soft" }, "the residual stream"),
    svg(
      "text",
      { x: 225, y: 94, "text-anchor": "middle", class: "soft" },
      forward ? "its output" : "the gradient goes both ways",
    ),
  );
  return picture;
}

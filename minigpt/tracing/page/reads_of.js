// For each function: the cells that one output number reads, and the sentence.

const READS = {
  add({ step, v, r, c, at, end }) {
    const [a, b] = step.fields.filter((one) => one.role === "in").map((one) => view(one));
    const [x, y] = [a.value(0, r, c), b.value(0, r, c)];
    return {
      regions: [a, b].map((one) => region(step, one.name, 0, r, c)),
      text:
        `${at} = ${indexed(a, 0, r, c)} + ${indexed(b, 0, r, c)} = ` +
        `${inWords(x)} + ${inBrackets(y)}${end}`,
    };
  },
  embedding_forward({ step, r, c, at, end }) {
    const id = field(step, "ids").value(0, 0, r);
    return {
      regions: [region(step, "ids", 0, 0, r), region(step, "weight", 0, id, c)],
      text: `${at} = weight[${id}, ${c}]${end}, because the id at ${r} is ${id}`,
    };
  },
  embedding_backward({ step, r, c, at, end }) {
    const ids = field(step, "ids"),
      tokens = ids.cols.filter((t) => ids.value(0, 0, t) === r);
    if (!tokens.length) return { regions: [], text: `${at}${end}: no token selected row ${r}` };
    return {
      regions: [region(step, "ids", 0, 0, tokens), region(step, "dout", 0, tokens, c)],
      text:
        `${at} = sum of dout[t, ${c}] over the positions t that selected row ` +
        `${r}: ${tokens.join(", ")}${end}`,
    };
  },
  sinusoidal_positions({ r, c, at, end }) {
    const curve = c % 2 ? "cos" : "sin",
      exponent = `${c - (c % 2)}/${DATA.model.n_embd}`;
    return { regions: [], text: `${at} = ${curve}(${r} / 10000^(${exponent}))${end}` };
  },
  layer_norm_forward({ step, r, c, at, end }) {
    const [x, weight, bias] = ["x", "weight", "bias"].map((name) => field(step, name)),
      row = x.data[0][x.rowAt.get(r)];
    const regions = [
      region(step, "x", 0, r, null),
      region(step, "weight", 0, 0, c),
      region(step, "bias", 0, 0, c),
    ];
    const added = bias ? ` + bias[${c}]` : "";
    const words = `(x[${r}, ${c}] − mean) / sqrt(var + eps) × weight[${c}]${added}`;
    if (!whole(x.colAxis))
      return { regions, text: `${at} = ${words}, mean and variance of row ${r}${end}` };
    const mean = row.reduce((a, b) => a + b, 0) / row.length,
      variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    const centred = `(${inWords(x.value(0, r, c))} − ${inBrackets(mean)})`;
    const deviation = `sqrt(${inWords(variance)} + ${step.options.eps})`;
    const numbers = `${centred} / ${deviation} × ${inBrackets(weight.value(0, 0, c))}`;
    const last = bias ? ` + ${inBrackets(bias.value(0, 0, c))}` : "";
    return { regions, text: `${at} = ${words} = ${numbers}${last}${end}` };
  },
  layer_norm_backward({ step, name, r, c, at, end }) {
    if (name !== "dx") {
      const columns = [
        region(step, "dout", 0, null, c),
        name === "dweight"
          ? region(step, "xhat", 0, null, c) || region(step, "x", 0, null, null)
          : null,
      ];
      const factor = name === "dweight" ? ` × xhat[t, ${c}]` : "";
      const text = `${at} = sum over the tokens t of dout[t, ${c}]${factor}${end}`;
      return { regions: columns, text };
    }
    const regions = ["dout", "xhat"]
      .map((one) => region(step, one, 0, r, null))
      .concat(region(step, "weight", 0, 0, null), region(step, "rstd", 0, r, 0));
    if (!field(step, "xhat")) regions.push(region(step, "x", 0, r, null));
    return {
      regions,
      text:
        `${at} = rstd[${r}] × ` +
        `(h[${c}] − mean(h) − xhat[${r}, ${c}] × mean(h × xhat))${end}, ` +
        `where h = dout[${r}] × weight: every number of the row matters`,
    };
  },
  linear_forward({ step, r, c, at, end }) {
    const [x, weight, bias] = ["x", "weight", "bias"].map((name) => field(step, name)),
      n = size(x, "cols");
    const words = `sum over ${n} channels of x[${r}, i] × weight[i, ${c}]`;
    const text = product(
      x,
      weight,
      n,
      range(n).map((i) => [
        [0, r, i],
        [0, i, c],
      ]),
      words,
      bias ? [`bias[${c}]`, bias.value(0, 0, c)] : [],
    );
    return {
      regions: [
        region(step, "x", 0, r, null),
        region(step, "weight", 0, null, c),
        region(step, "bias", 0, 0, c),
      ],
      text: `${at} = ${text}${end}`,
    };
  },
  linear_backward({ step, name, r, c, at, end }) {
    const [dout, x, weight] = ["dout", "x", "weight"].map((one) => field(step, one)),
      n = size(dout, "cols"),
      T = size(dout, "rows");
    if (name === "dx") {
      const text = product(
        dout,
        weight,
        n,
        range(n).map((o) => [
          [0, r, o],
          [0, c, o],
        ]),
        `sum over ${n} output channels of dout[${r}, o] × weight[${c}, o]`,
      );
      return {
        regions: [region(step, "dout", 0, r, null), region(step, "weight", 0, c, null)],
        text: `${at} = ${text}${end}`,
      };
    }
    if (name === "dbias")
      return {
        regions: [region(step, "dout", 0, null, c)],
        text: `${at} = sum over ${T} tokens of dout[t, ${c}]${end}`,
      };
    const text = product(
      x,
      dout,
      T,
      range(T).map((t) => [
        [0, t, r],
        [0, t, c],
      ]),
      `sum over ${T} tokens of x[t, ${r}] × dout[t, ${c}]`,
    );
    return {
      regions: [region(step, "x", 0, null, r), region(step, "dout", 0, null, c)],
      text: `${at} = ${text}${end}`,
    };
  },
  multi_head_attention_forward(cell) {
    const hs = DATA.model.n_embd / DATA.model.n_head,
      head = Math.floor(cell.c / hs);
    return weighted(
      cell,
      head,
      cell.c % hs,
      ` (channel ${cell.c} is channel ${cell.c % hs} of head ${head})`,
    );
  },
  attention_forward: (cell) => weighted(cell, cell.plane, cell.c, ""),
  multi_head_attention_backward(cell) {
    const C = DATA.model.n_embd,
      hs = C / DATA.model.n_head,
      inside = cell.c % C,
      kind = ["dq", "dk", "dv"][Math.floor(cell.c / C)];
    const head = Math.floor(inside / hs);
    return attentionBack(cell, kind, head, inside % hs, `, ${kind} of head ${head}`);
  },
  attention_backward: (cell) => attentionBack(cell, cell.name, cell.plane, cell.c, ""),
  softmax_forward({ step, plane, r, c, at, end, value }) {
    const x = field(step, "x");
    if (x.value(plane, r, c) === null)
      return { regions: [], text: `${at} = 0: the score is -inf, hidden by the mask` };
    const seen = x.cols.filter((j) => x.value(plane, r, j) !== null);
    return {
      regions: [region(step, "x", plane, r, seen)],
      text: `${at} = e^x[${r}, ${c}] divided by the sum of e^x over row ${r}${end}`,
    };
  },
  softmax_backward({ step, plane, r, c, at, end }) {
    const [p, dout] = ["p", "dout"].map((name) => field(step, name));
    const [weight, gradient] = [p, dout].map((one) => inWords(one?.value(plane, r, c)));
    return {
      regions: [region(step, "p", plane, r, null), region(step, "dout", plane, r, null)],
      text:
        `${at} = p[${r}, ${c}] × (dout[${r}, ${c}] − sum over row ${r} of dout × p) ` +
        `= ${weight} × (${gradient} − ...)${end}`,
    };
  },
  mlp_forward({ step, r, c, at, end }) {
    return {
      regions: [
        region(step, "x", 0, r, null),
        region(step, "fc_weight", 0, null, null),
        region(step, "fc_bias", 0, 0, null),
        region(step, "proj_weight", 0, null, c),
        region(step, "proj_bias", 0, 0, c),
      ],
      text:
        `${at}${end}, from row ${r} of x, all of fc_weight ` +
        `and column ${c} of proj_weight; no other token`,
    };
  },
  mlp_backward({ step, name, r, c, at, end }) {
    if (name !== "dx")
      return {
        regions: [region(step, "dout", 0, null, null), region(step, "x", 0, null, null)],
        text: `${at}${end}, collected from all tokens; the steps inside show how`,
      };
    return {
      regions: ["dout", "x"].map((one) => region(step, one, 0, r, null)),
      text: `${at}${end}, from row ${r} of dout and of x ` + `and both matrices; no other token`,
    };
  },
  gelu_forward: (cell) => pointwise(cell, ["x"], "GELU"),
  gelu_backward: (cell) => pointwise(cell, ["dout", "x"], "GELU'"),
  relu_forward: (cell) => pointwise(cell, ["x"], "ReLU"),
  relu_backward: (cell) => pointwise(cell, ["dout", "x"], "ReLU'"),
  dropout_forward: (cell) => pointwise(cell, ["x", "keep"], "dropout"),
  dropout_backward: (cell) => pointwise(cell, ["dout", "keep"], "dropout"),
  cross_entropy_forward({ step, end }) {
    const counted = DATA.targets.filter((y) => y >= 0).length;
    return {
      regions: [region(step, "logits", 0, null, null), region(step, "targets", 0, 0, null)],
      text: `mean over ${counted} tokens of −log p[target]${end} nats; ${surprise(step)}`,
    };
  },
  cross_entropy_backward({ step, r, c, at, end }) {
    const y = DATA.targets[r],
      counted = DATA.targets.filter((one) => one >= 0).length,
      p = field(step, "p");
    if (y < 0) return { regions: [], text: `${at} = 0: this token has no target` };
    const why = y === c ? " − 1, because this is the right token" : "";
    const minus = y === c ? " − 1" : "";
    const numbers = p ? ` = (${inWords(p.value(0, r, c))}${minus}) / ${counted}` : "";
    return {
      regions: [
        region(step, "p", 0, r, c),
        region(step, "logits", 0, r, null),
        region(step, "targets", 0, 0, r),
      ],
      text: `${at} = (p[${r}, ${c}]${why}) / ${counted}${numbers}${end}`,
    };
  },
};

function pointwise({ step, v, plane, r, c, at, end }, names, what) {
  const inputs = names
    .filter((name) => field(step, name))
    .map((name) => `${name} = ${shownHere(field(step, name), plane, r, c)}`);
  return {
    regions: names.map((name) => region(step, name, plane, r, c)),
    text: `${at}${end}, only from this cell: ${what} of ${inputs.join(", ")}`,
  };
}

// out = the sum over the visible keys of weight times value.
function weighted({ step, r, at, end }, head, channel, note) {
  const seen = visibleKeys(step, r),
    P = field(step, "P"),
    strongest = seen
      .map((j) => [P.value(head, r, j), j])
      .filter(([p]) => typeof p === "number")
      .sort((a, b) => b[0] - a[0])
      .slice(0, 3)
      .map(([p, j]) => `${inWords(p)} of ${tokenName(j)} (${j})`);
  return {
    regions: [
      headCells(step, "q", head, r, null),
      headCells(step, "k", head, seen, null),
      headCells(step, "v", head, seen, channel),
      region(step, "P", head, r, seen),
      region(step, "S", head, r, seen),
    ],
    text:
      `${at}${note} = sum over keys ${span(seen)} of P[${r}, j] × v[j, ${channel}]${end}; ` +
      `the largest weights: ${strongest.join(", ")}`,
  };
}

function attentionBack({ step, r, at, end }, kind, head, channel, note) {
  const dout = (tokens, c) =>
    field(step, "qkv")
      ? region(
          step,
          "dout",
          0,
          tokens,
          c === null ? range(hs()).map((i) => head * hs() + i) : head * hs() + c,
        )
      : region(step, "dout", head, tokens, c);
  const hs = () => DATA.model.n_embd / DATA.model.n_head;
  const seen = kind === "dq" ? visibleKeys(step, r) : watchingQueries(step, r);
  if (kind === "dv")
    return {
      regions: [region(step, "P", head, seen, r), dout(seen, channel)],
      text:
        `${at}${note} = sum over the queries i that see key ${r} (${span(seen)}) ` +
        `of P[i, ${r}] × dout[i, ${channel}]${end}`,
    };
  if (kind === "dq")
    return {
      regions: [
        region(step, "P", head, r, seen),
        dout(r, null),
        headCells(step, "k", head, seen, channel),
        headCells(step, "v", head, seen, null),
      ],
      text:
        `${at}${note} = sum over keys ${span(seen)} ` +
        `of dS[${r}, j] × k[j, ${channel}], ` +
        `divided by sqrt(${hs()})${end}`,
    };
  return {
    regions: [
      region(step, "P", head, seen, r),
      dout(seen, null),
      headCells(step, "q", head, seen, channel),
      headCells(step, "v", head, r, null),
    ],
    text:
      `${at}${note} = sum over the queries i that see key ${r} (${span(seen)}) ` +
      `of dS[i, ${r}] × q[i, ${channel}], ` +
      `divided by sqrt(${hs()})${end}`,
  };
}

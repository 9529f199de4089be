// What changed since an earlier run; which risks are accepted, and what a person answered for.
const SOME = 100;

const driftRows = (name) => {
  const number = D.texts.indexOf(name);
  return number < 0 ? [] : rowsWhere(D.r.drift, number);
};

const driftTable = (name, heading) => {
  const rows = driftRows(name);
  if (!rows.length) return null;
  const cells = rows
    .slice(0, SOME)
    .map((row) => [
      h("a", { href: href("finding", identity(row)) }, targetOf(row).label),
      mark(D.verdict[row]),
      h("code", { class: "id" }, controlOf(row).id),
      [
        text("resource", row) ? [h("code", {}, text("resource", row)), " "] : null,
        firstLine(text("message", row)) || controlOf(row).title,
      ],
    ]);
  const more =
    rows.length > SOME
      ? h(
          "p",
          {},
          h(
            "a",
            { href: href("list", { drift: name }) },
            `All ${rows.length.toLocaleString("en")}`,
          ),
        )
      : null;
  return [
    h("h3", {}, heading, " ", h("small", {}, rows.length)),
    table(heading, ["Target", "Verdict now", "Control", "What was found"], cells),
    more,
  ];
};

const driftView = (query, page) => {
  const drift = D.drift;
  page.append(title("Drift"));
  if (!drift) {
    page.append(h("p", {}, "This run was not compared with an earlier one."));
    return {};
  }
  const names = ["new", "fixed", "changed", "gone", "unchanged"];
  const link = (name) => (name === "gone" ? "#/drift" : href("list", { drift: name }));
  page.append(
    h(
      "ul",
      { class: "tiles five" },
      names.map((name) =>
        h(
          "li",
          {},
          h(
            "a",
            { class: "tile " + name, href: link(name) },
            h("strong", {}, drift.counts[name].toLocaleString("en")),
            " ",
            name,
          ),
        ),
      ),
    ),
    h(
      "section",
      { class: "card" },
      facts([
        ["Compared with", drift.baseline.path],
        ["Run", drift.baseline.run],
        ["Of", when(drift.baseline.started)],
        ["SHA-256", hash(drift.baseline.sha256)],
      ]),
    ),
    ...[driftTable("new", "New"), driftTable("fixed", "Fixed"), driftTable("changed", "Changed")]
      .flat()
      .filter(Boolean),
  );
  if (drift.gone.length) {
    const cells = drift.gone
      .slice(0, SOME * 10)
      .map((one) => [
        one.target || "the run itself",
        mark(D.verdicts.indexOf(one.verdict)),
        h("code", { class: "id" }, one.control),
        one.resource ? h("code", {}, one.resource) : "",
      ]);
    page.append(
      h("h3", {}, "Gone ", h("small", {}, drift.gone.length)),
      table("Gone", ["Target", "Verdict then", "Control", "Resource"], cells),
    );
  }
  return {};
};

const bySoonest = (records) => [...records].sort((a, b) => a.expires_in_days - b.expires_in_days);

const due = (one, end) => {
  const days = one.expires_in_days;
  const words = days < 0 ? `expired ${plural(-days, "day")} ago` : `in ${plural(days, "day")}`;
  const look = days < 0 || one.state === "expired" ? "late" : one.expiring ? "soon" : "";
  return [
    when(end),
    h("br"),
    look ? h("b", { class: look }, words) : h("span", { class: "quiet" }, words),
  ];
};

const covered = (one, facets) =>
  one.results
    ? h(
        "a",
        { href: href("list", { control: one.control, ...facets }) },
        plural(one.results, "result"),
      )
    : "none";

const control_ = (one) => [
  D.byId.has(one.control)
    ? h(
        "a",
        { href: href("control", { id: one.control }) },
        h("code", { class: "id" }, one.control),
      )
    : h("code", { class: "id" }, one.control),
  h("br"),
  h(
    "span",
    { class: "quiet" },
    one.target,
    one.resource ? [" · ", h("code", {}, one.resource)] : null,
  ),
];

const waiversTable = (waivers) =>
  table(
    "Waivers",
    ["Control and targets", "Expires", "State", "Justification", "Approved by", "Covers"],
    bySoonest(waivers).map((one) => [
      control_(one),
      due(one, one.expires),
      one.state,
      [one.justification, h("br"), h("small", {}, one.place)],
      [one.approver, one.ticket ? [h("br"), one.ticket] : null],
      covered(one, { verdict: "waived" }),
    ]),
  );

const attestationsTable = (attestations) =>
  table(
    "Attestations",
    ["Control and targets", "Valid until", "State", "Answer", "By", "Covers"],
    bySoonest(attestations).map((one) => [
      control_(one),
      due(one, one.valid_until),
      one.state,
      [
        h("b", {}, D.words[D.verdicts.indexOf(one.status)]),
        " ",
        one.explanation,
        h("br"),
        h("small", {}, one.place),
      ],
      [
        one.by,
        h("br"),
        when(one.at),
        one.evidence_file ? [h("br"), one.evidence_file, h("br"), hash(one.evidence_sha256)] : null,
      ],
      covered(one, {}),
    ]),
  );

// Results that carry a waiver or an attestation, where the run lists none (or a marker gave it).
const carried = (column) => {
  const rows = [];
  for (let i = 0; i < D.count; i++) if (D.r[column][i]) rows.push(i);
  return rows;
};

const waiversView = (query, page) => {
  page.append(title("Waivers and attestations"));
  const parts = [
    ["Waivers", D.waivers, waiversTable, "waiver"],
    ["Attestations", D.attestations, attestationsTable, "attestation"],
  ];
  for (const [heading, records, make, column] of parts) {
    const rows = carried(column);
    if (records?.length)
      page.append(h("h3", {}, heading, " ", h("small", {}, records.length)), make(records));
    else if (rows.length) {
      const cells = rows.slice(0, SOME * 10).map((row) => {
        const said = record(column, row);
        return [
          h("a", { href: href("finding", identity(row)) }, targetOf(row).label),
          h("code", { class: "id" }, controlOf(row).id),
          said.justification || said.reason || said.explanation || "",
          when(said.expires || said.valid_until) || "no date",
        ];
      });
      page.append(
        h("h3", {}, heading, " ", h("small", {}, rows.length)),
        table(heading, ["Target", "Control", "Reason", "Until"], cells),
      );
    } else page.append(h("h3", {}, heading), h("p", { class: "quiet" }, "None in this run."));
  }
  return {};
};

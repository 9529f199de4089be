// One result in full: what was found, why it matters, how to mend it, and what proves it.
const shown = (said, name = "") => h("pre", { class: name }, said);

const frameworksOf = (control) =>
  Object.entries(control.frameworks).map(([name, numbers]) => [
    h("bdi", {}, name),
    " ",
    numbers.map((number, place) => [
      place ? ", " : null,
      h("a", { href: href("list", { framework: `${name}:${number}` }) }, number),
    ]),
    h("br"),
  ]);

const hash = (value) => (value ? h("code", { class: "hash" }, value) : null);
const when = (value) =>
  value
    ? String(value)
        .replace("T", " ")
        .replace(/(\.000)?Z$/, " UTC")
    : null;

// Whatever a waiver or an attestation says: the known parts first, in words.
const EXCEPTION = [
  ["status", "Attested as"],
  ["raw", "Verdict without it"],
  ["justification", "Justification"],
  ["reason", "Reason"],
  ["explanation", "Explanation"],
  ["approver", "Approved by"],
  ["by", "By"],
  ["ticket", "Ticket"],
  ["at", "On"],
  ["expires", "Expires"],
  ["valid_until", "Valid until"],
  ["evidence_file", "File"],
  ["evidence_sha256", "SHA-256 of the file"],
  ["target", "Covers targets"],
  ["resource", "Covers resource"],
  ["place", "Written in"],
];

const exception = (heading, said) => {
  if (!said) return null;
  const known = new Set([...EXCEPTION.map(([name]) => name), "expired"]);
  const rest = Object.keys(said)
    .filter((name) => !known.has(name))
    .map((name) => [name, name]);
  const words = (name) => {
    const value = said[name];
    if (name in { at: 1, expires: 1, valid_until: 1 }) return when(value);
    if (name === "evidence_sha256") return hash(value);
    return typeof value === "object" && value ? JSON.stringify(value) : value;
  };
  return h(
    "section",
    { class: "card exception" },
    h("h3", {}, heading, said.expired ? h("b", { class: "late" }, " expired") : null),
    facts([...EXCEPTION, ...rest].map(([name, label]) => [label, words(name)])),
  );
};

const evidenceNote = (flags) => [
  flags & 1 ? h("span", { class: "flag" }, "secrets taken out") : null,
  flags & 2 ? h("span", { class: "flag" }, "cut, as it was too large") : null,
];

const evidenceItem = (number, from) => {
  const e = D.e;
  const flags = e.flags[number];
  if (!flags)
    return h("li", {}, hash(e.id[number]), h("span", { class: "quiet" }, " no details here"));
  const text_ = (column) => D.texts[e[column][number]];
  return h(
    "li",
    { id: "e-" + e.id[number] },
    h("p", { class: "what" }, h("b", {}, text_("kind")), " ", h("code", {}, text_("what"))),
    text_("excerpt") ? shown(text_("excerpt"), "excerpt") : null,
    facts(
      [
        ["Outcome", text_("outcome")],
        ["Target", text_("target") !== from ? text_("target") : ""],
        ["Seen", `${moment(e.started[number])}, took ${seconds(e.took[number])}`],
        ["Id", hash(e.id[number])],
        [
          "SHA-256",
          e.sha256[number] ? [hash(e.sha256[number]), ` ${plural(e.size[number], "byte")}`] : null,
        ],
        ["Note", flags & 3 ? evidenceNote(flags) : null],
        [
          "Made of",
          e.made_of[number].length
            ? e.made_of[number].map((part) => [hash(e.id[part]), " "])
            : null,
        ],
      ],
      "small",
    ),
  );
};

// What a result names, and what that was made of, each once.
const evidenceOf = (row, open) => {
  const named = new Set(D.r.evidence[row]);
  const found = new Set(named);
  for (const number of found) for (const part of D.e.made_of[number]) found.add(part);
  if (!found.size) return null;
  const cut = D.cuts.length
    ? h(
        "p",
        { class: "quiet" },
        `Left out of this page, as it would be too large: ${D.cuts.join("; ")}. The json report has all.`,
      )
    : null;
  const weight = (number) =>
    D.texts[D.e.kind[number]] === "target" ? 2 : D.e.excerpt[number] ? 0 : 1;
  const items = (numbers) =>
    h(
      "ul",
      {},
      numbers
        .sort((a, b) => weight(a) - weight(b))
        .map((number) => evidenceItem(number, targetOf(row).name)),
    );
  const below = [...found].filter((number) => !named.has(number));
  return h(
    "section",
    { class: "card evidence" },
    h("h3", {}, "Evidence ", h("small", {}, found.size)),
    cut,
    items([...named]),
    below.length
      ? h(
          "details",
          { open },
          h("summary", {}, `What this was made of: ${plural(below.length, "observation")}`),
          items(below),
        )
      : null,
  );
};

const values = (row) => {
  const parts = [
    ["Expected", text("expected", row)],
    ["Observed", text("observed", row)],
  ];
  if (!parts.some(([, said]) => said)) return null;
  return h(
    "div",
    { class: "values" },
    parts.map(([label, said]) =>
      h(
        "section",
        {},
        h("h3", {}, label),
        said ? shown(said) : h("p", { class: "quiet" }, "not said"),
      ),
    ),
  );
};

const params = (row) => {
  const said = record("params", row);
  return said
    ? Object.entries(said)
        .map(([name, value]) => `${name} = ${value}`)
        .join(", ")
    : null;
};

const DRIFTS = {
  new: "new: it was no failure then, or was not there",
  fixed: "fixed: it failed then",
  changed: "changed: another verdict, or another value",
  unchanged: "unchanged",
};

const finding = (row, level = "h2") => {
  const [control, target] = [controlOf(row), targetOf(row)];
  const drift = text("drift", row);
  const said = text("message", row);
  return h(
    "article",
    { class: "finding " + D.verdicts[D.verdict[row]] },
    h(
      "p",
      { class: "labels" },
      mark(D.verdict[row]),
      badge(control),
      drift && drift !== "unchanged" ? h("span", { class: "flag" }, drift) : null,
    ),
    h(level, { tabindex: -1 }, control.title || control.id),
    h(
      "p",
      { class: "quiet" },
      h("a", { href: href("control", { id: control.id }) }, h("code", {}, control.id)),
      " on ",
      h("a", { href: href("target", { name: target.name }) }, target.label),
    ),
    text("resource", row) ? h("p", {}, h("code", {}, text("resource", row))) : null,
    said ? shown(said, "message") : null,
    values(row),
    control.rationale || control.remediation
      ? h(
          "section",
          { class: "card advice" },
          facts([
            ["Why", prose(control.rationale)],
            ["Fix", prose(control.remediation)],
          ]),
        )
      : null,
    exception("Waiver", record("waiver", row)),
    exception("Attestation", record("attestation", row)),
    evidenceOf(row, level !== "h2"),
    h(
      "section",
      { class: "card" },
      facts([
        ["Parameters", params(row)],
        ["Frameworks", Object.keys(control.frameworks).length ? frameworksOf(control) : null],
        ["Since the baseline", DRIFTS[drift] || drift],
        [
          "Assessed",
          D.r.started[row] === null
            ? null
            : `${moment(D.r.started[row])}, took ${seconds(D.r.took[row])}`,
        ],
        ["Check", hash(text("check", row))],
        ["SHA-256 of the check", hash(control.source_sha256)],
        [
          "Target",
          Object.entries(target.identity).map(([name, value]) => [
            h("span", { class: "quiet" }, name.replaceAll("_", " ") + " "),
            h("code", {}, value),
            h("br"),
          ]),
        ],
      ]),
    ),
  );
};

const findingView = (query, page) => {
  const row = rowOf(Object.fromEntries(query));
  if (row === undefined) {
    page.append(
      title("No such result"),
      h(
        "p",
        {},
        "This page has no result with this control, target and resource. ",
        h("a", { href: "#/list" }, "All results"),
      ),
    );
    return {};
  }
  const place = trail.rows.indexOf(row);
  const step = (to, words) =>
    trail.rows[to] === undefined || place < 0
      ? null
      : h("a", { href: href("finding", identity(trail.rows[to])) }, words);
  trail.last = row;
  page.append(
    h(
      "nav",
      { class: "steps", "aria-label": "Results" },
      h("a", { href: trail.back, id: "back" }, "← Back"),
      place < 0
        ? null
        : h(
            "span",
            { class: "quiet" },
            `${(place + 1).toLocaleString("en")} of ${trail.rows.length.toLocaleString("en")}`,
          ),
      step(place - 1, "Previous"),
      step(place + 1, "Next"),
    ),
    finding(row),
  );
  return { back: trail.back };
};

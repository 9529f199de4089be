// Controls, targets, and the numbers of frameworks.
const identityOf = (target) =>
  facts(
    Object.entries(target.identity).map(([name, value]) => [
      name.replaceAll("_", " "),
      h("code", {}, value),
    ]),
    "small",
  );

const reach = (target) => {
  if (target.reachable === false)
    return h("span", { class: "mark error" }, "not reached: ", target.reason);
  return target.reachable === null ? h("span", { class: "quiet" }, "not tried") : null;
};

const named = (list) => list.filter((one) => !one.stranger || one.counts.some(Boolean));
const sum = (counts) => counts.reduce((a, b) => a + b, 0);

// A table of thousands takes seconds to draw: then those that nothing is known of come first, and
// those with the most failures.
const MOST_TARGETS = 500;
const byGravity = (a, b) =>
  (a.reachable !== false) - (b.reachable !== false) ||
  b.counts[0] - a.counts[0] ||
  b.counts[1] - a.counts[1];

const targetsView = (query, page) => {
  const all = named(D.targets);
  const found = all.length > MOST_TARGETS ? [...all].sort(byGravity).slice(0, MOST_TARGETS) : all;
  const most = all.reduce((m, target) => Math.max(m, sum(target.counts)), 1);
  page.append(
    title("Targets ", h("small", {}, D.targets.filter((t) => !t.stranger).length)),
    h(
      "p",
      { hidden: found.length === all.length },
      `The ${found.length} worst of ${plural(all.length, "target")}; `,
      h("a", { href: href("matrix") }, "the matrix has all"),
      ".",
    ),
    table(
      "Targets",
      ["Target", "Kind", "Groups", "Results", "Identity"],
      found.map((target) => [
        h("a", { href: href("target", { name: target.name }) }, target.label),
        target.kind,
        target.groups.join(", "),
        [reach(target), bar(target.counts, most), tally(target.counts, { target: target.name })],
        Object.entries(target.identity)
          .slice(0, 3)
          .map(([, value]) => [h("code", {}, value), h("br")]),
      ]),
    ),
  );
  return {};
};

const targetView = (query, page) => {
  const target = D.byName.get(query.get("name") || "");
  if (!target) return unknown("target", query.get("name"), page);
  page.append(
    title(target.label),
    h("p", { class: "quiet" }, [target.kind, ...target.groups].filter(Boolean).join(" · ")),
    h("p", {}, reach(target)),
    h(
      "section",
      { class: "card" },
      identityOf(target),
      bar(target.counts),
      tally(target.counts, { target: target.name }),
    ),
    h("h3", {}, "Results"),
  );
  return plainList(rowsWhere(D.target, target.number), page);
};

const rowsWhere = (column, number) => {
  const rows = [];
  for (let i = 0; i < D.count; i++) if (column[i] === number) rows.push(i);
  return rows;
};

const unknown = (what, name, page) => {
  page.append(
    title(`No such ${what}`),
    h("p", {}, `This page knows no ${what} `, h("code", {}, name || "without a name"), "."),
  );
  return {};
};

const controlsView = (query, page) => {
  const found = named(D.controls);
  const field = h("input", {
    type: "search",
    name: "q",
    autocomplete: "off",
    placeholder: "any words; press / to come here",
    value: query.get("q") || "",
  });
  const status = h("p", { id: "shown", role: "status" });
  const holder = h("div", {});
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = found.filter((c) =>
      words.every((word) => lower().controls[c.number].includes(word)),
    );
    status.textContent = `${kept.length} of ${plural(found.length, "control")}`;
    holder.replaceChildren(
      table(
        "Controls",
        ["Control", "Severity", "Title", "Results", "Frameworks"],
        kept.map((c) => [
          h("a", { href: href("control", { id: c.id }) }, h("code", { class: "id" }, c.id)),
          badge(c),
          c.title,
          [bar(c.counts), tally(c.counts, { control: c.id })],
          Object.entries(c.frameworks).map(([name, numbers]) => [
            name,
            " ",
            numbers.join(", "),
            h("br"),
          ]),
        ]),
      ),
    );
  };
  field.addEventListener("input", () => {
    keep(href("controls", { q: field.value }));
    show();
  });
  page.append(
    title("Controls ", h("small", {}, found.length)),
    h(
      "form",
      {
        id: "filters",
        role: "search",
        "aria-label": "Search the controls",
        onsubmit: (event) => event.preventDefault(),
      },
      h("label", { class: "wide" }, "Search", field),
    ),
    status,
    holder,
  );
  show();
  return { search: field };
};

const controlView = (query, page) => {
  const control = D.byId.get(query.get("id"));
  if (!control) return unknown("control", query.get("id"), page);
  page.append(
    h("p", { class: "labels" }, badge(control)),
    title(control.title || control.id),
    h("p", { class: "quiet" }, h("code", {}, control.id)),
    h(
      "section",
      { class: "card advice" },
      facts([
        ["Why", prose(control.rationale)],
        ["Fix", prose(control.remediation)],
        ["Frameworks", Object.keys(control.frameworks).length ? frameworksOf(control) : null],
        ["Check", hash(control.source)],
        ["SHA-256", hash(control.source_sha256)],
      ]),
      bar(control.counts),
      tally(control.counts, { control: control.id }),
    ),
    h("h3", {}, "Results"),
  );
  return plainList(rowsWhere(D.control, control.number), page);
};

const STATE_MARKS = ["fail", "error", "waived", "pass", "not_applicable"];
const state = (place) => h("span", { class: "mark " + STATE_MARKS[place] }, D.states[place]);

const coverageView = (query, page) => {
  const names = Object.keys(D.coverage);
  const chosen = names.includes(query.get("framework")) ? query.get("framework") : names[0];
  page.append(title("Coverage of frameworks"));
  if (!chosen) {
    page.append(h("p", {}, "No control of this run names a number of a framework."));
    return {};
  }
  const numbers = D.coverage[chosen];
  const counts = D.states.map((_, place) => numbers.filter((one) => one[1] === place).length);
  page.append(
    h(
      "nav",
      { class: "tabs", "aria-label": "Frameworks" },
      names.map((name) =>
        h(
          "a",
          {
            href: href("coverage", { framework: name }),
            "aria-current": name === chosen && "page",
          },
          name,
        ),
      ),
    ),
    h(
      "p",
      { id: "shown" },
      counts.map((count, place) => [state(place), ` ${count} `]),
    ),
    h(
      "p",
      { class: "quiet" },
      "Of the numbers that the controls of this run name. Not met: a control failed. Not assessed: one could not be judged, or has no result. Accepted: what failed is waived.",
    ),
    table(
      chosen,
      ["Number", "State", "Controls", "Results"],
      numbers.map(([number, place, ids]) => {
        const total = D.verdicts.map((_, v) =>
          sum(ids.map((id) => D.byId.get(id)?.counts[v] || 0)),
        );
        return [
          number,
          state(place),
          ids.map((id) => [
            h("a", { href: href("control", { id }) }, h("code", { class: "id" }, id)),
            h("br"),
          ]),
          tally(total, { framework: `${chosen}:${number}` }),
        ];
      }),
    ),
  );
  return {};
};

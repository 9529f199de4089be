// Which results are shown: the filters, as they stand in the address, and the form that sets them.
const MANY = ["verdict", "severity"];
const ONE = ["family", "framework", "target", "control", "drift", "order", "q"];

const readFilters = (query) => {
  const wanted = {};
  for (const name of MANY) wanted[name] = new Set(query.getAll(name));
  for (const name of ONE) wanted[name] = query.get(name) || "";
  return wanted;
};

const asFacets = (wanted) => {
  const facets = {};
  for (const name of MANY) facets[name] = [...wanted[name]];
  for (const name of ONE) facets[name] = wanted[name];
  return facets;
};

// Whether a control has this framework, or one number of it ("name:number", the end may be *).
const inFramework = (control, wanted) => {
  if (!wanted || Object.hasOwn(control.frameworks, wanted)) return true;
  return Object.entries(control.frameworks).some(
    ([name, numbers]) =>
      wanted.startsWith(name + ":") &&
      numbers.some((number) => {
        const part = wanted.slice(name.length + 1);
        return part.endsWith("*") ? number.startsWith(part.slice(0, -1)) : number === part;
      }),
  );
};

const lower = () => {
  if (D.lower) return D.lower;
  const joined = (value) => JSON.stringify(value).toLowerCase();
  D.lower = {
    texts: D.texts.map((t) => t.toLowerCase()),
    controls: D.controls.map((c) =>
      [c.id, c.title, c.severity, c.rationale, c.remediation, c.source, joined(c.frameworks)]
        .join("\n")
        .toLowerCase(),
    ),
    targets: D.targets.map((t) =>
      [t.label, t.kind, t.groups.join("\n"), t.reason, Object.values(t.identity).join("\n")]
        .join("\n")
        .toLowerCase(),
    ),
    words: D.words.map((word) => word.toLowerCase()),
  };
  return D.lower;
};

// For each word a function that tells whether a result says it in any of its parts.
const saying = (words) => {
  const all = lower();
  const columns = [
    "message",
    "expected",
    "observed",
    "resource",
    "params",
    "waiver",
    "attestation",
  ];
  const numbers = columns.map((name) => D.r[name]);
  return words.map((word) => {
    const [texts, controls, targets, verdicts] = [
      all.texts,
      all.controls,
      all.targets,
      all.words,
    ].map((list) => list.map((t) => t.includes(word)));
    const ids = new Set();
    if (/^[0-9a-f]{6,}$/.test(word)) {
      D.e.id.forEach((id, number) => id.startsWith(word) && ids.add(number));
    }
    return (row) =>
      controls[D.control[row]] ||
      targets[D.target[row]] ||
      verdicts[D.verdict[row]] ||
      numbers.some((column) => texts[column[row]]) ||
      (ids.size > 0 && D.r.evidence[row].some((number) => ids.has(number)));
  });
};

// The results that the filters leave, worst first or in another order, and for each verdict and
// severity how many there are or would be.
const select = (wanted) => {
  const controls = D.controls.map(
    (c) =>
      (!wanted.family || c.family === wanted.family) &&
      (!wanted.control || c.id === wanted.control) &&
      inFramework(c, wanted.framework),
  );
  const targets = D.targets.map((t) => !wanted.target || t.names.has(wanted.target));
  const tests = saying(wanted.q.toLowerCase().split(/\s+/).filter(Boolean));
  const drift = wanted.drift ? D.texts.indexOf(wanted.drift) : -2;
  const verdicts = D.verdicts.map((v) => !wanted.verdict.size || wanted.verdict.has(v));
  const weights = D.severities.map((v) => !wanted.severity.size || wanted.severity.has(v));
  const counts = { verdict: D.verdicts.map(() => 0), severity: D.severities.map(() => 0) };
  const rows = [];
  for (let i = 0; i < D.count; i++) {
    if (!controls[D.control[i]] || !targets[D.target[i]]) continue;
    if (drift !== -2 && D.r.drift[i] !== drift) continue;
    if (!tests.every((test) => test(i))) continue;
    const weight = controlOf(i).weight;
    if (weights[weight]) counts.verdict[D.verdict[i]]++;
    if (verdicts[D.verdict[i]]) counts.severity[weight]++;
    if (weights[weight] && verdicts[D.verdict[i]]) rows.push(i);
  }
  return { rows: arranged(rows, wanted.order), counts };
};

const arranged = (rows, order) => {
  const key = { target: (i) => targetOf(i).name, control: (i) => controlOf(i).id }[order];
  if (!key) return rows;
  return rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a - b));
};

const chips = (name, values, words, wanted, look) =>
  h(
    "fieldset",
    {},
    h("legend", {}, name[0].toUpperCase() + name.slice(1)),
    values.map((value, place) =>
      h(
        "label",
        { class: "chip" },
        h("input", { type: "checkbox", name, value, checked: wanted[name].has(value) }),
        h("span", { class: look + " " + value }, words[place], " ", h("output", {})),
      ),
    ),
  );

const choice = (label, name, groups, value) => {
  const field = h(
    "select",
    { name },
    groups.map(([heading, pairs]) => {
      const options = pairs.map(([key, words]) => h("option", { value: key }, words));
      return heading ? h("optgroup", { label: heading }, options) : options;
    }),
  );
  field.value = value;
  if (field.selectedIndex === -1 && value) {
    field.append(h("option", { value }, value));
    field.value = value;
  }
  if (field.selectedIndex === -1) field.value = "";
  return h("label", {}, label, field);
};

const pairs = (values) => [...values].sort().map((value) => [value, value]);

const choices = (wanted, orders) => {
  const named = D.targets.filter((t) => !t.stranger);
  const groups = new Set(named.flatMap((t) => t.groups));
  const kinds = new Set(named.map((t) => t.kind));
  const frameworks = new Set(D.controls.flatMap((c) => Object.keys(c.frameworks)));
  const every = [["", "all"]];
  const prefixed = (kind, names) => pairs(names).map(([name]) => [kind + ":" + name, name]);
  return [
    choice(
      "Family",
      "family",
      [["", [...every, ...pairs(new Set(D.controls.map((c) => c.family)))]]],
      wanted.family,
    ),
    choice(
      "Target",
      "target",
      [
        ["", every],
        ["Kinds", prefixed("kind", kinds)],
        ...(groups.size ? [["Groups", prefixed("group", groups)]] : []),
        ["Targets", pairs(named.map((t) => t.name))],
      ],
      wanted.target,
    ),
    frameworks.size
      ? choice("Framework", "framework", [["", [...every, ...pairs(frameworks)]]], wanted.framework)
      : null,
    D.drifts.size
      ? choice("Drift", "drift", [["", [...every, ...pairs(D.drifts)]]], wanted.drift)
      : null,
    choice("Order", "order", [["", orders]], wanted.order),
  ];
};

// The form. `changed` gets the new filters; `counted` of the answer shows how many there are.
const filterForm = (wanted, orders, changed) => {
  let waiting = 0;
  const search = h("input", {
    type: "search",
    name: "q",
    placeholder: "any words; press / to come here",
    autocomplete: "off",
    spellcheck: "false",
    value: wanted.q,
  });
  const form = h(
    "form",
    { id: "filters", role: "search", "aria-label": "Filter the results" },
    h("label", { class: "wide" }, "Search", search),
    h(
      "details",
      { open: window.innerWidth > 900 },
      h("summary", {}, "Filters"),
      chips("verdict", D.verdicts, D.words, wanted, "mark"),
      chips("severity", D.severities, D.severities, wanted, "severity"),
      h("div", { class: "fields" }, choices(wanted, orders)),
    ),
    h("button", { type: "reset" }, "Show all"),
  );
  const read = () => {
    const query = new URLSearchParams(new FormData(form));
    if (wanted.control) query.set("control", wanted.control);
    changed((wanted = readFilters(query)));
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => event.target !== search && read());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const field of form.elements) {
      if (field.type === "checkbox") field.checked = false;
      else field.value = "";
    }
    wanted.control = "";
    read();
    search.focus();
  });
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(read, 120);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !search.value) return;
    event.stopPropagation();
    search.value = "";
    read();
  });
  const counted = (counts) => {
    for (const name of MANY) {
      for (const [place, box] of [...form.querySelectorAll(`[name=${name}]`)].entries()) {
        box.parentNode.querySelector("output").value = counts[name][place].toLocaleString("en");
      }
    }
  };
  return { form, counted };
};

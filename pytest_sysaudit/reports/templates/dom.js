// Making elements. No text ever becomes markup: there is no other way to make an element here.
const SVG = "http://www.w3.org/2000/svg";

const fill = (node, parts) => {
  for (const part of parts.flat(Infinity)) {
    if (part === null || part === undefined || part === false || part === "") continue;
    node.append(part instanceof Node ? part : String(part));
  }
  return node;
};

const dress = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  return node;
};

const h = (name, attributes, ...parts) =>
  fill(dress(document.createElement(name), attributes), parts);
const s = (name, attributes, ...parts) =>
  fill(dress(document.createElementNS(SVG, name), attributes), parts);

const href = (view, facets = {}) => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(facets)) {
    for (const one of [value].flat()) if (one) query.append(name, one);
  }
  const said = query.toString();
  return `#/${view}${said ? "?" + said : ""}`;
};

const mark = (verdict) => h("span", { class: "mark " + D.verdicts[verdict] }, D.words[verdict]);
const badge = (control) =>
  h("i", { class: "severity " + control.severity }, control.severity || "medium");
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

const bar = (counts, most) => {
  const total = most || counts.reduce((a, b) => a + b, 0);
  let x = 0;
  const parts = counts.map((count, verdict) => {
    const width = total ? (100 * count) / total : 0;
    x += width;
    return count ? s("rect", { class: D.verdicts[verdict], x: x - width, width, height: 1 }) : null;
  });
  return s(
    "svg",
    { class: "bar", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" },
    parts,
  );
};

const tally = (counts, facets) =>
  h(
    "span",
    { class: "tally" },
    counts.map((count, verdict) =>
      count
        ? [
            h(
              "a",
              { href: href("list", { ...facets, verdict: D.verdicts[verdict] }) },
              h(
                "span",
                { class: "mark " + D.verdicts[verdict] },
                `${count} ${D.words[verdict].toLowerCase()}`,
              ),
            ),
            " ",
          ]
        : null,
    ),
  );

// A list of label and content; what is empty is left out.
const facts = (pairs, name = "facts") =>
  h(
    "dl",
    { class: name },
    pairs
      .filter(
        ([, value]) => value !== null && value !== undefined && value !== "" && value !== false,
      )
      .map(([label, value]) => [h("dt", {}, label), h("dd", {}, value)]),
  );

// A table; on a phone each row is a card, and each cell says what it is.
// The roles say what it is where it is laid out as no table, on a phone.
const table = (label, heads, rows) => {
  const head = (words) => h("th", { scope: "col", role: "columnheader" }, words);
  const cell = (content, place) =>
    place
      ? h("td", { role: "cell", "data-label": heads[place] }, h("div", {}, content))
      : h("th", { scope: "row", role: "rowheader" }, content);
  const row = (cells) => h("tr", { role: "row" }, cells.map(cell));
  return h(
    "div",
    { class: "scroll card" },
    h(
      "table",
      { class: "plain", role: "table", "aria-label": label },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map(head))),
      h("tbody", { role: "rowgroup" }, rows.map(row)),
    ),
  );
};

// Text in which `backticks` stand around code.
const prose = (said) =>
  said && said.split(/`([^`\n]+)`/).map((part, place) => (place % 2 ? h("code", {}, part) : part));

const title = (words, ...more) => h("h2", { tabindex: -1 }, words, more);

// The list of results: only those rows are in the page that the window shows.
const AROUND = 8;

// `make(index)` gives the element of a row: something that can have the focus. `active` stays in
// the page wherever the window is, so that the keyboard does not lose its place.
const virtualList = (label, make) => {
  const probe = h("div", { class: "probe", "aria-hidden": "true" });
  const box = h("div", { class: "rows", role: "list", "aria-label": label });
  const all = h("div", { class: "list" }, probe, box);
  const drawn = new Map();
  let rows = [];
  let active = 0;
  let height = 0;
  let asked = 0;

  const draw = () => {
    asked = 0;
    if (!all.isConnected || !height) return;
    const top = -box.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / height) - AROUND);
    const last = Math.min(rows.length, Math.ceil((top + window.innerHeight) / height) + AROUND);
    const wanted = [];
    if (active < first && rows.length) wanted.push(active);
    for (let i = first; i < last; i++) wanted.push(i);
    if (active >= Math.max(last, first) && rows.length) wanted.push(active);
    const keep = new Set(wanted);
    for (const [i, node] of drawn) {
      if (keep.has(i)) continue;
      node.remove();
      drawn.delete(i);
    }
    let next = box.firstChild;
    for (const i of wanted) {
      let node = drawn.get(i);
      if (!node) {
        node = place(i);
        drawn.set(i, node);
      }
      if (node === next) next = next.nextSibling;
      else box.insertBefore(node, next);
    }
  };

  const place = (i) => {
    const link = make(rows[i]);
    link.tabIndex = i === active ? 0 : -1;
    const node = h(
      "div",
      { role: "listitem", class: "row", "aria-setsize": rows.length, "aria-posinset": i + 1 },
      link,
    );
    node.style.top = `${i * height}px`;
    node.dataset.index = i;
    return node;
  };

  const later = () => {
    asked ||= requestAnimationFrame(draw);
  };

  const measure = () => {
    height = probe.offsetHeight;
    box.style.height = `${rows.length * height}px`;
    for (const [i, node] of drawn) node.style.top = `${i * height}px`;
    draw();
  };

  const choose = (i) => {
    const link = (index) => drawn.get(index)?.firstElementChild;
    if (link(active)) link(active).tabIndex = -1;
    active = i;
    if (link(active)) link(active).tabIndex = 0;
  };

  const go = (i) => {
    choose(Math.max(0, Math.min(rows.length - 1, i)));
    const top = box.getBoundingClientRect().top + active * height;
    if (top < 0) window.scrollBy(0, top - 8);
    else if (top + height > window.innerHeight)
      window.scrollBy(0, top + height - window.innerHeight + 8);
    draw();
    drawn.get(active)?.firstElementChild.focus({ preventScroll: true });
  };

  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(window.innerHeight / height) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const ends = { Home: 0, End: rows.length - 1 };
    if (event.key in steps) go(active + steps[event.key]);
    else if (event.key in ends) go(ends[event.key]);
    else return;
    event.preventDefault();
  });
  box.addEventListener("focusin", (event) => {
    const node = event.target.closest(".row");
    if (node && Number(node.dataset.index) !== active) choose(Number(node.dataset.index));
  });
  window.addEventListener("scroll", later, { passive: true });
  window.addEventListener("resize", measure);

  return {
    node: all,
    set(found) {
      rows = found;
      active = 0;
      for (const node of drawn.values()) node.remove();
      drawn.clear();
      measure();
    },
    go,
    close() {
      window.removeEventListener("scroll", later);
      window.removeEventListener("resize", measure);
    },
  };
};

const firstLine = (said) => said.split("\n", 1)[0].slice(0, 300);

const resultRow = (row) => {
  const [control, target] = [controlOf(row), targetOf(row)];
  const drift = text("drift", row);
  const resource = text("resource", row);
  return h(
    "a",
    { class: D.verdicts[D.verdict[row]], href: href("finding", identity(row)) },
    mark(D.verdict[row]),
    badge(control),
    h("span", { class: "said" }, firstLine(text("message", row)) || control.title || control.id),
    h("span", { class: "where" }, target.label),
    h(
      "span",
      { class: "which" },
      h("code", {}, control.id),
      resource ? [" ", h("code", {}, resource)] : null,
      drift && drift !== "unchanged" ? [" · ", drift] : null,
    ),
  );
};

const ORDERS = [
  ["", "worst first"],
  ["target", "by target"],
  ["control", "by control"],
];

// What the finding's page needs to know of the list that led to it.
let trail = { rows: [], back: "#/list" };

const listView = (query, page, back) => {
  const status = h("p", { id: "shown", role: "status" });
  const list = virtualList("Results", resultRow);
  const show = (wanted) => {
    const { rows, counts } = select(wanted);
    const here = href("list", asFacets(wanted));
    counted(counts);
    list.set(rows);
    status.textContent = rows.length
      ? `${rows.length.toLocaleString("en")} of ${plural(D.count, "result")}`
      : "No result matches these filters.";
    if (wanted.control)
      status.append(
        " of control ",
        h("a", { href: href("control", { id: wanted.control }) }, wanted.control),
      );
    trail = { rows, back: here };
    return here;
  };
  const { form, counted } = filterForm(readFilters(query), ORDERS, (wanted) => keep(show(wanted)));
  page.append(title("Results"), form, status, list.node);
  const last = back ? trail.last : undefined;
  show(readFilters(query));
  const came = trail.rows.indexOf(last);
  return { close: list.close, search: form.elements.q, again: () => came >= 0 && list.go(came) };
};

// The same list without filters, for the page of a control or of a target.
const plainList = (rows, page) => {
  const list = virtualList("Results", resultRow);
  page.append(list.node);
  list.set(rows);
  trail = { rows, back: location.hash };
  return { close: list.close };
};

"use strict";
// Filters the findings and fills them with what their control says. Only moves and shows what is
// in the page already: no text ever becomes markup here.
(() => {
  const form = document.getElementById("filters");
  const list = document.getElementById("rows");
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const search = form.elements.q;

  const controls = new Map();
  for (const node of document.querySelectorAll("details.control")) {
    controls.set(node.dataset.control, {
      facts: node.querySelector("dl"),
      frameworks: new Set(JSON.parse(node.dataset.frameworks)),
      text: node.textContent,
    });
  }
  const targets = new Map();
  for (const node of document.querySelectorAll("tr[data-target]")) {
    const groups = JSON.parse(node.dataset.groups).map((name) => "group:" + name);
    const names = [node.dataset.target, "kind:" + node.dataset.kind, ...groups];
    targets.set(node.dataset.target, new Set(names));
  }
  const rows = Array.from(list.children, (node, place) => {
    const [, severity, control, target] = node.firstElementChild.children;
    return {
      node,
      place,
      verdict: node.classList[0],
      severity: severity.textContent,
      control: control.textContent,
      target: target.textContent,
      text: null,
    };
  });
  let order = "";

  const wanted = () => {
    const data = new FormData(form);
    return {
      verdict: new Set(data.getAll("verdict")),
      severity: new Set(data.getAll("severity")),
      target: data.get("target"),
      framework: data.get("framework") || "",
      words: data.get("q").toLowerCase().split(/\s+/).filter(Boolean),
      order: data.get("order"),
    };
  };

  const says = (row, words) => {
    if (!words.length) return true;
    if (row.text === null) {
      const control = controls.get(row.control);
      row.text = (row.node.textContent + " " + (control ? control.text : "")).toLowerCase();
    }
    return words.every((word) => row.text.includes(word));
  };

  const belongs = (row, name) =>
    !name || row.target === name || Boolean(targets.get(row.target)?.has(name));

  const counts = (facet, found) => {
    for (const box of form.elements[facet]) {
      box.parentNode.querySelector("output").value = found.get(box.value) || 0;
    }
  };

  const arrange = (name) => {
    if (name === order) return;
    order = name;
    const by = (row) => (name ? row[name] : "");
    rows.sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      return x < y ? -1 : x > y ? 1 : a.place - b.place;
    });
    const all = document.createDocumentFragment();
    for (const row of rows) all.append(row.node);
    list.append(all);
  };

  const apply = () => {
    const want = wanted();
    arrange(want.order);
    const found = { verdict: new Map(), severity: new Map() };
    const add = (facet, value) => found[facet].set(value, (found[facet].get(value) || 0) + 1);
    let count = 0;
    for (const row of rows) {
      const verdict = !want.verdict.size || want.verdict.has(row.verdict);
      const severity = !want.severity.size || want.severity.has(row.severity);
      const rest =
        belongs(row, want.target) &&
        (!want.framework || Boolean(controls.get(row.control)?.frameworks.has(want.framework))) &&
        says(row, want.words);
      if (rest && severity) add("verdict", row.verdict);
      if (rest && verdict) add("severity", row.severity);
      const visible = verdict && severity && rest;
      if (row.node.hidden === visible) row.node.hidden = !visible;
      count += visible;
    }
    counts("verdict", found.verdict);
    counts("severity", found.severity);
    const how = form.elements.order.selectedOptions[0].textContent;
    shown.textContent = `${count} of ${rows.length} findings, ${how}`;
    nothing.hidden = count > 0 || rows.length === 0;
    list.hidden = count === 0;
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) state.append(name, value);
    history.replaceState(null, "", "#" + state);
  };

  const recall = () => {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return reveal(hash);
    const state = new URLSearchParams(hash);
    for (const name of ["verdict", "severity"]) {
      const values = state.getAll(name);
      for (const box of form.elements[name]) box.checked = values.includes(box.value);
    }
    for (const name of ["target", "framework", "order", "q"]) {
      const field = form.elements[name];
      if (!field) continue;
      field.value = state.get(name) || "";
      if (field.selectedIndex === -1) field.value = "";
    }
    apply();
  };

  const reveal = (id) => {
    const node = document.getElementById(id);
    apply();
    if (!node || node.tagName !== "DETAILS") return;
    if (node.hidden) {
      form.reset();
      apply();
    }
    node.open = true;
    node.scrollIntoView({ block: "center" });
    node.firstElementChild.focus({ preventScroll: true });
  };

  const fill = (node) => {
    const facts = node.querySelector("dl");
    if (facts.dataset.full) return;
    facts.dataset.full = "yes";
    const control = controls.get(node.firstElementChild.children[2].textContent);
    if (control) {
      facts.lastElementChild.remove();
      facts.lastElementChild.remove();
      for (const part of control.facts.children) facts.append(part.cloneNode(true));
    }
    const label = document.createElement("dt");
    const value = document.createElement("dd");
    const link = document.createElement("a");
    label.className = value.className = "link";
    label.textContent = "Link";
    link.href = "#" + node.id;
    link.textContent = "to this finding";
    value.append(link);
    facts.append(label, value);
  };

  let waiting = 0;
  const changed = () => {
    apply();
    remember();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", changed);
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, 120);
  });
  form.addEventListener("reset", () => setTimeout(changed));
  nothing.querySelector("button").addEventListener("click", () => {
    form.reset();
    search.focus();
  });
  list.addEventListener("toggle", (event) => event.target.open && fill(event.target), true);
  window.addEventListener("hashchange", recall);

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || !link.hash.includes("=")) return;
    event.preventDefault();
    history.pushState(null, "", link.hash);
    recall();
    document.getElementById("findings").scrollIntoView();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key === "Escape" && event.target === search) {
      search.value = "";
      changed();
    }
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step || event.target.tagName !== "SUMMARY" || !list.contains(event.target)) return;
    let next = event.target.parentNode[step];
    while (next && next.hidden) next = next[step];
    if (next) {
      event.preventDefault();
      next.firstElementChild.focus();
    }
  });

  // On paper there is nothing to click: open what needs attention, as long as that is readable.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    const grave = rows.filter(
      (row) => !row.node.hidden && !row.node.open && !/^(pass|not_applicable)$/.test(row.verdict),
    );
    opened = grave.length > 500 ? [] : grave;
    for (const { node } of opened) {
      fill(node);
      node.open = true;
    }
  });
  window.addEventListener("afterprint", () => {
    for (const { node } of opened) node.open = false;
    opened = [];
  });

  form.hidden = false;
  recall();
})();

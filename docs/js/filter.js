// A filter over the tables that follow <div id="filter" data-choices="COLUMN ...">.
"use strict";

(() => {
  const home = document.getElementById("filter");
  if (!home) return;

  // Of a cell as "cis-dil 1.1, 1.2; dev-sec os-01" only the first word of each part is a choice.
  const words = (cell) => cell.split(";").map((part) => part.trim().split(" ")[0]).filter(Boolean);

  const rows = [];
  for (const table of document.querySelectorAll("article table")) {
    if (!(home.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      const cells = [...row.cells].map((cell) => cell.textContent.trim());
      const named = Object.fromEntries(heads.map((head, n) => [head, cells[n] || ""]));
      rows.push({ row, table, named, text: cells.join(" ").toLowerCase() });
    }
  }

  const add = (name, field) => {
    const label = document.createElement("label");
    label.append(`${name} `, field);
    field.addEventListener("input", show);
    home.append(label);
    return field;
  };
  const text = add("Search", Object.assign(document.createElement("input"), { type: "search" }));
  const choices = (home.dataset.choices || "").split(" ").filter(Boolean);
  const selects = choices.map((name) => {
    const found = new Set(rows.flatMap(({ named }) => words(named[name] || "")));
    const select = add(name, document.createElement("select"));
    select.append(new Option("all", ""), ...[...found].map((word) => new Option(word, word)));
    return [name, select];
  });
  const count = document.createElement("output");
  home.append(count);

  function show() {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ named, text: own }) =>
      wanted.every((word) => own.includes(word)) &&
      selects.every(
        ([name, select]) => !select.value || words(named[name] || "").includes(select.value)
      );
    const used = new Map();
    let shown = 0;
    for (const entry of rows) {
      const kept = fits(entry);
      entry.row.hidden = !kept;
      used.set(entry.table, used.get(entry.table) || kept);
      shown += kept;
    }
    for (const [table, kept] of used) {
      let part = table.closest(".md-typeset__scrollwrap") || table;
      part.hidden = !kept;
      // what stands before it, up to its heading
      while (!part.matches("h2") && (part = part.previousElementSibling)) part.hidden = !kept;
    }
    count.textContent = `${shown} of ${rows.length}`;
  }

  show();
})();

// Targets by controls: a grid of which only the cells are in the page that can be seen.
const SYMBOLS = ["✕", "?", "☐", "~", "✓", "–"];
const SPARE = 3;
const ROW_ORDERS = [
  ["", "by name"],
  ["worst", "most failures first"],
];

// What the grid shows: its rows, its columns, and for each cell the worst verdict.
const gridOf = (rows, order) => {
  const width = D.controls.length;
  const cells = new Map();
  const [targets, controls] = [new Map(), new Set()];
  for (const i of rows) {
    const key = D.target[i] * width + D.control[i];
    const cell = cells.get(key);
    if (!cell) cells.set(key, { verdict: D.verdict[i], row: i, count: 1 });
    else {
      cell.count++;
      if (D.verdict[i] < cell.verdict) [cell.verdict, cell.row] = [D.verdict[i], i];
    }
    const bad = D.verdict[i] === FAIL ? 1000 : D.verdict[i] === ERROR ? 1 : 0;
    targets.set(D.target[i], (targets.get(D.target[i]) || 0) + bad);
    controls.add(D.control[i]);
  }
  const names = [...targets.keys()];
  if (order === "worst") names.sort((a, b) => targets.get(b) - targets.get(a) || a - b);
  else names.sort((a, b) => a - b);
  return {
    targets: names.map((number) => D.targets[number]),
    controls: [...controls].sort((a, b) => a - b).map((number) => D.controls[number]),
    at(r, c) {
      return cells.get(this.targets[r].number * width + this.controls[c].number);
    },
  };
};

const described = (grid, r, c) => {
  const cell = grid.at(r, c);
  const said = cell ? D.words[cell.verdict] : "no result here";
  const more = cell && cell.count > 1 ? `, the worst of ${cell.count} results` : "";
  return `${grid.targets[r].label}, ${grid.controls[c].id}: ${said}${more}`;
};

const matrixGrid = (peek) => {
  const box = h("div", {
    class: "matrix",
    tabindex: 0,
    role: "grid",
    "aria-label": "Targets by controls",
  });
  let grid = gridOf([], "");
  let [row, column] = [0, 0];
  let asked = 0;
  const size = () => {
    const style = getComputedStyle(box);
    const px = (name) => parseFloat(style.getPropertyValue(name)) * rem();
    return { cell: px("--cell"), left: px("--names"), top: px("--heads") };
  };
  const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

  const seen = () => {
    const { cell, left, top } = size();
    const from = (offset) => Math.max(0, Math.floor(offset / cell) - SPARE);
    const to = (offset, all) => Math.min(all, Math.ceil(offset / cell) + SPARE);
    return {
      rows: [from(box.scrollTop), to(box.scrollTop + box.clientHeight - top, grid.targets.length)],
      columns: [
        from(box.scrollLeft),
        to(box.scrollLeft + box.clientWidth - left, grid.controls.length),
      ],
    };
  };

  const draw = () => {
    asked = 0;
    if (!box.isConnected) return;
    const { cell } = size();
    const { rows, columns } = seen();
    const gap = h("span", { class: "gap", role: "presentation" });
    gap.style.width = `${columns[0] * cell}px`;
    const heads = h(
      "div",
      { role: "row", class: "heads", "aria-rowindex": 1 },
      h("span", { role: "columnheader", class: "corner" }, "Target"),
      gap,
    );
    for (let c = columns[0]; c < columns[1]; c++) {
      const control = grid.controls[c];
      const link = h(
        "a",
        { tabindex: -1, href: href("control", { id: control.id }), title: control.title },
        control.id,
      );
      heads.append(h("span", { role: "columnheader", "aria-colindex": c + 2 }, link));
    }
    const body = [];
    for (let r = rows[0]; r < rows[1]; r++) body.push(line(r, columns, gap.cloneNode(), cell));
    box.firstChild.replaceChildren(heads, ...body);
    box.setAttribute("aria-activedescendant", grid.targets.length ? `m-${row}-${column}` : "");
  };

  const line = (r, columns, gap, cell) => {
    const target = grid.targets[r];
    const name = h(
      "a",
      { tabindex: -1, href: href("target", { name: target.name }), title: target.label },
      target.label,
    );
    const node = h(
      "div",
      { role: "row", class: "line", "aria-rowindex": r + 2 },
      h("span", { role: "rowheader" }, name),
      gap,
    );
    node.style.top = `calc(var(--heads) + ${r * cell}px)`;
    for (let c = columns[0]; c < columns[1]; c++) {
      const found = grid.at(r, c);
      const attributes = {
        role: "gridcell",
        id: `m-${r}-${c}`,
        class: found ? D.verdicts[found.verdict] : "none",
        "aria-colindex": c + 2,
        "aria-label": described(grid, r, c),
      };
      const one = h("span", attributes, found ? SYMBOLS[found.verdict] : "");
      if (r === row && c === column) one.classList.add("active");
      node.append(one);
    }
    return node;
  };

  const later = () => {
    asked ||= requestAnimationFrame(draw);
  };

  const tell = (r, c) => {
    const cell = grid.at(r, c);
    const control = grid.controls[c];
    peek.replaceChildren(
      ...(cell ? [mark(cell.verdict), " "] : ["no result: "]),
      badge(control),
      " ",
      h("b", {}, grid.targets[r].label),
      " · ",
      h("code", {}, control.id),
      " ",
      cell
        ? firstLine(text("message", cell.row)) || control.title
        : "this control does not apply here",
    );
  };

  const move = (r, c) => {
    row = Math.max(0, Math.min(grid.targets.length - 1, r));
    column = Math.max(0, Math.min(grid.controls.length - 1, c));
    const { cell, left, top } = size();
    const [x, y] = [column * cell, row * cell];
    if (y < box.scrollTop) box.scrollTop = y;
    const low = y + cell - (box.clientHeight - top);
    if (low > box.scrollTop) box.scrollTop = low;
    if (x < box.scrollLeft) box.scrollLeft = x;
    const far = x + cell - (box.clientWidth - left);
    if (far > box.scrollLeft) box.scrollLeft = far;
    draw();
    tell(row, column);
  };

  const open = (r, c) => {
    const cell = grid.at(r, c);
    if (!cell) return;
    trail = { rows: [], back: location.hash };
    const facets = { control: grid.controls[c].id, target: grid.targets[r].name };
    location.hash = cell.count > 1 ? href("list", facets) : href("finding", identity(cell.row));
  };

  const placeOf = (event) => {
    const id = event.target.closest("[role=gridcell]")?.id;
    return id ? id.split("-").slice(1).map(Number) : null;
  };
  box.append(h("div", { class: "sheet", role: "presentation" }));
  box.addEventListener("scroll", later, { passive: true });
  window.addEventListener("resize", later);
  box.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (!place) return;
    move(...place);
    open(...place);
  });
  box.addEventListener("mousemove", (event) => {
    const place = placeOf(event);
    if (place) tell(...place);
  });
  box.addEventListener("keydown", (event) => {
    if (event.metaKey || event.altKey || event.target !== box || !grid.targets.length) return;
    const page = Math.max(1, Math.floor(box.clientHeight / size().cell) - 6);
    const far = event.ctrlKey;
    const to = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      PageDown: [row + page, column],
      PageUp: [row - page, column],
      Home: [far ? 0 : row, 0],
      End: [far ? grid.targets.length : row, grid.controls.length],
    }[event.key];
    if (to) move(...to);
    else if (event.key === "Enter" || event.key === " ") open(row, column);
    else return;
    event.preventDefault();
  });
  box.addEventListener("focus", () => grid.targets.length && tell(row, column));

  return {
    node: box,
    set(found) {
      grid = found;
      [row, column] = [0, 0];
      box.setAttribute("aria-rowcount", grid.targets.length + 1);
      box.setAttribute("aria-colcount", grid.controls.length + 1);
      const sheet = box.firstChild;
      sheet.style.width = `calc(var(--names) + ${grid.controls.length} * var(--cell))`;
      sheet.style.height = `calc(var(--heads) + ${grid.targets.length} * var(--cell))`;
      draw();
    },
    close() {
      window.removeEventListener("resize", later);
    },
  };
};

// The run itself has a line too, and is no target.
const targetsOf = (grid) => {
  const targets = grid.targets.filter((target) => target.name).length;
  return plural(targets, "target") + (targets < grid.targets.length ? " and the run itself" : "");
};

const matrixView = (query, page) => {
  const status = h("p", { id: "shown", role: "status" });
  const peek = h(
    "p",
    { class: "peek" },
    "Point at a cell, or go there with the arrow keys; Enter opens it.",
  );
  const matrix = matrixGrid(peek);
  const show = (wanted) => {
    const { rows, counts } = select({ ...wanted, order: "" });
    const grid = gridOf(rows, wanted.order);
    counted(counts);
    matrix.set(grid);
    matrix.node.hidden = peek.hidden = !rows.length;
    status.textContent = rows.length
      ? `${targetsOf(grid)} by ${plural(grid.controls.length, "control")}, ${plural(rows.length, "result")}`
      : "No result matches these filters.";
    return href("matrix", asFacets(wanted));
  };
  const { form, counted } = filterForm(readFilters(query), ROW_ORDERS, (wanted) =>
    keep(show(wanted)),
  );
  const legend = h(
    "p",
    { class: "legend", "aria-hidden": "true" },
    D.verdicts.map((_, v) => [mark(v), " "]),
  );
  page.append(title("Matrix"), form, status, legend, matrix.node, peek);
  show(readFilters(query));
  return { close: matrix.close, search: form.elements.q };
};

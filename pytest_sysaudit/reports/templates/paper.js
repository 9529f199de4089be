// On paper there is nothing to click: the overview, and what needs attention in full.
const MOST_ON_PAPER = 500;

const forPaper = (view) => {
  const rows = (view.name === "list" ? trail.rows : rowsOfNote()).slice();
  const kept = rows.slice(0, MOST_ON_PAPER);
  const note = rows.length > kept.length ? h("p", {}, `The worst ${kept.length} of ${plural(rows.length, "result")}; the json report has all.`) : null;
  return [h("h2", {}, "Results ", h("small", {}, rows.length)), note, kept.map((row) => finding(row, "h3"))];
};

const rowsOfNote = () => {
  const rows = [];
  for (let i = 0; i < D.count; i++) if (D.verdict[i] < 4) rows.push(i);
  return rows;
};

const printing = (current) => {
  const paper = document.getElementById("paper");
  window.addEventListener("beforeprint", () => {
    const view = current();
    if (view.single) return;
    document.body.classList.add("on-paper");
    paper.hidden = false;
    paper.replaceChildren();
    fill(paper, forPaper(view));
  });
  window.addEventListener("afterprint", () => {
    document.body.classList.remove("on-paper");
    paper.hidden = true;
    paper.replaceChildren();
  });
};

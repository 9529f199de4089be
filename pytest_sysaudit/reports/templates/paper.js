// On paper there is nothing to click. A table or a finding is printed as it is; a list as what its
// results say in full; the overview and the matrix as the overview and all that needs attention.
const MOST_ON_PAPER = 500;
const LISTED = ["list", "target", "control"];
const AS_IT_IS = ["targets", "controls", "coverage", "drift", "waivers", "finding"];

const attention = () => {
  const rows = [];
  for (let i = 0; i < D.count; i++) if (D.verdict[i] < 4) rows.push(i);
  return rows;
};

const forPaper = (rows) => {
  const kept = rows.slice(0, MOST_ON_PAPER);
  const note =
    rows.length > kept.length
      ? h(
          "p",
          {},
          `The first ${kept.length} of ${plural(rows.length, "result")}; the json report has all.`,
        )
      : null;
  return [
    h("h2", {}, "Results ", h("small", {}, rows.length)),
    note,
    kept.map((row) => finding(row, "h3")),
  ];
};

const printing = (current) => {
  const paper = document.getElementById("paper");
  const body = document.body.classList;
  window.addEventListener("beforeprint", () => {
    const { name } = current();
    if (AS_IT_IS.includes(name)) return;
    const listed = LISTED.includes(name);
    body.add(listed && name !== "list" ? "part-on-paper" : "on-paper");
    paper.hidden = false;
    paper.replaceChildren();
    fill(paper, forPaper(listed ? trail.rows : attention()));
  });
  window.addEventListener("afterprint", () => {
    body.remove("on-paper", "part-on-paper");
    paper.hidden = true;
    paper.replaceChildren();
  });
};

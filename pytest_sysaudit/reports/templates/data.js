// The data of the page: columns of numbers beside one table of texts.
let D = null;

const bytesOf = (text) => {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
};

const unpack = async (node) => {
  const packed = new Blob([bytesOf(node.textContent)]).stream();
  const text = new Response(packed.pipeThrough(new DecompressionStream("gzip")));
  const raw = JSON.parse(await text.text());
  node.remove();
  return raw;
};

// What many views need, worked out once.
const prepare = (raw) => {
  const r = raw.results;
  const count = r.verdict.length;
  const verdict = Uint8Array.from(r.verdict, Number);
  const severities = raw.severities;
  for (const [number, control] of raw.controls.entries()) {
    control.number = number;
    control.family = control.id.split(".", 1)[0];
    control.weight = severities.indexOf(control.severity || "medium");
    control.frameworks ||= {};
    control.counts = raw.verdicts.map(() => 0);
  }
  for (const [number, target] of raw.targets.entries()) {
    target.number = number;
    target.label = target.name || "the run itself";
    target.groups ||= [];
    target.identity ||= {};
    target.counts = raw.verdicts.map(() => 0);
    target.names = new Set([
      target.name,
      "kind:" + target.kind,
      ...target.groups.map((name) => "group:" + name),
    ]);
  }
  for (let i = 0; i < count; i++) {
    raw.controls[r.control[i]].counts[verdict[i]]++;
    raw.targets[r.target[i]].counts[verdict[i]]++;
  }
  const e = raw.evidence;
  return {
    ...raw,
    count,
    verdict,
    r,
    e,
    control: Int32Array.from(r.control),
    target: Int32Array.from(r.target),
    drifts: new Set(r.drift.filter(Boolean).map((n) => raw.texts[n])),
    byId: new Map(raw.controls.map((control) => [control.id, control])),
    byName: new Map(raw.targets.map((target) => [target.name, target])),
  };
};

const text = (column, row) => D.texts[D.r[column][row]];
const record = (column, row) => {
  const said = text(column, row);
  return said ? JSON.parse(said) : null;
};
const controlOf = (row) => D.controls[D.control[row]];
const targetOf = (row) => D.targets[D.target[row]];
const FAIL = 0;
const ERROR = 1;

// What tells a result from all others, as a query: the same in every report of the same checks.
const identity = (row) => {
  const parts = { control: controlOf(row).id, target: targetOf(row).name };
  if (D.r.resource[row]) parts.resource = text("resource", row);
  if (D.r.params[row]) parts.params = text("params", row);
  const twins = alike(parts);
  if (twins.length > 1) parts.n = String(twins.indexOf(row) + 1);
  return parts;
};

// The results of one control on one target; there are as many such pairs as a run is large.
const pairOf = (control, target) => {
  if (!D.pairs) {
    D.pairs = new Map();
    for (let i = 0; i < D.count; i++) {
      const key = D.control[i] * D.targets.length + D.target[i];
      const rows = D.pairs.get(key);
      if (rows) rows.push(i);
      else D.pairs.set(key, [i]);
    }
  }
  return D.pairs.get(control * D.targets.length + target) || [];
};

const alike = (parts) => {
  const control = D.byId.get(parts.control);
  const target = D.byName.get(parts.target || "");
  if (!control || !target) return [];
  return pairOf(control.number, target.number)
    .filter((i) => text("resource", i) === (parts.resource || ""))
    .filter((i) => text("params", i) === (parts.params || ""))
    .sort((a, b) => D.r.check[a] - D.r.check[b] || a - b);
};

const rowOf = (parts) => alike(parts)[Number(parts.n || 1) - 1];

const moment = (offset) =>
  offset === null
    ? ""
    : new Date(D.begin + offset).toISOString().replace("T", " ").replace("Z", " UTC");
const seconds = (ms) =>
  ms >= 60000 ? `${(ms / 60000).toFixed(1)} min` : `${(ms / 1000).toFixed(3)} s`;

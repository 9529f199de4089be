// Which view the address asks for, the keys, and the colours.
const VIEWS = {
  list: ["Results", listView],
  matrix: ["Matrix", matrixView],
  targets: ["Targets", targetsView],
  controls: ["Controls", controlsView],
  coverage: ["Coverage", coverageView],
  drift: ["Drift", driftView],
  waivers: ["Waivers", waiversView],
  finding: ["Result", findingView],
  target: ["Target", targetView],
  control: ["Control", controlView],
};
const IN_NAV = ["list", "matrix", "targets", "controls", "coverage", "drift", "waivers"];
const UNDER = { finding: "list", target: "targets", control: "controls" };

const root = document.documentElement;
const overview = document.getElementById("overview");
const page = document.getElementById("page");
const nav = document.getElementById("nav");
const scrolls = new Map();
let view = { name: "" };
let address = location.hash;
let entry = "";
let returning = false;
let searching = false;

const show = (back) => {
  const [name, query] = location.hash.slice(2).split("?", 2);
  const known = Object.hasOwn(VIEWS, name);
  view.close?.();
  page.replaceChildren();
  overview.hidden = known;
  page.hidden = !known;
  root.classList.remove("elsewhere");
  view = { name };
  if (known) view = { name, ...VIEWS[name][1](new URLSearchParams(query || ""), page, back) };
  const heading = (known ? page : overview).querySelector("h2");
  document.title = `${known ? heading.textContent : "Overview"} · Audit report`;
  for (const link of nav.children) {
    const here = link.dataset.view === (known ? UNDER[name] || name : "");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return heading;
};

// Every entry of the history has a name, under which it is known how far it was scrolled.
const enter = () => {
  const known = history.state?.entry;
  if (!known) history.replaceState({ entry: `${Date.now()}-${Math.random()}` }, "");
  entry = history.state.entry;
  return Boolean(known);
};

const follow = () => {
  if (location.hash === address) return;
  scrolls.set(entry, window.scrollY);
  address = location.hash;
  const back = enter() || returning;
  returning = false;
  const heading = show(back);
  heading.focus({ preventScroll: true });
  window.scrollTo(0, scrolls.get(entry) || 0);
  if (back) view.again?.();
  if (searching && view.search) search();
};

const search = () => {
  searching = false;
  view.search.focus();
  view.search.select();
};

const keep = (hash) => {
  history.replaceState(history.state, "", hash);
  address = location.hash;
};

const goBack = () => {
  returning = true;
  location.hash = view.back;
};

const keys = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) {
    event.preventDefault();
    searching = true;
    if (view.search) search();
    else location.hash = "#/list";
  }
  if (event.key === "Escape" && view.back) goBack();
  else if (event.key === "Escape" && typing) event.target.blur();
};

const themes = () => {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const now = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const label = () => {
    button.textContent = now() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `${button.textContent} colours`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("sysaudit-theme", root.dataset.theme);
    } catch {
      // no storage: until the page is closed
    }
    label();
  });
  dark.addEventListener("change", label);
  button.hidden = false;
  label();
};

const navigation = () => {
  const there = {
    drift: D.drift,
    waivers:
      D.waivers || D.attestations || carried("waiver").length || carried("attestation").length,
  };
  const link = (name, words) =>
    h("a", { href: name ? href(name) : "#/", "data-view": name }, words);
  const names = IN_NAV.filter((name) => !(name in there) || there[name]);
  nav.append(link("", "Overview"), ...names.map((name) => link(name, VIEWS[name][0])));
  nav.hidden = false;
};

const start = async () => {
  D = prepare(await unpack(document.getElementById("data")));
  document.getElementById("static").remove();
  navigation();
  themes();
  printing(() => view);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("view").focus();
  });
  window.addEventListener("popstate", follow);
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", keys);
  history.scrollRestoration = "manual";
  enter();
  show(false);
  root.classList.add("ready");
};

const failed = (error) => {
  root.classList.remove("js", "elsewhere");
  document.getElementById("old").hidden = false;
  if (typeof DecompressionStream === "function") throw error;
};

start().catch(failed);

"use strict";
// Before anything is drawn: the colours that the reader chose, and what the script will replace.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("sysaudit-theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  } catch {
    // no storage: the system's colours
  }
  if (typeof DecompressionStream === "function") root.classList.add("js");
  if (location.hash.length > 2) root.classList.add("elsewhere");
})();

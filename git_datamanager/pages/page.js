"use strict";
// The page is complete without this: here is what needs a hand, the filter, the theme, open all.
(() => {
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const tools = byId("tools");
  tools.hidden = false;

  // Theme: the system's, until somebody says otherwise; remembered where the browser lets a page remember.
  const theme = byId("theme");
  const store = (() => {
    try { return window.localStorage; } catch { return null; }
  })();
  const wish = store && store.getItem("git-data-theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : system.matches;
  };
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  if (wish === "dark" || wish === "light") document.documentElement.dataset.theme = wish;
  theme.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    if (store) store.setItem("git-data-theme", chosen);
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  const input = byId("filter");
  if (!input) return;
  const groups = all("[data-group]");
  const datasets = all("section.dataset");
  const items = all("[data-change]").map((element) => ({
    element,
    kind: element.dataset.change,
    text: element.textContent.toLowerCase(),
    group: element.closest("[data-group]"),
    dataset: element.closest("section.dataset"),
  }));
  const kinds = all("button[data-kind]");
  const first = new Map(groups.map((group) => [group, group.open]));
  let isFiltered = false;

  const apply = () => {
    const wanted = input.value.trim().toLowerCase();
    const off = new Set(kinds.filter((b) => b.getAttribute("aria-pressed") === "false").map((b) => b.dataset.kind));
    const has = (name) => name.toLowerCase().includes(wanted);
    const seen = new Set(); // groups and datasets with something left in them
    const full = new Set(); // those that had something
    let count = 0;
    for (const item of items) {
      const named = (item.group && has(item.group.dataset.group)) || has(item.dataset.dataset.name);
      const stays = !off.has(item.kind) && (!wanted || named || item.text.includes(wanted));
      item.element.hidden = !stays;
      count += stays;
      for (const holder of [item.group, item.dataset]) {
        full.add(holder);
        if (stays) seen.add(holder);
      }
    }
    for (const group of groups) {
      const dataset = group.closest("section.dataset");
      const named = has(group.dataset.group) || has(dataset.dataset.name);
      group.hidden = full.has(group) ? !seen.has(group) : Boolean(wanted) && !named;
      if (!group.hidden) seen.add(dataset);
      if (wanted) group.open = !group.hidden;
      else if (isFiltered) group.open = first.get(group);
    }
    for (const dataset of datasets) {
      const isEmpty = !seen.has(dataset) && (full.has(dataset) || wanted);
      dataset.hidden = Boolean(isEmpty) && !(wanted && has(dataset.dataset.name) && off.size === 0);
    }
    isFiltered = Boolean(wanted);
    byId("nothing").hidden = datasets.some((dataset) => !dataset.hidden);
    byId("shown").value = wanted || off.size ? `${count} of ${items.length} changes` : "";
  };

  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (items.length > 500) timer = setTimeout(apply, 120);
    else apply();
  });
  for (const button of kinds) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") === "false"));
      apply();
    });
  }
  const every = byId("all");
  const showEvery = () => {
    every.textContent = groups.every((group) => group.open || group.hidden) ? "Close all" : "Open all";
  };
  every.addEventListener("click", () => {
    const open = groups.some((group) => !group.open && !group.hidden);
    for (const group of groups) group.open = open;
    showEvery();
  });
  document.addEventListener("toggle", showEvery, true);
  showEvery();
})();

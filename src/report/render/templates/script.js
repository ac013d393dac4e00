"use strict";
(() => {
  const form = document.getElementById("filter");
  const count = document.getElementById("count");
  const items = [...document.querySelectorAll(".item")];
  const groups = [...document.querySelectorAll(".group")];
  const texts = new Map();
  const textOf = (item) => {
    if (!texts.has(item)) texts.set(item, item.textContent.toLowerCase());
    return texts.get(item);
  };

  const apply = () => {
    const wanted = new FormData(form);
    const statuses = new Set(wanted.getAll("status"));
    const phase = wanted.get("phase");
    const words = wanted.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) {
      item.hidden = !(
        statuses.has(item.dataset.status) &&
        (phase === "" || phase === item.dataset.phase) &&
        words.every((word) => textOf(item).includes(word))
      );
    }
    for (const group of groups) {
      group.hidden = !group.querySelector(".item:not([hidden])");
    }
    count.textContent = `${items.filter((item) => !item.hidden).length} / ${items.length}`;
  };

  // Unfolding opens the items; what is in them a second time.
  const unfold = () => {
    const shown = items.filter((item) => !item.hidden);
    const outer = shown.map((item) => item.querySelector("details"));
    const closed = outer.filter((one) => !one.open);
    const rest = closed.length > 0 ? closed : shown.flatMap((item) => [...item.querySelectorAll("details")]);
    for (const one of rest) one.open = true;
  };

  const fold = () => {
    for (const item of items) {
      for (const one of item.querySelectorAll("details")) one.open = false;
    }
  };

  // What a link leads to is shown, whatever the filter says and however deep it is folded.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const item = target.closest(".item");
    if (item && item.hidden) {
      form.reset();
      apply();
    }
    if (item) item.querySelector("details").open = true;
    for (let one = target.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
    target.scrollIntoView();
  };

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("unfold").addEventListener("click", unfold);
  document.getElementById("fold").addEventListener("click", fold);
  addEventListener("hashchange", reveal);
  apply();
  reveal();
})();

"use strict";
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const at = event.target instanceof Element ? event.target : document.body;
  if (at.closest("input, select, textarea")) return;
  // A wide table that has the focus is moved by the arrows.
  const moved = at.closest(".scroll") && at.closest(".scroll").scrollWidth > at.closest(".scroll").clientWidth;
  const rel = { ArrowLeft: moved ? "" : "prev", ArrowRight: moved ? "" : "next", k: "prev", j: "next", u: "up" }[event.key];
  if (event.key === "/") {
    const words = document.querySelector('input[type="search"]');
    if (words) { event.preventDefault(); words.focus(); words.select(); }
  } else if (rel) {
    const to = document.querySelector(`a[rel="${rel}"]`);
    if (to) { event.preventDefault(); to.click(); }
  }
});
for (const select of document.querySelectorAll("form.tools select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

"""The page's only script: the language switch, Escape and arrow keys in the matrix, folded parts opened for print."""

SCRIPT = """\
(function () {
  "use strict";
  var root = document.documentElement;
  var buttons = document.querySelectorAll(".switch button");
  function swap(node, shown, kept) {
    var now = shown === null ? node.textContent : node.getAttribute(shown);
    var next = node.getAttribute(kept);
    if (shown === null) { node.textContent = next; } else { node.setAttribute(shown, next); }
    node.setAttribute(kept, now);
  }
  function choose(lang) {
    if (root.lang === lang) { return; }
    root.lang = lang;
    document.querySelectorAll("title[data-alt]").forEach(function (t) { swap(t, null, "data-alt"); });
    document.querySelectorAll("[data-label]").forEach(function (t) { swap(t, "aria-label", "data-label"); });
    buttons.forEach(function (b) { b.setAttribute("aria-pressed", String(b.value === lang)); });
  }
  document.querySelector(".switch").hidden = false;
  buttons.forEach(function (b) { b.addEventListener("click", function () { choose(b.value); }); });

  function opened() { return document.querySelector(".panel:target"); }
  function close() {
    var panel = opened();
    if (!panel) { return; }
    var cell = document.querySelector(panel.querySelector(".close").getAttribute("href"));
    var x = scrollX, y = scrollY;
    location.replace("#" + cell.id);
    scrollTo(x, y);
    cell.focus({ preventScroll: true });
  }
  window.addEventListener("hashchange", function () {
    var panel = opened();
    if (panel) { panel.focus({ preventScroll: true }); }
  });
  document.querySelectorAll(".panel .close").forEach(function (a) {
    a.addEventListener("click", function (e) { e.preventDefault(); close(); });
  });
  var steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  document.addEventListener("keydown", function (e) {
    if (e.key === "Escape") { close(); return; }
    var step = steps[e.key];
    var here = document.activeElement && document.activeElement.closest(".cm td");
    if (!step || !here) { return; }
    var rows = here.closest("tbody").rows, r = here.parentNode.rowIndex - 1, c = here.cellIndex;
    for (r += step[0], c += step[1]; rows[r] && rows[r].cells[c]; r += step[0], c += step[1]) {
      var link = rows[r].cells[c].querySelector("a");
      if (link) { link.focus(); e.preventDefault(); return; }
    }
  });

  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not([open])").forEach(function (d) { d.open = true; d.dataset.folded = ""; });
  });
  window.addEventListener("afterprint", function () {
    document.querySelectorAll("details[data-folded]").forEach(function (d) {
      d.open = false;
      delete d.dataset.folded;
    });
  });
})();
"""

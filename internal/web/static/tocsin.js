// What is nicer with a script: refreshing, copying, moving by keyboard. Every
// page works without it.
"use strict";
(function () {
  var links = Array.prototype.slice.call(document.querySelectorAll(".rowlink"));

  function show(selector) {
    document.querySelectorAll(selector).forEach(function (e) { e.hidden = false; });
  }
  if (links.length) show(".keys");
  show(".auto");

  function typing(e) {
    return e && /^(INPUT|SELECT|TEXTAREA)$/.test(e.tagName);
  }

  // j and k move over the rows, / goes to the search. Enter opens, since what
  // has the focus is a link.
  document.addEventListener("keydown", function (ev) {
    if (ev.ctrlKey || ev.metaKey || ev.altKey || typing(ev.target)) return;
    if (ev.key === "/") {
      var field = document.querySelector("input[type=search], .filters input:not([type=hidden])");
      if (field) { ev.preventDefault(); field.focus(); field.select(); }
      return;
    }
    var step = ev.key === "j" ? 1 : ev.key === "k" ? -1 : 0;
    if (!step || !links.length) return;
    var at = links.indexOf(document.activeElement);
    var to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1);
    links[to].focus();
    links[to].scrollIntoView({ block: "nearest" });
  });

  // Commands get a button that copies them, where the browser allows it.
  if (navigator.clipboard) {
    document.querySelectorAll(".copy").forEach(function (box) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "button small";
      button.textContent = "Copy";
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(box.querySelector("code").textContent).then(
          function () { button.textContent = "Copied"; },
          function () { button.textContent = "Select it and copy"; });
        setTimeout(function () { button.textContent = "Copy"; }, 2000);
      });
      box.appendChild(button);
    });
  }

  // One tick for all rows.
  document.querySelectorAll(".tick-all").forEach(function (all) {
    var boxes = all.form.querySelectorAll("input[name=id]");
    if (!boxes.length) return;
    all.hidden = false;
    all.addEventListener("change", function () {
      boxes.forEach(function (b) { b.checked = all.checked; });
    });
  });

  // The navigation's fold closes when one is done with it.
  document.querySelectorAll(".nav-more").forEach(function (fold) {
    document.addEventListener("click", function (ev) {
      if (!fold.contains(ev.target)) fold.open = false;
    });
    document.addEventListener("keydown", function (ev) {
      if (ev.key !== "Escape" || !fold.open) return;
      fold.open = false;
      fold.querySelector("summary").focus();
    });
  });

  // Whoever writes a time means that time.
  document.querySelectorAll("input[name=until]").forEach(function (until) {
    var choice = until.form.querySelector("select[name=for]");
    if (!choice) return;
    until.addEventListener("input", function () {
      choice.value = choice.querySelector("option[value=custom]") ? "custom" : "";
    });
  });

  // Lists refresh themselves unless somebody is in the middle of something. The
  // focused row keeps the focus.
  var seconds = Number(document.body.dataset.refresh);
  if (!seconds) return;
  var key = "tocsin.row";
  try {
    var kept = sessionStorage.getItem(key);
    sessionStorage.removeItem(key);
    links.forEach(function (l) { if (l.getAttribute("href") === kept) l.focus({ preventScroll: true }); });
  } catch (e) { /* no storage: the focus is lost, nothing else */ }
  var touched = false;
  document.addEventListener("input", function () { touched = true; });
  setInterval(function () {
    if (document.hidden || touched || typing(document.activeElement) || document.querySelector("details[open] form, .nav-more[open]") || String(getSelection())) return;
    var at = document.activeElement;
    try { if (links.indexOf(at) >= 0) sessionStorage.setItem(key, at.getAttribute("href")); } catch (e) { /* as above */ }
    location.reload();
  }, seconds * 1000);
})();

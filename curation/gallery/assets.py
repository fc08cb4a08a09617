"""Look and script of the gallery's page. Both are named by their hashes in the page's policy, so no other can run."""

from __future__ import annotations

STYLE = """
:root { --ink: #1c2330; --soft: #667085; --line: #dfe3ea; --paper: #fff; --back: #f3f5f8; --accent: #2f5fd0;
  --good: #12805c; --bad: #b3261e; --warn: #a15c00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
header.top { position: sticky; top: 0; z-index: 2; background: var(--paper); border-bottom: 1px solid var(--line);
  padding: 12px 24px 10px; box-shadow: 0 1px 4px rgb(28 35 48 / 8%); }
h1 { font-size: 18px; margin: 0; display: inline; }
.about { color: var(--soft); margin-left: 10px; font-size: 13px; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-top: 8px; }
.bar .gap { flex: 1; }
button { font: inherit; font-size: 13px; border: 1px solid var(--line); background: var(--paper); color: var(--ink);
  border-radius: 16px; padding: 3px 12px; cursor: pointer; }
button:hover { border-color: var(--accent); }
button.on { background: var(--accent); border-color: var(--accent); color: #fff; }
button b { font-weight: 600; margin-left: 4px; }
button.on b { color: #fff; }
.legend { margin-top: 8px; font-size: 12px; color: var(--soft); display: flex; flex-wrap: wrap; gap: 4px 12px; }
.legend i, .chips i { font-style: normal; padding: 0 6px; border-radius: 4px; }
main { padding: 18px 24px 60px; max-width: 1680px; margin: 0 auto; }
article { background: var(--paper); border: 1px solid var(--line); border-left: 4px solid var(--line);
  border-radius: 8px; margin-bottom: 18px; overflow: hidden; scroll-margin-top: 150px; }
article.current { box-shadow: 0 0 0 2px var(--accent); }
article.approved { border-left-color: var(--good); }
article.rejected { border-left-color: var(--bad); }
article[hidden] { display: none; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; padding: 8px 14px;
  border-bottom: 1px solid var(--line); font-size: 13px; }
.head .name { font-weight: 600; max-width: 34em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.head .labels, .head .size { color: var(--soft); }
.head .gap { flex: 1; }
.badge { border-radius: 4px; padding: 1px 8px; font-weight: 600; font-size: 12px; background: #e7ebf3; }
.badge.dropped, .badge.over-deleted { background: #fdecd2; color: var(--warn); }
.badge.failed { background: #fbe0de; color: var(--bad); }
.badge.changed { background: #e3ecff; color: var(--accent); }
.remark { color: var(--warn); }
.verdict button.approve.on { background: var(--good); border-color: var(--good); }
.verdict button.reject.on { background: var(--bad); border-color: var(--bad); }
.chips { padding: 5px 14px; font-size: 12px; color: var(--soft); border-bottom: 1px solid var(--line);
  display: flex; flex-wrap: wrap; gap: 4px 12px; }
.sides { display: grid; grid-template-columns: 1fr 1fr; }
.side { min-width: 0; }
.side + .side { border-left: 1px solid var(--line); }
.side h2 { margin: 0; padding: 6px 14px 0; font-size: 11px; font-weight: 600; color: var(--soft);
  text-transform: uppercase; letter-spacing: .06em; }
.text { padding: 4px 14px 12px; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 34em; overflow-y: auto;
  font: 13px/1.55 "DejaVu Sans Mono", ui-monospace, monospace; unicode-bidi: isolate; }
.none { color: var(--soft); font-style: italic; font-family: inherit; }
del { text-decoration: line-through; text-decoration-thickness: 1px; text-decoration-color: rgb(28 35 48 / 55%);
  border-radius: 3px; }
ins { text-decoration: none; border-radius: 3px; border-bottom: 2px solid rgb(28 35 48 / 45%); }
.odd { color: #8a1f6b; font-size: 10px; border: 1px dotted #8a1f6b; border-radius: 3px; padding: 0 2px; }
.r0 { background: #ffd9d2; } .r1 { background: #ffe7b3; } .r2 { background: #d5f0d0; } .r3 { background: #cfe6ff; }
.r4 { background: #e5d9ff; } .r5 { background: #ffd6ec; } .r6 { background: #d8eef0; } .r7 { background: #e9e4d4; }
.r8 { background: #dfe3ea; } .r9 { background: #f4dcc0; }
details { margin-top: 30px; font-size: 13px; }
details pre { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 14px;
  overflow: auto; font: 12px/1.5 "DejaVu Sans Mono", ui-monospace, monospace; }
.hint { color: var(--soft); font-size: 12px; }
@media (max-width: 900px) { .sides { grid-template-columns: 1fr; }
  .side + .side { border-left: 0; border-top: 1px solid var(--line); } header.top { position: static; } }
"""

SCRIPT = """
"use strict";
(() => {
  const page = document.body.dataset.page, key = "nightshift-gallery-" + page;
  const articles = [...document.querySelectorAll("article")];
  let decided = {}, shown = "all", at = -1;
  try { decided = JSON.parse(localStorage.getItem(key)) || {}; } catch { decided = {}; }
  const keep = () => { try { localStorage.setItem(key, JSON.stringify(decided)); } catch { /* private window */ } };
  const visible = () => articles.filter((one) => !one.hidden);
  function draw() {
    for (const one of articles) {
      const said = decided[one.dataset.number];
      one.classList.toggle("approved", said === "approved");
      one.classList.toggle("rejected", said === "rejected");
      one.querySelector(".approve").classList.toggle("on", said === "approved");
      one.querySelector(".reject").classList.toggle("on", said === "rejected");
      one.hidden = !(shown === "all" || one.dataset.outcome === shown || (shown === "open" && !said) || said === shown);
    }
    for (const one of document.querySelectorAll("[data-filter]")) {
      one.classList.toggle("on", one.dataset.filter === shown);
    }
    const said = Object.values(decided);
    const count = (word) => said.filter((one) => one === word).length;
    document.querySelector("#open b").textContent = articles.length - said.length;
    document.querySelector("#approved b").textContent = count("approved");
    document.querySelector("#rejected b").textContent = count("rejected");
    document.querySelector("#empty").hidden = visible().length > 0;
  }
  function decide(one, word) {
    const number = one.dataset.number;
    if (decided[number] === word) { delete decided[number]; } else { decided[number] = word; }
    keep(); draw();
  }
  function go(step) {
    const there = visible();
    if (!there.length) { return; }
    const now = there.findIndex((one) => articles.indexOf(one) >= at);
    const next = at < 0 ? 0 : step > 0 ? there.findIndex((one) => articles.indexOf(one) > at) : now - 1;
    const one = there[Math.max(0, next < 0 && step > 0 ? there.length - 1 : next)];
    at = articles.indexOf(one);
    articles.forEach((other) => other.classList.toggle("current", other === one));
    one.scrollIntoView({ block: "start", behavior: "smooth" });
  }
  function save() {
    const documents = articles.map((one) => ({
      document: one.dataset.name, outcome: one.dataset.outcome, decision: decided[one.dataset.number] || null }));
    const content = { page, strategy: document.body.dataset.strategy, documents };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    link.download = "gallery-" + page + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) { return; }
    if (button.dataset.filter) { shown = button.dataset.filter; at = -1; draw(); window.scrollTo(0, 0); }
    if (button.id === "export") { save(); }
    const one = button.closest("article");
    if (one && button.classList.contains("approve")) { decide(one, "approved"); }
    if (one && button.classList.contains("reject")) { decide(one, "rejected"); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (event.key === "j") { go(1); }
    if (event.key === "k") { go(-1); }
    if (at >= 0 && event.key === "a") { decide(articles[at], "approved"); }
    if (at >= 0 && event.key === "r") { decide(articles[at], "rejected"); }
  });
  draw();
})();
"""

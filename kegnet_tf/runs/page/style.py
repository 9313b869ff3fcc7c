"""How a page looks: light and dark, wide and narrow."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --soft: #5c6570; --line: #dde1e6;
  --accent: #0b63c5; --accent-ground: #e8f1fc; --good: #146c3a; --good-ground: #e3f4ea;
  --bar: #b9d3f2; --code: #f0f2f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --card: #1d2126; --ink: #e7eaee; --soft: #a2abb5; --line: #343a42;
    --accent: #7db8ff; --accent-ground: #1a2a3e; --good: #7bd8a3; --good-ground: #17301f;
    --bar: #2f4f76; --code: #14171b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; }
p { margin: 0 0 .75rem; max-width: 46rem; }
.soft { color: var(--soft); }
section, .chosen {
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.25rem; margin: 1.25rem 0;
}
.chosen { border-color: var(--good); border-width: 2px; }
.chosen h2 { color: var(--good); margin-bottom: .25rem; }
.chosen .path { font-size: 1.1rem; overflow-wrap: anywhere; margin-bottom: 1rem; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 1rem; padding: 0; }
.facts div {
  flex: 1 1 9rem; background: var(--ground); border-radius: .5rem; padding: .6rem .8rem;
}
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
code { font-size: .92em; overflow-wrap: anywhere; }
pre {
  background: var(--code); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem;
  overflow-x: auto; font-size: .85rem; line-height: 1.5; margin: 0 0 .75rem;
}
.wide { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .85rem; vertical-align: bottom; }
td { vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.measure { position: relative; display: block; padding-bottom: .35rem; min-width: 6rem; }
.measure i {
  position: absolute; right: 0; bottom: 0; height: .25rem; border-radius: .2rem;
  background: var(--bar); min-width: 2px;
}
.mark { border-radius: 1rem; padding: .1rem .6rem; font-size: .82rem; background: var(--ground);
  color: var(--soft); display: inline-block; white-space: nowrap; }
.mark.good { background: var(--good-ground); color: var(--good); font-weight: 600; }
.place { display: block; font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; }
@media (min-width: 60rem) { .place { white-space: nowrap; } }
.teacher b { color: var(--accent); }
dl.words { margin: 0; display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem;
  font-size: .88rem; color: var(--soft); border-top: 1px solid var(--line); padding-top: .8rem; }
dl.words dt { font-weight: 600; color: var(--ink); }
dl.words dd { margin: 0; max-width: 44rem; }
details { margin: 0 0 .5rem; }
summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1.25rem; margin: 1rem 0; }
.plot { width: 100%; height: auto; display: block; }
.plot text { fill: var(--soft); font-size: 12px; }
.plot line { stroke: var(--line); }
.plot .front { fill: none; stroke: var(--bar); stroke-width: 2.5; }
.plot .theirs { fill: var(--accent); }
.plot .ours { fill: var(--ink); }
.plot .ring { fill: none; stroke: var(--good); stroke-width: 2.5; }
figure { margin: 0; }
figure img { width: 100%; height: auto; background: #fff; border-radius: .5rem; display: block;
  border: 1px solid var(--line); }
figcaption { font-size: .88rem; color: var(--soft); margin-top: .4rem; }
figcaption b { color: var(--ink); }
footer { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  main { padding: 1rem .6rem 2rem; }
  section, .chosen { padding: 1rem .85rem; }
  .facts { gap: .5rem; }
  .facts div { flex-basis: 8rem; padding: .5rem .6rem; }
  .facts dd { font-size: 1.1rem; }
  dl.words { grid-template-columns: 1fr; gap: .1rem; }
  dl.words dd { margin-bottom: .5rem; }
  table:not(.files) td { white-space: nowrap; }
  table.files thead { display: none; }
  table.files, table.files tbody, table.files tr, table.files td { display: block; }
  table.files tr { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem;
    margin: 0 0 .7rem; }
  table.files td { display: flex; justify-content: space-between; gap: 1rem; border: 0;
    padding: .2rem 0; text-align: right; }
  table.files td:empty { display: none; }
  table.files td::before { content: attr(data-label); color: var(--soft); font-size: .85rem;
    text-align: left; white-space: nowrap; }
  table.files td:first-child { display: block; text-align: left; }
  table.files td:first-child::before { content: none; }
}
@media print { body { background: #fff; } section, .chosen { break-inside: avoid; } }
"""

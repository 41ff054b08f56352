"""The frame of the HTML report: its style, which has no need of anything from elsewhere."""

from string import Template

__all__ = ["PAGE"]

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Redaction report</title>
<style>
  @page { size: A4; margin: 16mm 14mm; }
  body { font: 14px/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
  h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d5dae0; padding-bottom: .2rem; }
  p { margin: .3rem 0; } .quiet { color: #5b6570; }
  .tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
  .tile { flex: 1 1 8rem; border: 1px solid #d5dae0; border-radius: 6px; padding: .6rem .8rem; }
  .tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
  .good, .bad, .note { border-left: 5px solid; padding: .5rem .8rem; margin: .8rem 0; }
  .good { border-color: #1a7f4b; background: #eef8f2; } .bad { border-color: #b3261e; background: #fdf0ef; }
  .note { border-color: #a86a00; background: #fdf6e9; }
  table { border-collapse: collapse; width: 100%; font-size: .87rem; }
  th { text-align: left; color: #5b6570; font-weight: 600; }
  th, td { padding: .28rem .5rem; border-bottom: 1px solid #e6e9ed; vertical-align: top; }
  .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  code { font-size: .93em; overflow-wrap: anywhere; } .time { white-space: nowrap; }
  svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; fill: #5b6570; }
  h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
  svg rect { fill: #3567b0; } svg .metrics { fill: #7aa6d8; } svg .logs { fill: #5aa77f; } svg .drops { fill: #b3261e; }
  svg .grid line { stroke: #e6e9ed; } svg line.gap { stroke: #b3261e; stroke-width: 2; stroke-dasharray: 4 3; }
  .spark { width: 7.5rem; height: 1.25rem; }
  .key { margin-right: 1rem; white-space: nowrap; display: inline-block; }
  .key i { display: inline-block; width: .7rem; height: .7rem; margin-right: .3rem; background: #3567b0; }
  .key i.metrics { background: #7aa6d8; } .key i.logs { background: #5aa77f; }
  .key i.gap { width: 0; border-left: 2px dashed #b3261e; background: none; }
  .key b { display: inline-block; width: 1.2rem; text-align: center; border-radius: 3px; }
  .grid { table-layout: fixed; font-size: .78rem; width: 100%; } .grid th:first-child { width: 15rem; color: #1b1f24; }
  .grid tbody th { font-weight: 400; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .grid th, .grid td { padding: .12rem .2rem; border: 1px solid #e6e9ed; }
  .grid td { text-align: center; vertical-align: middle; }
  th.place { height: 13rem; vertical-align: bottom; padding: 0 !important; }
  th.place span { writing-mode: vertical-rl; transform: rotate(180deg); font-weight: 400; white-space: nowrap;
    padding: .2rem 0; }
  .hit { background: #1a7f4b; color: #fff; } .covered { background: #e3f3ea; color: #1a7f4b; }
  .keys-only { background: #fdf6e9; color: #a86a00; } .observed { background: #fbe8c8; color: #7a4d00; }
  td.gap, b.gap { background: #b3261e; color: #fff; padding: 0 .3rem; } .no-pipeline { background: #f3f4f6; }
  .good, .bad, .note, .hit, .covered, .keys-only, .observed, .gap, .no-pipeline, .key i, svg * {
    print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  thead { display: table-header-group; } tr, .tile, svg { break-inside: avoid; } h2, h3 { break-after: avoid; }
  @media print { body { margin: 0; max-width: none; padding: 0; font-size: 11px; }
    .grid { font-size: 7px; } .grid th:first-child { width: 9rem; } .grid { break-inside: avoid; } }
</style>
</head>
<body>
$body
</body>
</html>
""")

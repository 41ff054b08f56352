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
  svg rect, .bar { fill: #3567b0; background: #3567b0; }
  .bar { display: block; height: .7rem; min-width: 1px; margin-top: .2rem; }
  .bar, .good, .bad, .note { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  thead { display: table-header-group; } tr, .tile, svg { break-inside: avoid; } h2 { break-after: avoid; }
  @media print { body { margin: 0; max-width: none; padding: 0; font-size: 11px; } }
</style>
</head>
<body>
$body
</body>
</html>
""")

"""The look of a load run's page."""

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--faint:#57606a;--rule:#d0d7de;--soft:#f6f8fa;
--pass:#1a7f37;--fail:#b42318;--invalid:#9a6700;--one:#0b62c4;--two:#b3420b;--three:#1a7f37}
@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--faint:#9aa5b1;--rule:#30363d;
--soft:#161b22;--pass:#3fb950;--fail:#ff7b72;--invalid:#e3b341;--one:#6cb6ff;--two:#ffa657;--three:#56d364}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 60px;max-width:1080px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header{border-left:10px solid var(--mark);padding:2px 0 2px 18px;margin-bottom:20px}
header.PASS{--mark:var(--pass)}header.FAIL{--mark:var(--fail)}header.INVALID{--mark:var(--invalid)}
h1{margin:0;font-size:40px;line-height:1.15;color:var(--mark)}
h1 small{font-size:16px;font-weight:400;color:var(--faint)}
header p{margin:4px 0}.meaning{font-size:18px}
h2{font-size:19px;margin:32px 0 8px;border-bottom:1px solid var(--rule);padding-bottom:4px}
.note,figcaption,.faint{color:var(--faint)}
ul.reasons{list-style:none;margin:8px 0;padding:0}
ul.reasons li{padding:7px 12px;margin:6px 0;border-left:5px solid var(--mark,var(--rule));
background:var(--soft);overflow-wrap:anywhere}
li.FAIL{--mark:var(--fail)}li.ERROR,li.INCONCLUSIVE{--mark:var(--invalid)}li.PASS{--mark:var(--pass)}
.word{font-weight:600}.PASS .word,td.PASS{color:var(--pass)}.FAIL .word,td.FAIL{color:var(--fail)}
.ERROR .word,.INCONCLUSIVE .word,td.INVALID,td.ERROR,td.INCONCLUSIVE{color:var(--invalid)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
caption{text-align:left;color:var(--faint);padding:2px 0 6px}
th,td{padding:4px 6px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600}thead th{background:var(--soft)}
th.name,td.name{text-align:left}td.name{white-space:normal;overflow-wrap:anywhere;min-width:9ch}
td.words{text-align:left;white-space:normal;overflow-wrap:anywhere}
td.FAIL,td.PASS,td.INVALID,td.ERROR,td.INCONCLUSIVE{font-weight:600}
tr.second td,tr.second th{color:var(--faint)}
figure{margin:14px 0}figcaption{font-size:14px;margin-bottom:2px}
.key{margin-left:12px;white-space:nowrap}.swatch{width:26px;height:8px;vertical-align:middle;margin-right:5px}
svg{width:100%;height:auto;display:block}svg.swatch{display:inline-block}
svg text{fill:var(--faint);font-size:11px}.up{text-anchor:end}.across{text-anchor:middle}
path{fill:none;stroke-width:1.6;stroke-linejoin:round}.grid{stroke:var(--rule);stroke-width:1}
.band{fill:var(--rule);opacity:.4}
.one{stroke:var(--one)}.two{stroke:var(--two);stroke-dasharray:7 3}
.three{stroke:var(--three);stroke-dasharray:2 3}
.limit{stroke:var(--faint);stroke-dasharray:10 4 2 4}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:8px 0}dt{color:var(--faint)}
dd{margin:0;overflow-wrap:anywhere}code{font:13px ui-monospace,monospace}
summary{cursor:pointer;color:var(--faint)}
@media print{:root{--paper:#fff;--ink:#000;--faint:#444;--rule:#bbb;--soft:#fff;--pass:#1a7f37;--fail:#b42318;
--invalid:#7a5200;--one:#0b62c4;--two:#b3420b;--three:#1a7f37}body{max-width:none;padding:0;font-size:11px}
figure,tr,li{break-inside:avoid}.wide{overflow:visible}table{font-size:9px}th,td{padding:2px 4px}}
"""

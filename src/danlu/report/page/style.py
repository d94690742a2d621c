"""The page's style sheet: type, space, tables, charts, the dark and the printed page."""

from __future__ import annotations

from danlu.report.page.colours import DARK, LIGHT, shades, variables

_TYPE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif;
font-variant-numeric:tabular-nums}
html[lang|=zh] body{line-height:1.7}
html[lang|=zh] .e,html[lang|=en] .z{display:none}
h1,h2,h3,h4,p,dl,dd,ul,figure{margin:0}
ul{padding:0;list-style:none}
h1{font-size:clamp(1.625rem,1.2rem + 1.8vw,2.25rem);line-height:1.2;font-weight:680;letter-spacing:-.015em;
overflow-wrap:anywhere}
h2{font-size:1.5rem;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin-bottom:1.5rem}
h3{font-size:1.0625rem;line-height:1.4;font-weight:650;margin:2.5rem 0 .75rem}
h4{font-size:1rem;line-height:1.4;font-weight:620;margin:2.25rem 0 .625rem}
h2+h3,h2+h4{margin-top:0}
a{color:var(--c1);text-underline-offset:.2em}
:focus-visible{outline:3px solid var(--c2);outline-offset:2px;border-radius:3px}
code,pre{font:.875em/1.6 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",
"Liberation Mono","Noto Sans Mono CJK SC",monospace}
pre{margin:.75rem 0;padding:1rem 1.125rem;background:var(--raised);border:1px solid var(--line);border-radius:8px;
white-space:pre-wrap;overflow-wrap:anywhere}
pre code{font-size:.875rem}
.soft{color:var(--soft);font-weight:400;font-size:.875em}
.under{display:block;font-size:.75rem;line-height:1.3}
p{text-wrap:pretty}
.note{color:var(--soft);font-size:.875rem;max-width:44rem;margin:.25rem 0 .75rem}
.alarm{color:var(--bad)}
bdi{overflow-wrap:anywhere}
.z,.e,thead bdi,td.n bdi{overflow-wrap:break-word}
"""

_FRAME = """
.skip{position:absolute;left:-99rem;top:.5rem;padding:.5rem 1rem;background:var(--raised);z-index:9}
.skip:focus{left:1rem}
.page{max-width:80rem;margin:0 auto;padding:0 1.25rem}
header{padding:1.75rem 0 1.5rem;display:flex;flex-wrap:wrap;gap:.5rem 2rem;align-items:start}
.brand{flex:1 0 auto;font-weight:650;font-size:.9375rem;color:var(--accent);letter-spacing:.01em}
.title{flex:1 0 100%;padding-top:1.25rem}
.switch{display:flex;border:1px solid var(--line);border-radius:99px;overflow:hidden}
.switch[hidden]{display:none}
.switch button{border:0;background:none;color:var(--soft);font:inherit;font-size:.8125rem;padding:.25rem .875rem;
cursor:pointer;min-height:2rem}
.switch button[aria-pressed=true]{background:var(--ink);color:var(--bg)}
.switch button:focus-visible{outline-offset:-3px;border-radius:99px}
nav{font-size:.875rem;padding:.625rem 0;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
nav ul{display:flex;flex-wrap:wrap;gap:.125rem 1.25rem}
nav a{color:var(--soft);text-decoration:none;display:inline-block;padding:.1875rem 0}
nav a:hover{color:var(--ink);text-decoration:underline}
section{padding:3rem 0 0;scroll-margin-top:0}
footer{margin:4.5rem 0 2.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.8125rem}
@media (min-width:70rem){
.body:has(nav){display:grid;grid-template-columns:9.5rem minmax(0,1fr);gap:0 3.5rem}
nav{border:0;padding:3.25rem 0 0}
nav ul{display:block;position:sticky;top:2rem}
nav a{padding:.3125rem 0}
header{border-bottom:1px solid var(--line);padding-bottom:2rem}
}
"""

_BLOCKS = """
.facts{display:flex;flex-wrap:wrap;gap:.625rem 2rem;font-size:.875rem;margin:1rem 0}
.facts dt{color:var(--soft);font-size:.75rem;line-height:1.4}
.facts dd{overflow-wrap:anywhere}
.verdict{display:grid;gap:2rem 3.5rem;align-items:start}
.lead{max-width:40rem}
.lead p{font-size:1.0625rem}
.lead p:first-child{font-size:clamp(1.25rem,1.1rem + .7vw,1.5rem);line-height:1.42;
font-weight:560;letter-spacing:-.008em}
.lead p+p{margin-top:.875rem}
@media (min-width:60rem){.lead+.headline{border-left:1px solid var(--line);padding-left:2.5rem}
.verdict:has(.lead+.headline){grid-template-columns:minmax(0,1fr) 23rem}}
.headline .metric{font-weight:600}
.huge{font-size:clamp(3rem,2.2rem + 3vw,4rem);line-height:1.1;font-weight:680;letter-spacing:-.03em}
.interval{color:var(--soft);font-size:.9375rem}
.ladder{margin-top:1.25rem;display:grid;gap:.875rem;max-width:32rem}
.rung dt{font-size:.875rem;line-height:1.4}
.rung dt .soft{margin-left:.5em}
.rung dd{display:grid;grid-template-columns:minmax(0,1fr) 5rem;gap:.75rem;align-items:center}
.rung b{text-align:right;font-weight:600}
.heads{max-width:46rem;min-width:0}
.findings{display:grid;gap:1.5rem}
.findings .what{font-weight:600}
.findings .what code{color:var(--soft);font-weight:400;margin-left:.625rem}
.findings dl{margin-top:.375rem;display:grid;gap:.125rem;font-size:.9375rem}
.findings dl div{display:grid;grid-template-columns:3.5rem minmax(0,1fr);gap:.75rem}
.findings dt{color:var(--soft)}
.findings dd{max-width:44rem}
.badge,.badge.note{margin:0;font-size:.75rem;font-weight:650;line-height:1.5;padding:0 .5rem;border-radius:4px;
border:1px solid currentColor}
.badge.error{color:var(--bad);border-left-width:6px}
.badge.warning{color:var(--warn);border-left-width:4px}
.badge.note{color:var(--soft)}
.findings .badge{margin-right:.625rem}
.figures{display:flex;flex-wrap:wrap;gap:1rem 3rem;margin-bottom:1rem}
.figures dt{color:var(--soft);font-size:.8125rem}
.figures dd{font-size:1.75rem;line-height:1.2;font-weight:640;letter-spacing:-.02em}
.figures dd span{font-size:.8125rem;font-weight:400;color:var(--soft);letter-spacing:0;margin-left:.35em}
.named{font-weight:600;margin-bottom:1rem}
.swatch{display:inline-block;width:.625rem;height:.625rem;border-radius:2px;margin-right:.4em;background:var(--c1)}
.swatch.part2{background:var(--c5)}.swatch.part3{background:var(--c8)}
details{margin:1rem 0}
summary{cursor:pointer;color:var(--c1);font-size:.9375rem;padding:.25rem 0}
details[open]>summary{margin-bottom:.75rem}
"""

_TABLES = """
.scroll{overflow-x:auto;position:relative;margin:.5rem 0;background:
linear-gradient(to right,var(--bg) 40%,transparent) 0 0/2rem 100% no-repeat local,
linear-gradient(to left,var(--bg) 40%,transparent) 100% 0/2rem 100% no-repeat local,
linear-gradient(to right,var(--shade),transparent) 0 0/.625rem 100% no-repeat scroll,
linear-gradient(to left,var(--shade),transparent) 100% 0/.625rem 100% no-repeat scroll}
.tall{max-height:33rem;overflow-y:auto;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.45}
th,td{padding:.4375rem .75rem;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-weight:500;font-size:.8125rem;vertical-align:bottom;white-space:nowrap}
.tall thead th{position:sticky;top:0;background:var(--bg);box-shadow:0 1px var(--line);z-index:1}
tbody th{font-weight:500}
tbody tr:last-child>*{border-bottom-color:transparent}
th.n,td.n{text-align:right;white-space:nowrap}
thead th,td.b{vertical-align:bottom}td.b{vertical-align:top}
th.b,td.b{min-width:7rem;width:32%}
.w{min-width:14rem}
td.t,tbody th.t{min-width:4.5rem}
.rows td{white-space:nowrap}
.rows td.c{white-space:normal;min-width:9rem}
.scores td.b{padding-right:.375rem}
.role.target{color:var(--c1);font-weight:600}
.role.dim{color:var(--soft)}
.arrow{color:var(--soft);margin-left:.35em}
.hash{word-break:break-all}
.legend{display:flex;flex-wrap:wrap;gap:.125rem 1.125rem;font-size:.8125rem;color:var(--soft);font-weight:400;
margin-top:.25rem}
figcaption .legend{margin:0 0 0 auto}
.cells{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.875rem}
.split{display:grid;gap:1.5rem 2.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr))}
.cm{width:auto}
.cm th,.cm td{padding:0;border:2px solid var(--bg);text-align:center;vertical-align:middle}
.cm thead th{vertical-align:bottom;height:1px}
.cm thead th>span{display:inline-block;writing-mode:vertical-rl;max-height:8.5rem;overflow:hidden;
text-overflow:ellipsis;white-space:nowrap;padding:.25rem 0}
.cm tbody th{text-align:right;padding-right:.625rem;font-weight:500;line-height:1.25}
.cm tbody bdi{display:block;width:max-content;max-width:11rem;margin-left:auto}
.cm td{height:2.75rem;width:3.25rem;min-width:2.75rem;border-radius:5px}
.cm.many td{height:2.25rem;min-width:2.25rem;width:2.75rem;font-size:.8125rem}
.cm.flat thead th>span{writing-mode:horizontal-tb;padding:.25rem .5rem}
.cm .corner{color:var(--soft);font-size:.75rem;text-align:right;padding-right:.625rem;vertical-align:bottom;width:auto;
white-space:pre}
.cm .nil{color:var(--soft);opacity:.45}
.cm .sum{color:var(--soft);padding-left:.5rem;font-weight:400}
.cm td a{display:flex;align-items:center;justify-content:center;height:100%;min-height:2.25rem;color:inherit;
text-decoration-thickness:1px}
.cm td a:hover{text-decoration-thickness:3px}
"""

_CHARTS = """
.charts{display:grid;gap:2.25rem 3rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));
margin:1.25rem 0}
figcaption{font-weight:600;font-size:.9375rem;margin-bottom:.5rem;display:flex;flex-wrap:wrap;gap:0 .5rem;
align-items:baseline}
.chart{display:block;width:100%;height:auto;overflow:visible;max-width:32rem}
.chart text{font-size:11.5px;fill:var(--soft);unicode-bidi:isolate}
.chart .tx,.chart .tn{text-anchor:middle}
.chart .ty{text-anchor:end;dominant-baseline:central}
.grid{stroke:var(--line)}
svg .grid{fill:none}
.tick,.axis{stroke:var(--c0);fill:none}
.ref{stroke:var(--c8);stroke-dasharray:4 4;fill:none;vector-effect:non-scaling-stroke}
.l{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.d{stroke-dasharray:6 4}
.dots{fill:none;stroke-width:6;stroke-linecap:round}
.cloud{fill:none;stroke-width:4;stroke-linecap:round;opacity:.42}
.hit{fill:transparent;stroke:none}
.hit:hover{fill:var(--soft);fill-opacity:.35}
.chart .star{font-size:19px;fill:var(--accent);text-anchor:middle;dominant-baseline:central;paint-order:stroke;
stroke:var(--bg);stroke-width:4px}
.key{width:1.375rem;height:.5rem;margin-right:.375rem;vertical-align:middle}
.row{display:block;width:100%;height:1rem;overflow:visible}
td .row{margin-top:.125rem}
.whisker{stroke:var(--ink);stroke-width:1.5;fill:none;vector-effect:non-scaling-stroke}
.zero{stroke:var(--c8);vector-effect:non-scaling-stroke}
.dot{fill:none;stroke-width:9;stroke-linecap:round;vector-effect:non-scaling-stroke}
.chart .b6{opacity:.5}.b0{fill:var(--c0)}.part1{fill:var(--c1)}.part2{fill:var(--c5)}.part3{fill:var(--c8)}
.store{position:absolute;top:0;left:0}
.hard,.heat{image-rendering:pixelated}
.heat{display:block;width:100%;max-width:26rem;height:auto;border:1px solid var(--line)}
ul.grid{display:grid;gap:1.25rem 1rem;grid-template-columns:repeat(auto-fill,minmax(6.5rem,1fr));font-size:.8125rem;
line-height:1.4;stroke:none}
ul.grid.twice{grid-template-columns:repeat(auto-fill,minmax(13rem,1fr))}
.im{display:block;width:100%;aspect-ratio:1;background:var(--raised);border:1px solid var(--line);border-radius:6px;
margin-bottom:.375rem}
.im.none{display:grid;place-items:center;color:var(--soft)}
.copies{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));font-size:.8125rem}
.copies li{display:flex;gap:.875rem}
.copies .im{flex:none;width:4.5rem}
.copies dl div{display:flex;gap:.625rem}
.copies dt{color:var(--soft);flex:none;min-width:3.25rem}
.twin{display:grid;grid-template-columns:1fr 1fr;gap:.375rem}
.cap,.where{display:block}
.where{color:var(--soft);font-size:.75rem;line-height:1.35;overflow-wrap:anywhere}
th .where{white-space:nowrap;display:inline}
.quotes{display:grid;gap:1rem;max-width:44rem}
.quotes li{border-left:3px solid var(--line);padding-left:1rem}
.quotes p{white-space:pre-line}
.swap b{font-weight:650}
"""

_PANEL = """
.panel{display:none;position:fixed;z-index:5;right:0;top:0;bottom:0;width:min(27rem,100vw);overflow:auto;
background:var(--raised);border-left:1px solid var(--line);box-shadow:0 0 3rem rgb(0 0 0/.22);
padding:1.25rem 1.5rem 2rem}
.panel:target{display:block}
.panel:focus{outline:none}
.close{float:right;width:2.25rem;height:2.25rem;display:grid;place-items:center;font-size:1.5rem;line-height:1;
text-decoration:none;color:var(--soft);border-radius:99px}
.close:hover{color:var(--ink)}
.pair{display:flex;flex-wrap:wrap;gap:.25rem 2rem;margin-bottom:.5rem}
.pair dt{color:var(--soft);font-size:.75rem}
.pair dd{font-weight:620;font-size:1.125rem;line-height:1.35}
@media (max-width:40rem){.panel{left:0;top:auto;width:auto;max-height:72vh;
border-left:0;border-top:1px solid var(--line)}}
"""

_SMALL = """
@media (max-width:40rem){
section{padding-top:2.5rem}
th,td{padding:.375rem .375rem}
table{font-size:.8125rem}
thead th{white-space:normal}
thead th,.under{word-break:keep-all}
.layers td.t,.layers code{white-space:nowrap}
th.n,td.n{white-space:normal}
thead th,td.b{vertical-align:bottom}td.b{vertical-align:top}
th.b,td.b{min-width:3rem;width:20%}
.cm .sum{display:none}
.cm.many th,.cm.many td{font-size:.6875rem;border-width:1px}
.cm.many td{min-width:1.625rem;width:1.625rem;height:1.75rem}
.cm.many td a{min-height:1.75rem}
.cm tbody th{padding-right:.375rem}
.cm tbody bdi{max-width:5.5rem}
.copies .im{width:3.5rem}
td.t,tbody th.t{min-width:3.25rem}
.w{min-width:5.5rem}
.scores .b{display:none}
.figures{gap:.75rem 2rem}
.figures dd{font-size:1.5rem}
}
"""

_PRINT = """
@media print{
body{font-size:10pt;background:none}
footer{margin-bottom:0}
.page{max-width:none;padding:0}
nav,.switch,.skip,.panel,.panel:target{display:none}
.body{display:block}
section{padding-top:1.5rem}
.tall{max-height:none}
.scroll{overflow:visible}
h2,h3,h4,figcaption{break-after:avoid}
figure,tr,ul.grid li,.findings li,.headline{break-inside:avoid}
thead{display:table-header-group}
.tall thead th{position:static}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
details::details-content{content-visibility:visible;block-size:auto}
}
"""


def style() -> str:
    """All of it. Colours are variables, so that charts follow the light, the dark and the printed page."""
    series = "".join(f".c{i}{{stroke:var(--c{i})}}.b{i}{{fill:var(--c{i})}}" for i in range(1, 9))
    light = f":root{{color-scheme:light dark;{variables(LIGHT)}}}{shades(LIGHT)}"
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}{shades(DARK)}}}"
    rules = _TYPE + _FRAME + _BLOCKS + _TABLES + _CHARTS + series + _PANEL + _SMALL
    return light + dark + rules + _PRINT

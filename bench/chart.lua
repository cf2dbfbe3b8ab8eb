--- The chart of one database, as SVG: for each workload a panel of bars, the fastest
-- first.
--
-- Readable on light and dark ground: it brings its own, and follows the reader's
-- choice where the browser tells it.
-- @module bench.chart

local format = require "bench.format"

local M = {}

local WIDTH, MARGIN, GAP = 920, 20, 24
local TOP, TITLE, ROW, BAR, AFTER = 92, 26, 18, 12, 20
local LABEL, VALUE = 148, 128 -- widths beside the bars
local PANEL = (WIDTH - 2 * MARGIN - GAP) / 2
local SPACE = PANEL - LABEL - VALUE

local STYLE = [[
<style>
text { font: 12px system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; fill: #1f2328 }
.ground { fill: #ffffff }
.title { font-size: 19px; font-weight: 600 }
.panel { font-size: 13.5px; font-weight: 600 }
.note, .value { fill: #59636e }
.own { font-weight: 600; fill: #b83c00 }
.over { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round }
.covet { fill: #f2681c }
.c, .reference { fill: #57606a }
.peer { fill: #bcc4cd }
.limit { stroke: #57606a; stroke-dasharray: 2 3 }
.span { stroke: #1f2328; stroke-opacity: 0.55 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.ground { fill: #0d1117 }
.note, .value { fill: #9aa4af }
.own { fill: #ff9a57 }
.over { stroke: #0d1117 }
.covet { fill: #f2681c }
.c, .reference { fill: #aab4bf }
.peer { fill: #4b5561 }
.limit { stroke: #aab4bf }
.span { stroke: #e6edf3 }
}
</style>]]

local function escape(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function number(value)
  return (("%.1f"):format(value):gsub("%.0$", ""))
end

local function text_at(x, y, class, text, anchor)
  return ('<text x="%s" y="%s" class="%s"%s>%s</text>'):format(number(x), number(y),
    class, anchor and (' text-anchor="%s"'):format(anchor) or "", escape(text))
end

local function rectangle(x, y, width, height, class)
  return ('<rect x="%s" y="%s" width="%s" height="%s" class="%s"/>'):format(number(x),
    number(y), number(width), number(height), class)
end

local function line(x1, y1, x2, y2, class)
  return ('<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>'):format(number(x1),
    number(y1), number(x2), number(y2), class)
end

-- The bars of a panel, the highest rate first.
local function bars_of(lines)
  local bars = {}
  for _, one in ipairs(lines) do
    if one.kind ~= "covet" or one.chart then bars[#bars + 1] = one end
  end
  table.sort(bars, function(a, b) return a.median > b.median end)
  return bars
end

local function panel_of(one)
  local bars = bars_of(one.lines)
  return { workload = one.workload, bars = bars,
           height = TITLE + #bars * ROW + AFTER }
end

local function value_of(bar)
  local text = format.rate(bar.median)
  if bar.kind ~= "covet" or not bar.ratio then return text end
  return ("%s, %.2f of C"):format(text, bar.ratio)
end

-- `scale`: pixels of a rate.
local function add_bar(svg, x, y, bar, scale)
  local own = bar.kind == "covet"
  local name = own and "covet" .. bar.chart or bar.label
  local middle, start = y + ROW / 2, x + LABEL
  format.add(svg,
    text_at(start - 8, middle + 4, own and "own" or "label", name, "end"),
    rectangle(start, middle - BAR / 2, math.max(1, bar.median * scale), BAR, bar.kind),
    line(start + bar.least * scale, middle, start + bar.most * scale, middle, "span"),
    text_at(start + bar.most * scale + 6, middle + 4,
      own and "own over" or "value over", value_of(bar)))
end

local function add_panel(svg, x, y, panel)
  local highest, limit = 0, nil
  for _, bar in ipairs(panel.bars) do
    highest = math.max(highest, bar.most)
    if bar.kind == "reference" then limit = bar.median end
  end
  local scale = SPACE / highest
  format.add(svg, text_at(x, y + 14, "panel",
    panel.workload.name .. ": " .. panel.workload.short))
  y = y + TITLE
  if limit then
    local at = x + LABEL + limit * scale
    format.add(svg, line(at, y - 2, at, y + #panel.bars * ROW + 2, "limit"))
  end
  for i, bar in ipairs(panel.bars) do
    add_bar(svg, x, y + (i - 1) * ROW, bar, scale)
  end
end

-- Panels in rows of two; how high all are.
local function place(panels)
  local y = 0
  for i = 1, #panels, 2 do
    local height = 0
    for column = 0, 1 do
      local panel = panels[i + column]
      if panel then
        panel.x, panel.y = MARGIN + column * (PANEL + GAP), TOP + y
        height = math.max(height, panel.height)
      end
    end
    y = y + height
  end
  return y
end

local function add_legend(svg, targets, rounds)
  local x, y = MARGIN, 66
  for _, item in ipairs {
    { "covet", "covet" },
    { "reference", "C; the dotted line is " .. targets.reference_name },
    { "peer", "other drivers" },
  } do
    format.add(svg, rectangle(x, y - 10, 11, 11, item[1]),
      text_at(x + 16, y, "note", item[2]))
    x = x + 44 + #item[2] * 6.6
  end
  format.add(svg, line(x, y - 4.5, x + 16, y - 4.5, "span"),
    text_at(x + 22, y, "note", ("least to most of %d rounds"):format(rounds)))
end

--- Draw the chart.
-- @tparam table targets of the database
-- @tparam table results the raw results
-- @tparam {table,...} workloads each `workload` (of the targets) and `lines`
-- @treturn string SVG
function M.draw(targets, results, workloads)
  local panels, svg = {}, {}
  for _, one in ipairs(workloads) do
    if one.workload.short then panels[#panels + 1] = panel_of(one) end
  end
  local height = TOP + place(panels)
  local title = targets.title .. ": how many a second"
  format.add(svg,
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"'
      .. ' viewBox="0 0 %d %d" role="img">'):format(WIDTH, height, WIDTH, height),
    "<title>" .. escape(title) .. "</title>", STYLE,
    ('<rect width="%d" height="%d" rx="8" class="ground"/>'):format(WIDTH, height),
    text_at(MARGIN, 32, "title", title),
    text_at(WIDTH - MARGIN, 32, "note", "longer is better", "end"))
  add_legend(svg, targets, results.workloads[1].rounds)
  for _, panel in ipairs(panels) do add_panel(svg, panel.x, panel.y, panel) end
  format.add(svg, "</svg>", "")
  return table.concat(svg, "\n")
end

return M

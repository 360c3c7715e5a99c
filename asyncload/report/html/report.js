"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => {
      const cell = row.cells[column], value = cell.dataset.v;
      return value === undefined ? cell.textContent : Number(value);
    };
    const rows = [...body.rows].sort((a, b) => {
      const x = key(a), y = key(b);
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return down ? -order : order;
    });
    body.append(...rows);
  }));
}
const span = s => s >= 1 ? `${+s.toPrecision(3)} s` : s >= 1e-3 ? `${+(s * 1e3).toPrecision(3)} ms` : `${+(s * 1e6).toPrecision(3)} µs`;
const clock = s => { const t = Math.floor(s), h = Math.floor(t / 3600), m = Math.floor(t / 60) % 60, x = String(t % 60).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${x}` : `${m}:${x}`; };
const shown = (kind, value) => kind === "time" ? clock(value) : kind === "seconds" ? span(value)
  : kind === "rate" ? `${+value.toPrecision(3)}/s` : kind === "percentile" ? `p${+(100 - 100 / value).toPrecision(6)}` : `${+value.toPrecision(4)}`;
const value = (share, low, high, log) => log ? low * (high / low) ** share : low + share * (high - low);
for (const svg of document.querySelectorAll(".chart svg")) {
  const d = svg.dataset, box = svg.parentNode;
  const lines = [...svg.querySelectorAll("path[data-label]")].map(path => ({
    label: path.dataset.label,
    points: (path.getAttribute("d").match(/[\d.]+ [\d.]+/g) || []).map(pair => pair.split(" ").map(Number)),
  })).filter(line => line.label && line.points.length);
  if (!lines.length) continue;
  const tip = document.createElement("div"), cross = document.createElement("div");
  tip.className = "tip"; cross.className = "cross"; box.append(cross, tip);
  box.addEventListener("pointermove", event => {
    const area = box.getBoundingClientRect(), share = Math.min(Math.max((event.clientX - area.left) / area.width, 0), 1);
    tip.replaceChildren();
    const head = document.createElement("div");
    head.textContent = shown(d.xk, value(share, +d.x0, +d.x1, d.xl === "1"));
    tip.append(head);
    for (const line of lines) {
      let near = line.points[0];
      for (const point of line.points) if (Math.abs(point[0] - share * 1000) <= Math.abs(near[0] - share * 1000)) near = point;
      if (Math.abs(near[0] - share * 1000) > 40) continue;
      const row = document.createElement("div"), strong = document.createElement("b");
      strong.textContent = shown(d.yk, value(1 - near[1] / 1000, +d.y0, +d.y1, d.yl === "1"));
      row.append(`${line.label} `, strong);
      tip.append(row);
    }
    tip.style.display = cross.style.display = "block";
    cross.style.left = `${share * 100}%`;
    tip.style.top = "6px";
    tip.style.left = share < .5 ? `calc(${share * 100}% + 12px)` : "auto";
    tip.style.right = share < .5 ? "auto" : `calc(${100 - share * 100}% + 12px)`;
  });
  box.addEventListener("pointerleave", () => { tip.style.display = cross.style.display = "none"; });
}

// Read-outs under the pointer. The page is complete without this.
(() => {
  "use strict";
  const number = v => {
    if (v === null || v === undefined) return "–";
    const size = Math.abs(v);
    if (size >= 1e7 || (size > 0 && size < 1e-3)) return v.toExponential(2);
    return size >= 1000 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(4));
  };
  const position = v => (Number.isInteger(v) ? v.toLocaleString("en") : number(v));

  const element = (svg, name, attributes) => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return made;
  };

  // The inverse pair of the scales that the plot was drawn with.
  const scale = text => {
    const [low, high, from, to, log] = text.split(" ").map(Number);
    const f = log ? Math.log : v => v;
    const back = log ? Math.exp : v => v;
    return {
      at: v => from + ((f(v) - f(low)) / (f(high) - f(low))) * (to - from),
      of: c => back(f(low) + ((c - from) / (to - from)) * (f(high) - f(low))),
      from, to,
    };
  };

  const nearest = (xs, x) => {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  };

  const lines = (data, svg, out, at) => {
    const x = scale(out.dataset.x), y = scale(out.dataset.y);
    const wanted = x.of(at.x);
    const hits = data.series
      .map(series => ({ series, point: nearest(series.x, wanted) }))
      .filter(hit => hit.series.x.length);
    if (!hits.length) return null;
    const distance = hit => Math.abs(hit.series.x[hit.point] - wanted);
    const anchor = hits.reduce((best, hit) => (distance(hit) < distance(best) ? hit : best));
    const anchorX = anchor.series.x[anchor.point];
    const place = x.at(anchorX);
    out.append(element(svg, "line", { x1: place, x2: place, y1: y.from, y2: y.to }));
    const rows = hits.map(({ series, point }) => {
      const drawn = series.smooth ? series.smooth[point] : series.y[point];
      const height = y.at(drawn);
      if (height >= y.to && height <= y.from) {
        out.append(element(svg, "circle", { class: "c" + series.colour, r: 4, cx: x.at(series.x[point]), cy: height }));
      }
      let text = [series.name, number(series.y[point])].filter(Boolean).join(" ");
      if (series.smooth) text += " (mean " + number(series.smooth[point]) + ")";
      if (series.x[point] !== anchorX) text += " at " + position(series.x[point]);
      return { colour: series.colour, text };
    });
    return { title: [data.label || (anchorX % 1 === 0 ? "step" : ""), position(anchorX)].filter(Boolean).join(" "), rows };
  };

  const points = (data, svg, out, at) => {
    const x = scale(out.dataset.x), y = scale(out.dataset.y);
    let best = null;
    data.series.forEach((series, index) => series.x.forEach((value, point) => {
      const distance = Math.hypot(x.at(value) - at.x, y.at(series.y[point]) - at.y);
      if (distance < 24 && (!best || distance < best.distance)) best = { distance, index, series, point };
    }));
    if (!best) return null;
    const { series, index, point } = best;
    out.append(element(svg, "circle", { class: "c" + (index % 10), r: 5.5, cx: x.at(series.x[point]), cy: y.at(series.y[point]) }));
    const text = (data.x || "x") + " " + number(series.x[point]) + ", " + (data.y || "y") + " " + number(series.y[point]);
    const picture = (series.pictures || [])[point];
    return { title: series.name, rows: [(series.names || [])[point], text].filter(Boolean).map(text => ({ text })), picture };
  };

  const grid = (data, svg, out, at) => {
    const [left, top, width, height] = data.cell;
    const column = Math.floor((at.x - left) / width), row = Math.floor((at.y - top) / height);
    const value = (data.values[row] || [])[column];
    if (column < 0 || value === undefined) return null;
    out.append(element(svg, "rect", { x: left + column * width, y: top + row * height, width, height }));
    const name = (names, index, pool) => names[index * pool] ?? String(index * pool);
    return { title: name(data.rows, row, data.pool[0]) + " → " + name(data.columns, column, data.pool[1]), rows: [{ text: number(value) }] };
  };

  const kinds = { lines, points, grid };

  for (const source of document.querySelectorAll('script[type="application/json"]')) {
    const figure = source.closest("figure");
    const find = kinds[source.dataset.kind];
    if (!figure || !find) continue;
    let data = null;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    figure.append(tip);
    for (const svg of figure.querySelectorAll(".canvas > svg")) {
      const out = svg.querySelector(".read-out");
      const leave = () => { out.replaceChildren(); tip.hidden = true; };
      const move = event => {
        data ??= JSON.parse(source.textContent);
        const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
        const at = { x: ((event.clientX - box.left) / box.width) * view.width, y: ((event.clientY - box.top) / box.height) * view.height };
        out.replaceChildren();
        const found = find(data, svg, out, at);
        if (!found) { tip.hidden = true; return; }
        tip.replaceChildren();
        const title = document.createElement("b");
        title.textContent = found.title;
        tip.append(title);
        if (found.picture) {
          const image = document.createElement("img");
          image.src = "data:image/png;base64," + found.picture;
          image.alt = "";
          tip.append(image);
        }
        for (const row of found.rows) {
          const line = document.createElement("span");
          if (row.colour !== undefined) {
            const dot = document.createElement("i");
            dot.className = "c" + row.colour;
            line.append(dot);
          }
          line.append(row.text);
          tip.append(line);
        }
        tip.hidden = false;
        const frame = figure.getBoundingClientRect();
        const right = event.clientX - frame.left;
        const flip = right + 20 + tip.offsetWidth > frame.width;
        tip.style.left = Math.max(0, flip ? right - 16 - tip.offsetWidth : right + 16) + "px";
        tip.style.top = event.clientY - frame.top + 12 + "px";
      };
      svg.addEventListener("pointermove", move);
      svg.addEventListener("pointerdown", move);
      svg.addEventListener("pointerleave", leave);
    }
  }
})();

"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const documents = document.getElementById("documents").textContent;
  const HEIGHT = 300;

  const look = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { front: of("--front"), dim: of("--dim"), rule: of("--rule"), missed: of("--missed"), colours: of("--colours").split(/\s+/) };
  };

  // 1 in so many answers, as the percentile that people know: 20 is the 95th
  const percentile = (rarity) => "P" + +(100 * (1 - 1 / rarity)).toFixed(3);
  const RARITIES = [1, 2, 10, 20, 100, 1000, 10000];
  const NARROW_PX = 600; // on a phone the names of all of them would stand upon one another
  const short = (value) => (value >= 10000 ? +(value / 1000).toFixed(1) + "k" : String(+value.toPrecision(4)));

  const along = (figure, x) => (figure.x === "rarity" ? percentile(x) : x + (figure.x === "s" ? " s" : "/s"));
  const NAMES = { rarity: "percentile", s: "time", "req/s": "due" };

  const axis = (now, more) => ({ stroke: now.dim, grid: { stroke: now.rule, width: 1 }, ticks: { stroke: now.rule, width: 1 }, ...more });

  const xAxis = (figure, now) =>
    figure.x === "rarity"
      ? axis(now, {
          splits: (plot) => {
            const shown = plot.width < NARROW_PX ? RARITIES.filter((one) => one !== 2 && one !== 10) : RARITIES;
            return shown.filter((one) => one >= plot.scales.x.min && one <= plot.scales.x.max);
          },
          values: (_plot, splits) => splits.map(percentile),
          filter: (_plot, splits) => splits,
        })
      : axis(now, { values: (_plot, splits) => splits.map((one) => along(figure, one)) });

  const options = (figure, width, now) => ({
    width,
    height: HEIGHT,
    scales: {
      x: figure.x === "rarity" ? { time: false, distr: 3 } : { time: false },
      y: figure.log_y ? { distr: 3 } : { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] },
    },
    axes: [
      xAxis(figure, now),
      axis(now, {
        size: 64,
        label: figure.y,
        labelSize: 20,
        values: (_plot, splits) => splits.map((one) => (one === null ? null : short(one))),
      }),
    ],
    series: [
      { label: NAMES[figure.x], value: (_plot, x) => (x == null ? "" : along(figure, x)) },
      ...figure.series.map((one) => ({
        label: one.name,
        stroke: one.is_limit ? now.missed : now.colours[one.colour % now.colours.length],
        dash: one.dashed ? [6, 4] : undefined,
        width: one.is_limit ? 1 : 2,
        points: { show: !one.is_limit && (one.x.length < 3 || figure.x === "req/s") },
        spanGaps: true,
        value: (_plot, y) => (y == null ? "" : short(y) + " " + figure.y),
      })),
    ],
    cursor: { drag: { x: true, y: false } },
  });

  const drawn = new Map();
  const draw = (place) => {
    const figure = figures[Number(place.dataset.figure)];
    const width = Math.floor(place.clientWidth);
    if (!figure || !width) return;
    drawn.get(place)?.destroy();
    const data = uPlot.join(figure.series.map((one) => [one.x, one.y]));
    drawn.set(place, new uPlot(options(figure, width, look()), data, place));
  };

  const places = [...document.querySelectorAll(".plot")];
  places.forEach(draw);
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = drawn.get(target);
      const width = Math.floor(target.clientWidth);
      if (plot && width && plot.width !== width) plot.setSize({ width, height: HEIGHT });
    }
  });
  places.forEach((place) => resized.observe(place));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => places.forEach(draw));

  const save = document.getElementById("save");
  save.addEventListener("click", () => {
    const both = JSON.parse(documents);
    const text = JSON.stringify(both.length === 1 ? both[0] : both, null, 2);
    save.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    save.download = "load-test.json";
  });
})();

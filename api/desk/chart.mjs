// Stacked bars by day, drawn as SVG; a table beside it tells the same to who cannot see it.

import { amount, day, wholeDay } from "./format.mjs";
import { html, useState } from "./html.mjs";

const HEIGHT = 260, LEFT = 58, BOTTOM = 26, TOP = 10;
const COLOURS = 7;

export const colourOf = (index) => index % COLOURS;

export function Bars({ days, names, value, title }) {
  const [at, setAt] = useState(null);
  const totals = days.map((date) => names.reduce((sum, name) => sum + (value(date, name)?.amount_usd ?? 0), 0));
  const { top, step } = scale(Math.max(...totals));
  const y = (usd) => HEIGHT - BOTTOM - (usd / top) * (HEIGHT - BOTTOM - TOP);
  const width = Math.max(320, Math.min(1400, innerWidth - 100)); // So that letters keep their size.
  const slot = (width - LEFT) / days.length;
  const every = Math.ceil(days.length / Math.max(3, width / 110));
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
  const shown = at ?? null;
  return html`<div class="bars" onPointerLeave=${() => setAt(null)}>
    <svg viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${`${title}: ${amount(totals.reduce((sum, each) => sum + each, 0))} in all; the table below has each day.`}>
      ${lines.map((usd) => html`<g key=${usd}><line class="grid" x1=${LEFT} x2=${width} y1=${y(usd)} y2=${y(usd)} /><text class="axis" x=${LEFT - 8} y=${y(usd) + 4} text-anchor="end">${amount(Number(usd.toFixed(6)))}</text></g>`)}
      ${days.map((date, index) => {
        const x = LEFT + index * slot;
        let under = 0;
        return html`<g key=${date}>
          ${names.map((name, which) => {
            const usd = value(date, name)?.amount_usd ?? 0;
            if (!usd) return null;
            const from = under;
            under += usd;
            return html`<rect key=${name} class=${`c${colourOf(which)}`} x=${x + slot * 0.14} width=${slot * 0.72} y=${y(under)} height=${Math.max(0.5, y(from) - y(under))} />`;
          })}
          ${index % every === 0 && html`<text class="axis" x=${x + slot / 2} y=${HEIGHT - 8} text-anchor="middle">${day(date)}</text>`}
          <rect class="hit ${shown === index ? "shown" : ""}" x=${x} width=${slot} y="0" height=${HEIGHT - BOTTOM} onPointerEnter=${() => setAt(index)} /></g>`;
      })}
    </svg>
    <p class="bars-told mono" aria-hidden="true">${shown === null ? `most on one day: ${amount(Math.max(...totals))}`
      : [`${wholeDay(days[shown])}: ${amount(totals[shown])}`, ...names.filter((name) => value(days[shown], name)).map((name) => `${name} ${amount(value(days[shown], name).amount_usd)}`)].join(" · ")}</p>
  </div>`;
}

/** A round top above the highest bar, and the step of the lines below it. */
function scale(highest) {
  if (!highest) return { top: 1, step: 0.5 };
  const size = 10 ** Math.floor(Math.log10(highest));
  const step = [0.25, 0.5, 1, 2, 2.5].map((each) => each * size).find((each) => highest / each <= 4) ?? 2.5 * size;
  return { top: Math.ceil(highest / step) * step, step };
}

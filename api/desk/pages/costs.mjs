// The bill, by day and provider, and how the budgets stand.

import { call } from "../api.mjs";
import { Bars, colourOf } from "../chart.mjs";
import { amount, count, day, daysBefore, exactly, wholeDay } from "../format.mjs";
import { html } from "../html.mjs";
import { go } from "../router.mjs";
import { Empty, Loaded, Title, useLoaded } from "../ui.mjs";

const SPANS = { 7: "7 days", 30: "30 days", 90: "90 days" };

export function Costs({ query }) {
  const span = Number(query.get("days")) in SPANS ? Number(query.get("days")) : 30;
  const group = query.get("by") === "model" ? "model" : "provider";
  const blog = query.get("blog") ?? "";
  const loaded = useLoaded((signal) => call("costs", { query: { from: daysBefore(span - 1), group_by: `day,${group}`, blog_id: blog }, signal }), [span, group, blog]);
  const ask = (more) => go("costs", { days: String(span), by: group, blog, ...more });
  const find = (event) => { event.preventDefault(); ask({ blog: new FormData(event.currentTarget).get("blog").trim() }); };
  return html`<${Title} lead="Every paid call, by usage or list price. Days are UTC." aside=${html`
      <div class="segments" role="group" aria-label="Span">${Object.entries(SPANS).map(([days, name]) => html`<button key=${days} aria-pressed=${Number(days) === span} onClick=${() => ask({ days })}>${name}</button>`)}</div>
      <div class="segments" role="group" aria-label="Split by">${["provider", "model"].map((each) => html`<button key=${each} aria-pressed=${each === group} onClick=${() => ask({ by: each })}>By ${each}</button>`)}</div>
      <form onSubmit=${find} role="search"><input name="blog" aria-label="Blog" placeholder="All blogs" defaultValue=${blog} size="12" /></form>`}>Costs<//>
    <${Loaded} of=${loaded} rows="2">${(bill) => html`<${Bill} bill=${bill} group=${group} />`}<//>`;
}

function Bill({ bill, group }) {
  const days = daysOf(bill);
  const names = [...new Set(bill.rows.map((row) => row[group]))].sort((one, other) => sum(bill, group, other) - sum(bill, group, one) || one.localeCompare(other));
  const rows = bill.rows.filter((row) => row.day);
  return html`<dl class="stats big">
      <div><dt>Spent</dt><dd>${amount(bill.total.amount_usd)}</dd></div><div><dt>Calls</dt><dd>${bill.total.calls}</dd></div>
      <div><dt>Images</dt><dd>${bill.total.images}</dd></div><div class=${bill.total.unknown_calls ? "warn" : ""}><dt>Of unknown cost</dt><dd>${bill.total.unknown_calls}</dd></div></dl>
    ${!rows.length ? html`<${Empty} title="Nothing was paid"><p>In this span no provider was called.</p><//>` : html`
      <figure class="card chart"><figcaption class="legend">${names.map((name, index) => html`<span key=${name}><i class=${`c${colourOf(index)}`} />${name}<b class="mono">${amount(sum(bill, group, name))}</b></span>`)}</figcaption>
        <${Bars} days=${days} names=${names} value=${(date, name) => rows.find((row) => row.day === date && row[group] === name)} title=${`Costs from ${wholeDay(bill.from)} to ${wholeDay(bill.to)}`} /></figure>
      <details class="card"><summary>As a table</summary><div class="table-wrap" tabindex="0" role="region" aria-label="Costs as a table"><table><thead><tr><th scope="col">Day</th><th scope="col">${group === "model" ? "Model" : "Provider"}</th><th scope="col" class="number">Cost</th><th scope="col" class="number">Calls</th><th scope="col" class="number">Images</th><th scope="col" class="number">Unknown</th></tr></thead>
        <tbody>${[...rows].sort((one, other) => other.day.localeCompare(one.day)).map((row) => html`<tr key=${`${row.day}${row[group]}`}><td><time datetime=${row.day}>${day(row.day)}</time></td><td>${row[group]}</td><td class="number mono">${amount(row.amount_usd)}</td><td class="number">${row.calls}</td><td class="number">${row.images}</td><td class="number">${row.unknown_calls}</td></tr>`)}</tbody></table></div></details>`}
    ${bill.budgets.length > 0 && html`<section class="card"><h2>Budgets</h2><ul class="budgets">${bill.budgets.map((budget, index) => html`<${Budget} key=${index} budget=${budget} />`)}</ul></section>`}`;
}

const sum = (bill, group, name) => bill.rows.filter((row) => row[group] === name).reduce((total, row) => total + row.amount_usd, 0);

function daysOf(bill) {
  const days = [];
  for (let at = Date.parse(`${bill.from}T00:00:00Z`); at <= Date.parse(`${bill.to}T00:00:00Z`); at += 86_400_000) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

function Budget({ budget }) {
  const used = budget.left_usd === null ? null : Math.min(100, Math.round(((budget.amount_usd - budget.left_usd) / budget.amount_usd) * 100));
  const name = [budget.tenant ?? "all tenants", budget.blog].filter(Boolean).join(" · ");
  return html`<li><div class="row"><strong>${name}</strong><span>${budget.spent_usd === null ? "nobody can tell now" : `${amount(budget.spent_usd)} of ${amount(budget.amount_usd)} a ${budget.period}`}</span></div>
    ${used !== null && html`<div class="meter ${used > 90 ? "full" : ""}" role="meter" aria-label=${`Budget of ${name}`} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${used}><div style=${{ width: `${used}%` }} /></div>`}
    <p class="edge mono"><span>${count(used ?? 0, "% used", "% used")}</span>${budget.reserved_usd > 0 && html`<span>${amount(budget.reserved_usd)} reserved</span>`}${budget.unknown_usd > 0 && html`<span>${amount(budget.unknown_usd)} unknown</span>`}<span>anew ${exactly(budget.resets_at)}</span></p></li>`;
}
